"""The layout changes no bit: losses, gradient norms and weights are the same on every stages x replicas x schedule."""

import json

from program import ProgramTest, main

LAYOUTS = [(1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (1, 4)]


class LayoutGrid(ProgramTest):
    def train_layout(self, stages, replicas, schedule, *more):
        return self.train("train.steps=30", "model.dropout=0.1", "train.global_batch=16", "train.micro_batch=2",
                          "train.eval_every=10", "train.checkpoint_every=0", f"layout.stages={stages}",
                          f"layout.replicas={replicas}", f"layout.schedule={schedule}", *more,
                          name=f"{stages}x{replicas}-{schedule}-{len(more)}")

    def test_p4_every_layout_gives_the_same_bits(self):
        reference = self.train_layout(1, 1, "gpipe")
        self.assertEqual(len(reference.figures()), 30)
        self.assertEqual(len(set(reference.figures().values())), 30, "a loss that does not move proves nothing")
        for stages, replicas in LAYOUTS:
            for schedule in ("gpipe", "1f1b"):
                with self.subTest(stages=stages, replicas=replicas, schedule=schedule):
                    run = self.train_layout(stages, replicas, schedule, "layout.exchange=allreduce")
                    self.assert_same_training(run, reference)
                    self.assertEqual([line["loss"] for line in run.lines("validation.jsonl")],
                                     [line["loss"] for line in reference.lines("validation.jsonl")])

    def test_p4_an_untied_sinusoidal_model_too(self):
        other = ("model.tied=false", "model.positions=sinusoidal")
        reference = self.train_layout(1, 1, "gpipe", *other)
        self.assert_same_training(self.train_layout(4, 2, "1f1b", *other), reference)

    def test_p4_fewer_held_out_samples_than_a_micro_batch_are_validated_too(self):
        few = ("data.validation_fraction=0.001", "train.micro_batch=4")  # one sample
        validations = []
        for stages, replicas in ((1, 1), (2, 2), (4, 1)):
            run = self.train_layout(stages, replicas, "1f1b", *few)
            validations.append([(line["step"], line["loss_hex"], line["tokens"]) for line in run.lines("validation.jsonl")])
            self.assertEqual([line[0] for line in validations[-1]][-1], 30)
            self.assertEqual(validations[-1][-1][2], 16, "one sample of 16 tokens")
            judged = self.troupe("eval", run.folder, "--output", "json")
            self.assertEqual(judged.returncode, 0, judged.stderr)
            self.assertEqual(json.loads(judged.stdout)["loss"], run.lines("validation.jsonl")[-1]["loss"])
        self.assertEqual(validations[1:], validations[:1] * 2)

    def test_another_seed_gives_other_bits(self):
        first = self.train_layout(1, 1, "gpipe")
        other = self.train_layout(1, 1, "gpipe", "train.seed=2")
        self.assertNotEqual(self.digest(first), self.digest(other))
        self.assertNotEqual(first.figures()[30], other.figures()[30])


if __name__ == "__main__":
    main()
