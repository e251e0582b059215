"""F36-F38: an end at the instant in which a checkpoint gets its name. It exists or does not, and the last one stays."""

import os
import signal

from disk_faults import PowerCutDisk
from fault_cell import Expected, FaultTest
from program import Run, main


class Publish(FaultTest):
    def killed_at(self, name, title, point):
        with self.cell(name, f"kill -9 of the head, {title}") as cell:
            cell.train([f"kill9 trainer @step=20,point={point}"])
            cell.judge(Expected(heads=2, recovered_within=1.5))
            newest = Run(cell.folder / "checkpoints" / "step-20")
            cell.expect(self.digest(newest) == cell.golden.digests[20], "step-20 does not hold the weights of step 20")

    def test_f36_before_the_rename(self):
        self.killed_at("F36", "before a checkpoint is renamed", "before_rename")

    def test_f37_after_the_rename(self):
        self.killed_at("F37", "between a checkpoint's rename and LATEST", "renamed")

    def test_f38_power_loss(self):
        """What was told to be a checkpoint is whole on a disk that lost all that was not synced."""
        with self.cell("F38", "power loss after a checkpoint is published") as cell:
            disk = PowerCutDisk(self, cell.folder / "checkpoints", self.folder / "disk.image")
            cell.begin(start_new_session=True)
            self.wait_for(lambda: any(line["step"] == 20 for line in cell.run.events("checkpoint")), "the checkpoint of step 20")
            cell.strike(disk.cut_power)
            os.killpg(cell.process.pid, signal.SIGKILL)
            self.cut_off = True
            cell.process.communicate()
            cell.stop_watching()
            self.wait_for(lambda: not self.processes(), "the end of every process")
            disk.give_power()
            for line in cell.run.events("checkpoint"):
                saved = Run(cell.folder / "checkpoints" / f"step-{line['step']}")
                if line["step"] in cell.golden.digests and saved.folder.exists():
                    cell.expect(self.digest(saved) == cell.golden.digests[line["step"]], f"step {line['step']} is not whole")
            cell.expect((cell.folder / "checkpoints" / "step-20").exists(), "step-20 was told to be there, and is not")
            cell.resume()
            cell.judge(Expected(heads=2, nodes=2, resumed=True, replayed=40, detected_within=60, recovered_within=60))


if __name__ == "__main__":
    main()
