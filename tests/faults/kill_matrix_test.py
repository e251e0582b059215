"""kill -9 of every kind of actor in every phase: the run ends with the weights of the undisturbed one."""

import itertools
import os
import pathlib
import signal

from program import ProgramTest, Run, main

PHASES = ("idle", "forward", "backward", "reduce", "optimizer", "checkpoint")
# Step 8 is in the middle between two checkpoints for the phases of a step, and is a border for the checkpoint itself.
STEP = {"checkpoint": 8}
ACTORS = ("data/r0", "stage/r0.s0", "stage/r1.s1")


class KillMatrix(ProgramTest):
    def setUp(self):
        super().setUp()
        self.reference = self.undisturbed()

    def recovered(self, name, rules, deaths=1):
        run = self.train(name=name, inject=rules)
        downs = run.events("actor_down")
        self.assertGreaterEqual(len(downs), deaths, "the fault did not fire")
        self.assert_same_training(run, self.reference)
        self.assert_each_step_once(run, 12)
        self.assertEqual(run.lines("ledger.jsonl"), self.reference.lines("ledger.jsonl"))
        self.assertEqual(run.events("step_divergence"), [])
        return run

    def test_p1_kill9_of_every_actor_in_every_phase(self):
        """TA-3: the ledger tells the same samples, and no repeated step came out different."""
        for actor, phase in itertools.product(ACTORS, PHASES):
            with self.subTest(actor=actor, phase=phase):
                name = f"{actor.replace('/', '-')}-{phase}"
                run = self.recovered(name, [f"kill9 {actor} @step={STEP.get(phase, 7)},phase={phase}"])
                down = run.events("actor_down")[0]
                self.assertEqual(down["actor"], actor)
                self.assertIn("SIGKILL", down["cause"])

    def test_kill9_in_the_last_checkpoint(self):
        """Every step is done, and what is written last has to be written again."""
        for actor, action in itertools.product(("stage/r0.s0", "stage/r0.s1"), ("kill9", "throw")):
            with self.subTest(actor=actor, action=action):
                name = f"{actor.replace('/', '-')}-{action}-last"
                run = self.recovered(name, [f"{action} {actor} @step=12,phase=checkpoint"])
                self.assertEqual(run.events("actor_down")[0]["actor"], actor)

    def test_p2_only_the_victim_restarts(self):
        run = self.recovered("one-victim", ["kill9 stage/r0.s1 @step=7,phase=backward"])
        ups = [(line["actor"], line["incarnation"]) for line in run.events("actor_up")]
        self.assertEqual(len(ups), len(set(ups)))
        self.assertEqual([actor for actor, incarnation in ups if incarnation > 1], ["stage/r0.s1"])
        recovered = run.events("recovered")
        self.assertEqual([(line["kind"], line["restored"]) for line in recovered], [("replay", ["stage/r0.s1"])])
        self.assertEqual(run.events("rollback"), [])

    def test_an_exit_and_a_throw_tell_their_cause(self):
        left = self.recovered("exit", ["exit stage/r0.s1 @step=5,phase=forward"])
        self.assertIn("exited with status", left.events("actor_down")[0]["cause"])
        thrown = self.recovered("throw", ["throw stage/r1.s0 @step=5,phase=backward"])
        self.assertIn("fault on purpose at step 5, phase backward", thrown.events("actor_down")[0]["cause"])

    def test_troupe_kill_ends_an_actor_of_a_run_and_the_run_recovers(self):
        process = self.start("train", "job.toml", "train.steps=200", "--run-dir", "killed")
        run = Run(self.folder / "killed")
        self.wait_for(lambda: run.figures() or process.poll() is not None, "the first step")
        self.assertEqual(self.troupe("kill", "nosuch", "--run-dir", run.folder).returncode, 4)
        killed = self.troupe("kill", "stage/r0.s1", "--run-dir", run.folder)
        self.assertEqual(killed.returncode, 0, killed.stderr)
        self.assertEqual(self.finish(process).returncode, 0)
        self.assertEqual(run.events("actor_down")[0]["actor"], "stage/r0.s1")
        self.assert_each_step_once(run, 200)

    def test_the_fork_server_killed(self):
        """Its children go with it; the next are started without it."""
        process = self.start("train", "job.toml", "train.steps=200", "--run-dir", "server")
        run = Run(self.folder / "server")
        self.wait_for(lambda: run.figures() or process.poll() is not None, "the first step")
        stage = next(line["pid"] for line in run.events("actor_up") if line["actor"] == "stage/r0.s1")
        server = int(pathlib.Path(f"/proc/{stage}/stat").read_text().rsplit(")", 1)[1].split()[1])
        self.assertNotEqual(server, process.pid)
        os.kill(server, signal.SIGKILL)
        self.assertEqual(self.finish(process).returncode, 0)
        self.assertEqual({line["cause"] for line in run.events("actor_down")}, {"killed with the fork server that it came from"})
        self.assert_each_step_once(run, 200)

    def test_two_actors_killed_in_one_step(self):
        self.recovered("two", ["kill9 stage/r0.s0 @step=6,phase=forward", "kill9 stage/r1.s1 @step=6,phase=reduce"], 2)

    def test_killed_again_while_it_comes_back(self):
        self.recovered("again", ["kill9 stage/r0.s0 @step=6,phase=forward",
                                 "kill9 stage/r0.s0 @step=6,phase=backward,incarnation=2"], 2)

    def test_an_actor_that_always_dies_ends_the_job_with_one_cause(self):
        rules = [f"throw stage/r0.s0 @step=2,phase=idle,incarnation={i}" for i in range(1, 40)]
        run = self.train(name="hopeless", inject=rules, status=1)
        self.assertEqual(run.talk.count("the job cannot go on"), 1, run.talk)
        self.assertIn("fault on purpose at step 2, phase idle", run.talk)
        self.assertEqual(len(run.events("job_failed")), 1)


if __name__ == "__main__":
    main()
