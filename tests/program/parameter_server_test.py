"""A parameter server in step gives the all-reduce's bits; out of step it converges and tells how stale its updates were."""

import json
import signal

from program import ProgramTest, Run, long_run, main, text_of

OUT_OF_STEP = "layout.exchange=ps_async"
STEPS = long_run(300)
LONG = f"train.steps={STEPS}"


class ParameterServer(ProgramTest):
    def test_ps_sync_equals_allreduce(self):
        """PS-1 between processes: the same losses, norms and weights."""
        for stages, replicas in ((1, 2), (2, 2), (4, 1), (1, 4)):
            with self.subTest(stages=stages, replicas=replicas):
                layout = (f"layout.stages={stages}", f"layout.replicas={replicas}")
                reduced = self.train(*layout, "layout.exchange=allreduce", name=f"allreduce-{stages}x{replicas}")
                served = self.train(*layout, "layout.exchange=ps_sync", name=f"ps-{stages}x{replicas}")
                self.assert_same_training(served, reduced)

    def test_ps_async_records_every_update(self):
        run = self.train("layout.exchange=ps_async", "layout.stages=1", "layout.replicas=2", "train.steps=40")
        lines = run.lines("metrics.jsonl")
        self.assertEqual([line["step"] for line in lines], list(range(1, 41)))
        staleness = [value for line in lines for value in line["staleness"]]
        self.assertEqual(len(staleness), 80, "an update for each replica and step")
        self.assertTrue(all(0 <= value < 40 for value in staleness), staleness)
        self.assertGreater(max(staleness), 0, "two replicas that never overlap are not out of step")
        self.assertLess(lines[-1]["loss"], 0.9 * lines[0]["loss"])
        self.assertIn("Staleness of gradients", (run.folder / "report.html").read_text())

    def test_ps_sync_goes_on_over_borders_at_which_nothing_is_done(self):
        layout = ("layout.replicas=2", "data.validation_fraction=0", "train.eval_every=1", "train.checkpoint_every=0")
        reduced = self.train(*layout, "layout.exchange=allreduce", name="borders-allreduce")
        served = self.train(*layout, "layout.exchange=ps_sync", name="borders-ps")
        self.assert_same_training(served, reduced)

    def stopped_at(self, name, *overrides):
        """Step at which a run ended that was told to stop by Ctrl-C in the middle of a range (of ten steps out of step)."""
        (self.folder / "text.txt").write_text(text_of(20000))  # no epoch ends on the way
        process = self.start("train", "job.toml", *overrides, "--run-dir", name)
        run = Run(self.folder / name)
        self.wait_for(lambda: len(run.figures()) >= 13 or process.poll() is not None, "step 13")
        process.send_signal(signal.SIGINT)
        done = self.finish(process)
        self.assertEqual(done.returncode, 75, done.stderr)
        step = len(run.figures())
        self.assertTrue((run.folder / "checkpoints" / f"step-{step}").exists(), done.stderr)
        self.assertEqual(step % 10, 0, "replicas were not at the end of their range")
        return step

    def resumed(self, name):
        done = self.troupe("train", "--resume", "--run-dir", self.folder / name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return Run(self.folder / name, done)

    def test_ps_async_is_stopped_with_the_weights_of_that_step(self):
        # One replica out of step is alone, so that its runs have the same bits.
        job = (OUT_OF_STEP, "layout.replicas=1", "train.schedule=constant", "train.eval_every=0", "train.checkpoint_every=0")
        step = self.stopped_at("stopped", *job, LONG)
        self.assertLess(step, STEPS)
        undisturbed = self.train(*job, f"train.steps={step}", name="undisturbed")
        self.assertEqual(self.digest(Run(self.folder / "stopped")), self.digest(undisturbed))
        self.assert_same_training(self.resumed("stopped"), self.train(*job, LONG, name="whole"))

    def test_ps_async_goes_on_after_a_stop(self):
        job = (OUT_OF_STEP, "train.eval_every=0", "train.checkpoint_every=0", LONG)
        self.assertLess(self.stopped_at("stopped", *job), STEPS)
        self.assert_each_step_once(self.resumed("stopped"), STEPS)

    def test_ps_async_validates_the_weights_that_it_saves(self):
        for stages in (1, 2):
            with self.subTest(stages=stages):
                run = self.train(OUT_OF_STEP, f"layout.stages={stages}", "layout.replicas=2", name=f"{stages}x2")
                done = self.troupe("eval", run.folder, "--output", "json")
                self.assertEqual(done.returncode, 0, done.stderr)
                judged = json.loads(done.stdout)
                last = run.lines("validation.jsonl")[-1]
                self.assertEqual((last["step"], last["loss"], last["accuracy"]),
                                 (judged["step"], judged["loss"], judged["accuracy"]))

    def test_the_optimizer_counts_on_when_the_exchange_changes(self):
        """Its bias correction depends on the number of its updates, which out of step is not that of the steps."""
        run = self.train(OUT_OF_STEP, "layout.replicas=2", "train.steps=8", name="changed")
        done = self.troupe("train", "--resume", "--run-dir", run.folder, "layout.exchange=allreduce", "train.steps=12")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_each_step_once(run, 12)
        updates = [json.loads((run.folder / "checkpoints" / f"step-{step}" / "MANIFEST.json").read_text())["updates"]
                   for step in (8, 12)]
        self.assertEqual(updates, [16, 20])

    def test_a_killed_server_comes_back(self):
        reference = self.train("layout.exchange=ps_sync", name="undisturbed")
        for phase in ("forward", "reduce"):
            with self.subTest(phase=phase):
                run = self.train("layout.exchange=ps_sync", name=f"killed-{phase}",
                                 inject=[f"kill9 ps @step=6,phase={phase}"])
                self.assertEqual(len(run.events("actor_down")), 1)
                self.assertIn("SIGKILL", run.events("actor_down")[0]["cause"])
                self.assert_same_training(run, reference)
                self.assert_each_step_once(run, 12)


if __name__ == "__main__":
    main()
