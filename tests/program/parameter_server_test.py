"""A parameter server in step gives the all-reduce's bits; out of step it converges and tells how stale its updates were."""

from program import ProgramTest, main


class ParameterServer(ProgramTest):
    def test_ps_sync_equals_allreduce(self):
        """PS-1 between processes: the same losses, norms and weights."""
        for stages, replicas in ((1, 2), (2, 2), (4, 1), (1, 4)):
            with self.subTest(stages=stages, replicas=replicas):
                layout = (f"layout.stages={stages}", f"layout.replicas={replicas}")
                reduced = self.train(*layout, "layout.exchange=allreduce", name=f"allreduce-{stages}x{replicas}")
                served = self.train(*layout, "layout.exchange=ps_sync", name=f"ps-{stages}x{replicas}")
                self.assert_same_training(served, reduced)

    def test_ps_async_records_every_update(self):
        run = self.train("layout.exchange=ps_async", "layout.stages=1", "layout.replicas=2", "train.steps=40")
        lines = run.lines("metrics.jsonl")
        self.assertEqual([line["step"] for line in lines], list(range(1, 41)))
        staleness = [value for line in lines for value in line["staleness"]]
        self.assertEqual(len(staleness), 80, "an update for each replica and step")
        self.assertTrue(all(0 <= value < 40 for value in staleness), staleness)
        self.assertGreater(max(staleness), 0, "two replicas that never overlap are not out of step")
        self.assertLess(lines[-1]["loss"], 0.9 * lines[0]["loss"])
        self.assertIn("Staleness of gradients", (run.folder / "report.html").read_text())

    def test_a_killed_server_comes_back(self):
        reference = self.train("layout.exchange=ps_sync", name="undisturbed")
        for phase in ("forward", "reduce"):
            with self.subTest(phase=phase):
                run = self.train("layout.exchange=ps_sync", name=f"killed-{phase}",
                                 inject=[f"kill9 ps @step=6,phase={phase}"])
                self.assertEqual(len(run.events("actor_down")), 1)
                self.assertIn("SIGKILL", run.events("actor_down")[0]["cause"])
                self.assert_same_training(run, reference)
                self.assert_each_step_once(run, 12)


if __name__ == "__main__":
    main()
