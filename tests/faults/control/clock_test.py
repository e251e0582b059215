"""F44: clocks of the wall jump, and clocks of the machine differ between nodes. Only odd times in the log come of it."""

import datetime
import subprocess
import unittest

from fault_cell import LONG, Expected, FaultTest
from program import SLOWNESS, main
from wall_clock import WallClock


class Clocks(FaultTest):
    @unittest.skipIf(SLOWNESS > 1, "nothing may be preloaded before a sanitizer")
    def test_f44_the_wall_clock_jumps(self):
        with self.cell("F44", "the wall clock jumps an hour ahead, then two back", LONG) as cell:
            clock = WallClock(self)
            self.environment = clock.environment
            cell.begin()
            cell.wait_for_step(30)
            cell.strike(lambda: clock.jump(3600))
            cell.wait_for_step(70)
            cell.strike(lambda: clock.jump(-3600))
            cell.end()
            cell.judge(Expected())
            times = [datetime.datetime.fromisoformat(line["time"].rstrip("Z")) for line in cell.run.lines("events.jsonl")]
            span = max(times) - min(times)
            if span < datetime.timedelta(hours=1):
                cell.complaints.append(("void", f"the job did not see the jump: its events span {span}"))

    def test_f44_another_monotonic_clock(self):
        """A namespace of time: the job's monotonic clock is ten hours ahead of the machine's."""
        with self.cell("F44", "the monotonic clock of the job is ten hours ahead") as cell:
            words = ["unshare", "--time", "--monotonic", "36000", "--boottime", "36000", "--fork", "--kill-child"]
            self.require(words)
            cell.begin(before=words)
            cell.strike(lambda: None)
            cell.end()
            first = cell.run.lines("events.jsonl")[0]["monotonic"]
            if first - cell.strikes[0] < 30000:
                cell.complaints.append(("void", f"its clock is not ahead: {first} beside {cell.strikes[0]}"))
            cell.judge(Expected())

    def require(self, words):
        done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no namespace of time here: {done.stderr.strip()}")


if __name__ == "__main__":
    main()
