"""A run that was stopped or cut off goes on where it was, to the same weights."""

import json
import os
import shutil
import signal
import subprocess

from program import PATIENCE, PROGRAM, ProgramTest, Run, long_run, main


class Resume(ProgramTest):
    STEPS = long_run(200)

    def overrides(self):
        return (f"train.steps={self.STEPS}", "train.checkpoint_every=5", "train.eval_every=50")

    def begin(self, name, **more):
        process = self.start("train", "job.toml", *self.overrides(), "--run-dir", name, **more)
        run = Run(self.folder / name)
        self.wait_for(lambda: (run.folder / "checkpoints" / "step-5").exists() or process.poll() is not None, "step 5")
        self.assertIsNone(process.poll(), "the run ended before it could be disturbed")
        return process, run

    def resumed(self, name):
        done = self.troupe("train", "--resume", "--run-dir", self.folder / name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return Run(self.folder / name, done)

    def judge(self, name):
        reference = self.undisturbed(*self.overrides())
        run = self.resumed(name)
        self.assert_same_training(run, reference)
        self.assert_each_step_once(run, self.STEPS)
        self.assertEqual(run.lines("ledger.jsonl"), reference.lines("ledger.jsonl"))

    def test_ctrl_c_saves_at_the_step_border(self):
        process, run = self.begin("stopped")
        process.send_signal(signal.SIGINT)
        done = self.finish(process)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertEqual(self.processes(), [])
        stopped_at = len(run.figures())
        self.assertLess(stopped_at, self.STEPS)
        report = (run.folder / "report.html").read_text()
        self.assertIn("stopped", report)
        self.assertNotIn("running", report)
        self.assertTrue((run.folder / "checkpoints" / f"step-{stopped_at}").exists())
        self.judge("stopped")

    def test_sigterm_too(self):
        process, _ = self.begin("terminated")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).returncode, 75)
        self.judge("terminated")

    def test_a_link_that_points_elsewhere_meanwhile_does_not_lead_the_run_away(self):
        process, run = self.begin("linked")
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).returncode, 75)
        (self.folder / "elsewhere").mkdir()
        link = self.folder / "link"
        link.symlink_to(run.folder)
        process = self.start("train", "--resume", "--run-dir", link)
        steps = len(run.figures())
        self.wait_for(lambda: len(run.figures()) > steps or process.poll() is not None, "the next step")
        link.unlink()
        link.symlink_to(self.folder / "elsewhere")
        self.assertEqual(self.finish(process).returncode, 0)
        self.assertEqual(list((self.folder / "elsewhere").iterdir()), [])
        self.assertTrue((run.folder / "checkpoints" / f"step-{self.STEPS}").exists())

    def test_a_record_that_is_gone_is_not_begun_anew(self):
        process, run = self.begin("no-ledger")
        process.send_signal(signal.SIGINT)
        self.finish(process)
        steps = run.figures()
        (run.folder / "ledger.jsonl").unlink()
        done = self.troupe("train", "--resume", "--run-dir", run.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("ledger.jsonl is missing or empty, and there is a checkpoint of step", done.stderr)
        self.assertEqual(run.figures(), steps)

    def test_kill9_of_the_whole_process_group(self):
        process, _ = self.begin("cut-off", start_new_session=True)
        os.killpg(process.pid, signal.SIGKILL)
        self.cut_off = True
        process.communicate()
        self.wait_for(lambda: not self.processes(), "the end of every process")
        self.judge("cut-off")

    def test_kill9_of_the_process_that_was_started_takes_all_others_along(self):
        process, _ = self.begin("headless")
        process.kill()
        self.cut_off = True
        process.communicate()
        self.wait_for(lambda: not self.processes(), "the end of every worker")
        self.judge("headless")

    def test_a_run_that_goes_on_is_not_resumed(self):
        process, _ = self.begin("busy")
        again = self.troupe("train", "--resume", "--run-dir", self.folder / "busy")
        self.assertEqual(again.returncode, 2)
        self.assertIn("still going on", again.stderr)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).returncode, 75)

    def test_a_finished_run_has_nothing_left_to_do(self):
        run = self.train(name="finished")
        before = self.digest(run)
        done = self.resumed("finished")
        self.assertIn("nothing left to do: the run is at step 12, and the job ends at step 12", done.talk)
        self.assertEqual(self.digest(run), before)

    def test_other_settings_replace_the_steps_that_are_done_again(self):
        """A longer job stretches the fall of the learning rate: steps after the checkpoint have other numbers."""
        reference = self.undisturbed()
        run = self.train(name="longer")
        shutil.rmtree(run.folder / "checkpoints" / "step-12")
        done = self.troupe("train", "--resume", "--run-dir", run.folder, "train.steps=16", "layout.stages=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("resuming with train.steps = 16 (was 12)", done.stderr)
        self.assertIn("resuming with layout.stages = 1 (was 2)", done.stderr)
        self.assertIn("steps 9 to 12 are done again with these settings", done.stderr)
        self.assert_each_step_once(run, 16)
        self.assertEqual(run.events("step_divergence"), [])
        now, before = run.figures(), reference.figures()
        self.assertEqual([now[step] for step in range(1, 9)], [before[step] for step in range(1, 9)])
        self.assertNotEqual([now[step] for step in range(9, 13)], [before[step] for step in range(9, 13)])

    def test_other_settings_take_checkpoints_ahead_of_the_record_along(self):
        """Or a rollback would find weights of the old settings. RS-1: a refusal before that leaves a torn record."""
        run = self.train(name="ahead")
        metrics = run.folder / "metrics.jsonl"
        lines = metrics.read_text().splitlines(keepends=True)
        torn = "".join(lines[:9]) + lines[9][:20]
        metrics.write_text(torn)
        refused = self.troupe("train", "--resume", "--run-dir", run.folder, "model.width=64")
        self.assertEqual(refused.returncode, 2)
        self.assertEqual(metrics.read_text(), torn)
        done = self.troupe("train", "--resume", "--run-dir", run.folder, "train.lr=1e-3", "train.steps=11")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_each_step_once(run, 11)
        self.assertFalse((run.folder / "checkpoints" / "step-12").exists())

    def test_a_head_killed_after_its_last_checkpoint_is_finished_by_resume(self):
        run = self.train(name="silent")
        head = run.folder / "head.json"
        head.write_text(head.read_text().replace("finished", "running"))
        before = (run.folder / "metrics.jsonl").read_text()
        done = self.troupe("train", "--resume", "--run-dir", run.folder, "train.steps=9", "train.lr=1e-3")
        self.assertIn("nothing left to do: the run is at step 12, and the job ends at step 9", done.stderr)
        self.assertIn("not used, as no step is done with it: train.lr = 0.001 (was 0.003)", done.stderr)
        self.assertEqual((run.folder / "metrics.jsonl").read_text(), before)
        self.assertEqual(json.loads(head.read_text())["state"], "finished")
        self.assertEqual(len(run.events("job_finished")), 2)

    def test_settings_without_numbers_keep_the_record(self):
        reference = self.undisturbed()
        run = self.train(name="elsewhere")
        shutil.rmtree(run.folder / "checkpoints" / "step-12")
        done = self.troupe("train", "--resume", "--run-dir", run.folder, "layout.stages=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("done again", done.stderr)
        self.assertEqual(run.events("step_divergence"), [])
        self.assert_same_training(Run(run.folder), reference)

    def test_a_run_is_known_from_every_folder(self):
        """The job's data path was relative; the run folder is read from elsewhere."""
        run = self.train(name="here")
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        for words in (("eval", run.folder), ("train", "--resume", "--run-dir", run.folder, "train.steps=14")):
            done = subprocess.run([PROGRAM, *map(str, words)], cwd=elsewhere, env=self.environment, text=True,
                                  capture_output=True, timeout=PATIENCE, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_each_step_once(run, 14)

    def test_a_damaged_checkpoint_is_refused_and_the_previous_one_used(self):
        reference = self.undisturbed()
        run = self.train(name="damaged")
        newest = run.folder / "checkpoints" / "step-12"
        victim = max(newest.glob("*.safetensors"), key=lambda file: file.stat().st_size)
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
        done = self.resumed("damaged")
        refused = done.events("checkpoint_refused")
        self.assertEqual(len(refused), 1, done.talk)
        self.assertIn(victim.name, refused[0]["cause"])
        self.assertRegex(refused[0]["cause"], r"byte|offset")
        self.assert_same_training(done, reference)
        self.assert_each_step_once(done, 12)

    def test_a_checkpoint_of_another_model_is_refused(self):
        run = self.train(name="narrow")
        before = (run.folder / "config.toml").read_text()
        done = self.troupe("train", run.folder / "config.toml", "model.width=64", "--resume", "--run-dir", run.folder)
        self.assertEqual((run.folder / "config.toml").read_text(), before, "a refusal changes nothing")
        self.assertEqual(done.returncode, 2)
        self.assertIn("width", done.stderr)
        self.assertIn("64", done.stderr)

    def test_another_order_of_samples_is_refused(self):
        """RS-1, here and above."""
        run = self.train(name="ordered")
        for change in ("data.seed=9", "train.seed=9", "train.global_batch=32"):
            with self.subTest(change=change):
                config = run.folder / "config.toml"
                done = self.troupe("train", config, change, "train.steps=16", "--resume", "--run-dir", run.folder)
                self.assertEqual(done.returncode, 2)
                self.assertIn("another order of samples", done.stderr)
                self.assertIn(change.split("=")[0], done.stderr)

    def test_a_record_that_ends_before_the_newest_checkpoint_falls_back_to_an_older_one(self):
        """What a power cut can leave of metrics.jsonl, or a line damaged in the middle."""
        reference = self.undisturbed()
        run = self.train(name="torn")
        validation = (run.folder / "validation.jsonl").read_text()
        metrics = run.folder / "metrics.jsonl"
        lines = metrics.read_text().splitlines(keepends=True)
        metrics.write_text("".join(lines[:9]) + lines[9][:20])
        done = self.resumed("torn")
        self.assertIn("ends at step 9", done.events("checkpoint_refused")[0]["cause"])
        self.assert_same_training(done, reference)
        self.assert_each_step_once(done, 12)
        self.assertEqual((run.folder / "validation.jsonl").read_text(), validation)

    def test_a_damaged_record_stays_as_it_is_when_no_checkpoint_fits_what_is_left(self):
        """RS-1: it says what to mend, so there must be something left to mend."""
        run = self.train(name="early-damage")
        metrics = run.folder / "metrics.jsonl"
        sound = {name: (run.folder / name).read_text() for name in ("metrics.jsonl", "ledger.jsonl")}
        damaged = sound["metrics.jsonl"].replace('{"step":2,', '{"step";2,')
        self.assertNotEqual(damaged, sound["metrics.jsonl"])
        metrics.write_text(damaged)
        refused = self.troupe("train", "--resume", "--run-dir", run.folder, "train.steps=14")
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("no checkpoint can be used", refused.stderr)
        self.assertEqual(metrics.read_text(), damaged)
        self.assertEqual((run.folder / "ledger.jsonl").read_text(), sound["ledger.jsonl"])
        metrics.write_text(sound["metrics.jsonl"])
        done = self.troupe("train", "--resume", "--run-dir", run.folder, "train.steps=14")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_each_step_once(run, 14)

    def test_ctrl_c_while_the_job_starts(self):
        process = self.start("train", "job.toml", *self.overrides(), "--run-dir", "early")
        self.wait_for(lambda: (self.folder / "early" / "head.json").exists(), "the head")
        process.send_signal(signal.SIGINT)
        done = self.finish(process)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertEqual(self.processes(), [])
        self.judge("early")

    def test_figures_are_whole_json_lines(self):
        run = self.train(name="whole")
        for name in ("metrics.jsonl", "ledger.jsonl", "validation.jsonl", "events.jsonl"):
            for line in (run.folder / name).read_text().splitlines():
                self.assertIsInstance(json.loads(line), dict)


if __name__ == "__main__":
    main()
