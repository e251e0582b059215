"""However a job ends, it ends whole: nothing of it is left on the machine at the moment its program returns."""

import os
import signal
import subprocess
import time

from program import ProgramTest, Run, main


class JobEnd(ProgramTest):
    def assert_left_nothing_at_once(self):
        """Called when the program has returned: there is no time in which it could still be tidied up."""
        self.assertEqual(self.processes(), [])
        self.assertEqual([str(path) for path in (self.folder / "runtime").rglob("*")], [])
        self.assertEqual(self.leftover_memory(), [])

    def begin(self, name):
        process = self.start("train", "job.toml", "train.steps=5000", "--run-dir", name)
        run = Run(self.folder / name)
        self.wait_for(lambda: len(run.figures()) >= 3 or process.poll() is not None, "step 3")
        self.assertEqual(len(self.processes()), 10,
                         "the one that was started, head, node agent, fork server, two data actors, four stages")
        return process, run

    def wait_until_nothing_moves(self, run):
        """No step is finished for a second and a half: one that is under way takes a hundredth of it."""
        seen = [-1, time.monotonic()]

        def is_still():
            steps = len(run.figures())
            if steps != seen[0]:
                seen[:] = [steps, time.monotonic()]
            return time.monotonic() - seen[1] > 1.5

        self.wait_for(is_still, "an end of the steps")

    def test_an_end_in_good_order(self):
        """JR-1: a job that finishes."""
        self.train(name="finished")
        self.assert_left_nothing_at_once()

    def test_an_end_on_request(self):
        """JR-1: a job that is stopped by Ctrl-C or SIGTERM, in the middle of its steps."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number.name):
                process, _ = self.begin(number.name)
                process.send_signal(number)
                self.assertEqual(self.finish(process).returncode, 75)
                self.assert_left_nothing_at_once()

    def test_an_end_of_a_job_that_hangs(self):
        """JR-1: a stopped process never reaches the border at which a first signal stops; a second does not wait."""
        self.environment["TROUPE_HANG_SECONDS"] = "0"  # or it would be killed, and the job go on
        process, run = self.begin("hanging")
        self.wait_for(lambda: (run.folder / "checkpoints" / "step-4").exists(), "step 4")
        stage = next(line["pid"] for line in run.events("actor_up") if line["actor"] == "stage/r0.s1")
        os.kill(stage, signal.SIGSTOP)
        # It may have done its part of the step under way, whose border is then still reached, and the job stops there.
        self.wait_until_nothing_moves(run)
        process.send_signal(signal.SIGINT)
        told = ""
        while "stopping at the next step border" not in told:
            told = process.stderr.readline()
            self.assertNotEqual(told, "", "the job ended")
        steps = len(run.figures())
        with self.assertRaises(subprocess.TimeoutExpired, msg="it waits for the stopped one"):
            process.wait(timeout=2)
        process.send_signal(signal.SIGINT)
        done = self.finish(process, patience=15)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("newest complete checkpoint", done.stderr)
        self.assert_left_nothing_at_once()
        again = self.troupe("train", "--resume", "--run-dir", run.folder, f"train.steps={steps + 3}")
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_a_last_word_that_cannot_be_written(self):
        """The training is finished and saved: what is missing is a warning."""
        process = self.start("train", "job.toml", "train.steps=200", "--run-dir", "mute")
        run = Run(self.folder / "mute")
        self.wait_for(lambda: len(run.figures()) >= 3, "step 3")
        for name in ("head.json", "report.html"):
            (run.folder / f"{name}.{process.pid}").mkdir()  # where the new file is written first
        done = self.finish(process)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("head.json", "report.html"):
            self.assertRegex(done.stderr, rf"troupe: warning: .*{name}")
        self.assertIn("step-200", done.stdout)
        self.assert_left_nothing_at_once()

    def test_an_end_by_an_actor_that_cannot_be_helped(self):
        """JR-1: a job that fails while its other actors are well, also with processes that were killed on the way."""
        for action in ("throw", "kill9"):
            with self.subTest(action=action):
                rules = [f"{action} stage/r0.s0 @step=2,phase=forward,incarnation={i}" for i in range(1, 40)]
                self.train(name=action, inject=rules, status=1)
                self.assert_left_nothing_at_once()


if __name__ == "__main__":
    main()
