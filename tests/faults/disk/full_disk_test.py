"""F33-F35: the disk fills up or fails while a checkpoint is written. Training goes on, the last checkpoint stays."""

from disk_faults import FailingCalls, SmallDisk
from fault_cell import LONG, Expected, FaultTest
from program import main


class FullDisk(FaultTest):
    def test_f33_no_space(self):
        with self.cell("F33", "the disk of the checkpoints is full for a while", LONG) as cell:
            disk = SmallDisk(self, cell.folder / "checkpoints", "64m")
            cell.begin()
            cell.wait_for_event("checkpoint")
            cell.strike(disk.fill)
            cell.wait_for_event("checkpoint_failed")
            disk.give_back()
            cell.end()
            cell.judge(Expected())
            self.assert_told(cell, "No space left on device")

    def assert_told(self, cell, words):
        failures = cell.run.events("checkpoint_failed")
        cell.expect(any(words in line["cause"] for line in failures), f"no alarm says \"{words}\": {failures}")
        cell.expect("checkpoint" in cell.run.talk, "the terminal does not say that a checkpoint failed")
        after = [line["step"] for line in cell.run.events("checkpoint") if failures and line["step"] > failures[-1]["step"]]
        cell.expect(after, "no checkpoint was written after it")

    def failing(self, name, title, call, failure, words):
        with self.cell(name, title, LONG) as cell:
            cell.begin()
            cell.wait_for_event("actor_up", 6)
            root, head = cell.folder / "checkpoints", cell.head_process()
            shards = [root / f"step-50.e{epoch}.tmp-{head}" / "model-00002-of-00002.safetensors" for epoch in range(1, 5)]
            calls = FailingCalls(self, cell.process_of("stage/r0.s1"), call, failure, shards)
            cell.wait_for_event("checkpoint_failed")
            cell.strikes.append(self.when_failed(cell))
            cell.end()
            calls.end()
            if not calls.injected():
                cell.complaints.append(("void", f"no {call} failed: {calls.calls()}"))
            cell.judge(Expected())
            self.assert_told(cell, words)
            selectable = [line for line in cell.run.events("checkpoint") if line["step"] == 50]
            cell.expect(not selectable, "a checkpoint with a part that was not written was published")
            return calls

    def when_failed(self, cell):
        """The fault itself leaves no time: it was before what is told of it."""
        failed = cell.run.events("checkpoint_failed")
        return failed[0]["monotonic"] if failed else 0.0

    def test_f34_no_space_at_the_third_write(self):
        self.failing("F34", "no space at the third write of a part", "write", "error=ENOSPC:when=3", "No space left on device")

    def test_f35_a_sync_fails(self):
        calls = self.failing("F35", "fdatasync of a part fails", "fdatasync", "error=EIO:when=1", "Input/output error")
        self.assertEqual(len(calls.calls()), 1, "a sync that failed is not tried again on the same file")


if __name__ == "__main__":
    main()
