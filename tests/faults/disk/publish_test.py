"""F36-F38: an end at the instant in which a checkpoint gets its name. It exists or does not, and the last one stays."""

import os
import signal

from disk_faults import PowerCutDisk
from fault_cell import Expected, FaultTest
from program import Run, main


class Publish(FaultTest):
    def killed_at(self, name, title, point):
        with self.cell(name, f"kill -9 of the head, {title}") as cell:
            cell.train([f"kill9 trainer @step=30,point={point}"])
            cell.judge(Expected(heads=2, recovered_within=1.5))
            newest = Run(cell.folder / "checkpoints" / "step-30")
            cell.expect(self.digest(newest) == cell.golden.digests[30], "step-30 does not hold the weights of step 30")

    def test_f36_before_the_rename(self):
        self.killed_at("F36", "before a checkpoint is renamed", "before_rename")

    def test_f37_after_the_rename(self):
        self.killed_at("F37", "between a checkpoint's rename and LATEST", "renamed")

    def test_f38_power_loss(self):
        """What was told to be a checkpoint is whole on a disk that lost all that was not synced."""
        with self.cell("F38", "power loss after a checkpoint is published") as cell:
            disk = PowerCutDisk(self, cell.folder / "checkpoints", self.folder / "disk.image")
            cell.begin(start_new_session=True)
            self.wait_for(lambda: any(line["step"] == 30 for line in cell.run.events("checkpoint")), "the checkpoint of step 30")
            cell.strike(disk.cut_power)
            os.killpg(cell.process.pid, signal.SIGKILL)
            self.cut_off = True
            cell.process.communicate()
            cell.stop_watching()
            self.wait_for(lambda: not self.processes(), "the end of every process")
            disk.give_power()
            saved = Run(cell.folder / "checkpoints" / "step-30")
            if saved.folder.exists():
                cell.expect(self.digest(saved) == cell.golden.digests[30], "step-30 is not whole")
            else:
                cell.expect(False, "step-30 was told to be there, and is not")
            cell.resume()
            cell.judge(Expected(heads=2, nodes=2, resumed=True, replayed=40, detected_within=60, recovered_within=60))


if __name__ == "__main__":
    main()
