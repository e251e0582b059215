"""However a job ends, it ends whole: nothing of it is left on the machine at the moment its program returns."""

import signal

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
        self.assertEqual(len(self.processes()), 7, "head, two data actors, four stages")
        return process, run

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

    def test_an_end_by_an_actor_that_cannot_be_helped(self):
        """JR-1: a job that fails while its other actors are well, also with processes that were killed on the way."""
        for action in ("throw", "kill9"):
            with self.subTest(action=action):
                rules = [f"{action} stage/r0.s0 @step=2,phase=forward,incarnation={i}" for i in range(1, 40)]
                self.train(name=action, inject=rules, status=1)
                self.assert_left_nothing_at_once()


if __name__ == "__main__":
    main()
