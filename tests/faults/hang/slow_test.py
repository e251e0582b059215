"""F20, F21: processes that are slow are not dead."""

import subprocess
import sys

from control_group import ControlGroup
from fault_cell import LONG, Expected, FaultTest
from program import main

VICTIM = "stage/r0.s1"


class Slow(FaultTest):
    def test_f20_straggler(self):
        """A fifth of a processor: the job is as slow as that stage, and nobody dies of it."""
        with self.cell("F20", "a stage has a fifth of a processor for 20 steps", LONG) as cell:
            group = ControlGroup("cpu", f"troupe-test-{self.tag}")
            self.addCleanup(group.remove)
            group.limit(20_000)
            cell.begin()
            cell.wait_for_step(30)
            cell.strike(lambda: group.add(cell.process_of(VICTIM)))
            cell.wait_for_step(50)
            group.give_back()
            cell.end()
            cell.judge(Expected())
            cell.not_built("nothing flags a straggler, and there is no command to drain a stage")

    def test_f21_others_take_the_processors(self):
        """Four busy loops on each two cores: heartbeats and deadlines must allow for it."""
        with self.cell("F21", "busy loops take the processors", LONG) as cell:
            cell.begin()
            cell.wait_for_step(20)
            loops = cell.strike(lambda: [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)])
            try:
                cell.wait_for_step(140)
            finally:
                for loop in loops:
                    loop.kill()
                    loop.wait()
            cell.end()
            cell.judge(Expected())


if __name__ == "__main__":
    main()
