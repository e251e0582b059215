"""F39, F40: a checkpoint is damaged afterwards, or the weights would change while it is written."""

import time

from fault_cell import Expected, FaultTest
from program import Run, main


class Damage(FaultTest):
    def damaged(self, title, damage):
        """The newest of a finished run is damaged; to resume is to fall back to the one before and do ten steps again."""
        with self.cell("F39", title) as cell:
            cell.train()
            newest = cell.folder / "checkpoints" / "step-40"
            victim = max(newest.glob("*.safetensors"), key=lambda file: file.stat().st_size)
            cell.strikes.append(time.monotonic())
            damage(victim)
            cell.resume()
            refused = cell.run.events("checkpoint_refused")
            cell.expect(len(refused) == 1 and victim.name in refused[0]["cause"], f"the refusal names no file: {refused}")
            cell.expect(any(word in str(refused) for word in ("byte", "offset", "size")), f"nor what is wrong: {refused}")
            cell.judge(Expected(heads=2, nodes=2, resumed=True, replayed=40, detected_within=60, recovered_within=60))

    def test_f39_one_byte_is_other(self):
        def flip(file):
            content = bytearray(file.read_bytes())
            content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
            file.write_bytes(content)

        self.damaged("one bit of a checkpoint is flipped", flip)

    def test_f39_it_is_cut_short(self):
        def cut(file):
            with file.open("r+b") as content:
                content.truncate(self.chance.randrange(file.stat().st_size))

        self.damaged("a file of a checkpoint is cut short", cut)

    def test_f40_a_slow_writer(self):
        """Longer than many steps take: whatever is trained meanwhile must not be in the file."""
        with self.cell("F40", "the writer of a checkpoint takes as long as many steps") as cell:
            cell.train(["slow(400) stage/r0.s1 @step=30,phase=checkpoint"])
            cell.judge(Expected())
            saved = Run(cell.folder / "checkpoints" / "step-30")
            cell.expect(self.digest(saved) == cell.golden.digests[30], "step-30 holds other weights than those of step 30")


if __name__ == "__main__":
    main()
