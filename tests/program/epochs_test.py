"""A job counted in epochs uses every sample so often, and its files agree on where an epoch ends."""

import collections

from program import ProgramTest, main, text_of


class Epochs(ProgramTest):
    def test_four_epochs_use_every_sample_four_times(self):
        (self.folder / "text.txt").write_text(text_of(90))  # little more than one step: epochs end within steps
        run = self.train("train.steps=0", "train.epochs=4", "train.warmup_steps=0", "train.eval_every=0", "train.checkpoint_every=0",
                         "layout.stages=1", "layout.replicas=1")
        ledger = run.lines("ledger.jsonl")
        used = [sample for line in ledger for sample in line["samples"]]
        samples = max(used) + 1
        self.assertNotEqual(samples % 16, 0, "epochs that end with a step prove nothing")
        self.assertEqual(len(ledger), -(-4 * samples // 16))
        times = collections.Counter(used[:4 * samples])
        self.assertEqual(set(times.values()), {4})
        self.assertEqual(len(times), samples)
        validations = run.lines("validation.jsonl")
        self.assertEqual([line["step"] for line in validations], [-(-k * samples // 16) for k in range(1, 5)])
        self.assertTrue(all("epoch_seconds" in line for line in validations))
        for line in validations:
            self.assertEqual(line["epoch"], ledger[line["step"] - 1]["epoch"])


if __name__ == "__main__":
    main()
