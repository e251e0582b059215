"""F01-F08: kill -9 of a stage at every point of a step. Only it restarts, and at most one step is done again."""

from fault_cell import LONG, Expected, FaultTest
from program import main

VICTIM = "stage/r0.s1"
KILLED = r"signal 9 \(SIGKILL\)"


class KillStage(FaultTest):
    def killed_at(self, name, title, where, **more):
        with self.cell(name, f"kill -9 of a stage, {title}") as cell:
            cell.train([f"kill9 {VICTIM} @step=25,{where}"])
            cell.judge(Expected({VICTIM: KILLED}, **more))

    def test_f01_between_steps(self):
        self.killed_at("F01", "between two steps", "phase=idle", recovered_within=0.3, replayed=0)

    def test_f02_in_the_forward_pass(self):
        self.killed_at("F02", "in the forward pass of micro-batch 2 of 4", "phase=forward,mb=1", recovered_within=0.5)

    def test_f03_in_the_backward_pass(self):
        self.killed_at("F03", "in the backward pass of micro-batch 2 of 4", "phase=backward,mb=1", recovered_within=0.5)

    def test_f04_in_the_reduction(self):
        self.killed_at("F04", "in the sum over replicas", "phase=reduce", recovered_within=0.5)

    def test_f05_after_its_vote(self):
        self.killed_at("F05", "after its vote, before the commit", "point=voted", recovered_within=0.5)

    def test_f06_after_the_commit(self):
        self.killed_at("F06", "after the commit, before it applies it", "point=committed", recovered_within=0.5)

    def test_f06_after_the_optimizer(self):
        self.killed_at("F06", "after the optimizer, before the snapshot", "point=applied", recovered_within=0.5)

    def test_f07_in_the_snapshot(self):
        self.killed_at("F07", "half of its snapshot copied", "point=snapshot", recovered_within=0.5)

    def test_f08_the_last_stage_at_a_random_instant(self):
        with self.cell("F08", "kill -9 of the last stage, at a random instant", LONG) as cell:
            cell.begin()
            cell.wait_for_step(self.chance.randrange(30, 60))
            cell.random_moment()
            cell.kill(VICTIM)
            cell.end()
            cell.judge(Expected({VICTIM: KILLED}, recovered_within=0.5))


if __name__ == "__main__":
    main()
