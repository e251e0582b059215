"""F42, F43: a recovery is disturbed by another death: of who recovers, or of who helps."""

import pathlib
import signal

from fault_cell import LONG, Expected, FaultTest
from job_processes import snapshots_of
from program import main

VICTIM, SIBLING = "stage/r0.s1", "stage/r1.s1"
KILLED = r"signal 9 \(SIGKILL\)"


class Recovery(FaultTest):
    def test_f42_killed_in_its_replay(self):
        with self.cell("F42", "kill -9 of a stage that repeats a step") as cell:
            cell.train([f"kill9 {VICTIM} @step=25,phase=backward", f"kill9 {VICTIM} @point=replay,incarnation=2"])
            cell.judge(Expected({VICTIM: KILLED}, deaths=2, recovered_within=1))

    def test_f42_killed_as_it_takes_its_state(self):
        with self.cell("F42", "kill -9 of a stage that takes its state back") as cell:
            cell.train([f"kill9 {VICTIM} @step=25,phase=backward", f"kill9 {VICTIM} @point=restore,incarnation=2"])
            cell.judge(Expected({VICTIM: KILLED}, deaths=2, recovered_within=1))

    def test_f43_the_source_is_killed(self):
        """The victim has no snapshot of its own, and its sibling dies while it lends its state."""
        with self.cell("F43", "kill -9 of the stage that lends its state", LONG) as cell:
            cell.begin([f"kill9 {SIBLING} @point=lend"])
            cell.wait_for_step(self.chance.randrange(30, 60))
            cell.random_moment()
            cell.kill(VICTIM, number=signal.SIGSTOP)
            files = snapshots_of(self.shared_memory, VICTIM)
            self.assertGreaterEqual(len(files), 1, "snapshots in shared memory")
            for file in files:
                pathlib.Path(file).unlink()
            cell.kill(VICTIM)
            cell.end()
            cell.judge(Expected({VICTIM: KILLED, SIBLING: KILLED}, replayed=25, recovered_within=2))
            if any(line["kind"] == "checkpoint" for line in cell.run.events("recovered")):
                cell.not_built("a stage that has just taken its own snapshot lends nothing: all went back to the checkpoint")


if __name__ == "__main__":
    main()
