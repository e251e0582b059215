"""F17-F19: a stage stands still though its process lives. Long: it is replaced; shortly: nothing happens."""

from fault_cell import LONG, Expected, FaultTest
from program import main

VICTIM = "stage/r0.s1"


class Stop(FaultTest):
    def test_f17_stopped_for_ten_seconds(self):
        with self.cell("F17", "a stage is stopped for 10 s in the forward pass") as cell:
            cell.train([f"stop(10000) {VICTIM} @step=25,phase=forward"])
            cell.judge(Expected({VICTIM: r"stop"}, detected_within=1.5, recovered_within=2))

    def test_f18_stopped_shortly(self):
        with self.cell("F18", "a stage is stopped for 300 ms in the forward pass", LONG) as cell:
            cell.train([f"stop(300) {VICTIM} @step=25,phase=forward"])
            cell.judge(Expected())

    def test_f19_its_work_hangs(self):
        with self.cell("F19", "a stage's handler never returns, its other threads live") as cell:
            cell.train([f"hang {VICTIM} @step=25,phase=backward"])
            cell.judge(Expected({VICTIM: r"hang|hung"}, detected_within=3, recovered_within=4))
            bundles = [file.read_text() for file in (cell.folder / "post-mortem").glob("*.json")]
            cell.expect(any("stack" in text or "wchan" in text for text in bundles), "no post-mortem shows where it hung")


if __name__ == "__main__":
    main()
