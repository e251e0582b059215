"""F41: the head is killed and comes back. Training goes on with the same actors; a commit that was written stands."""

import os
import signal

from fault_cell import LONG, Expected, FaultTest
from program import main

VICTIM = "stage/r0.s1"
KILLED = r"signal 9 \(SIGKILL\)"


class HeadDies(FaultTest):
    def killed_at(self, title, where, step=25):
        with self.cell("F41", f"kill -9 of the head, {title}") as cell:
            cell.train([f"kill9 trainer @step={step},{where}"])
            cell.judge(Expected(heads=2))

    def test_f41_between_steps(self):
        """After the checkpoint of step 30: elsewhere one step follows the other, and the trainer is never idle."""
        self.killed_at("between two steps", "phase=idle", step=31)

    def test_f41_all_votes_in(self):
        self.killed_at("all votes in, nothing written", "point=votes_in")

    def test_f41_commit_written(self):
        self.killed_at("commit written, nobody told", "point=commit_written")

    def test_f41_everybody_told(self):
        self.killed_at("everybody told", "point=told")

    def test_f41_in_a_recovery(self):
        with self.cell("F41", "kill -9 of the head, in a recovery", LONG) as cell:
            cell.begin([f"kill9 {VICTIM} @step=25,phase=backward"])
            cell.wait_for_event("actor_down")
            cell.strike(lambda: os.kill(cell.head_process(), signal.SIGKILL))
            cell.end()
            cell.judge(Expected({VICTIM: KILLED}, heads=2, recovered_within=2))


if __name__ == "__main__":
    main()
