"""Tensors larger than a link's window (64 MiB), or more of them than it holds, wait for room and arrive."""

from program import ProgramTest, main, text_of


class LargeMessages(ProgramTest):
    def test_a_gradient_larger_than_the_window(self):
        """19 million parameters over two replicas: slices of 38 MB go both ways at once."""
        wide = ("model.layers=6", "model.width=512", "model.heads=8", "layout.stages=1", "train.steps=1",
                "train.warmup_steps=0", "train.global_batch=4", "train.eval_every=0", "train.checkpoint_every=0")
        two = self.train(*wide, "layout.replicas=2", name="two-replicas")
        one = self.train(*wide, "layout.replicas=1", name="one-replica")
        self.assert_same_training(two, one)

    def test_gpipe_with_more_activations_than_the_window_holds(self):
        """Every forward of a step is sent before the first backward: 5 micro-batches of 17 MB.

        Narrow and many: the bytes on the way grow with the width, the work with its square.
        """
        (self.folder / "long.txt").write_text(text_of(80_000))
        run = self.train("data.path=long.txt", "model.layers=2", "model.width=64", "model.heads=2", "model.context=64", "train.micro_batch=1024",
                         "train.global_batch=5120", "train.steps=1", "train.warmup_steps=0", "train.eval_every=0",
                         "train.checkpoint_every=0", "layout.schedule=gpipe", "layout.replicas=1", "model.dropout=0.0")
        self.assert_each_step_once(run, 1)


if __name__ == "__main__":
    main()
