"""The head's process is killed, and the node agent's: what the head led goes on, and the run ends with the same bits."""

import json
import os
import pathlib
import random
import signal

from program import ProgramTest, Run, long_run, main

STEPS = long_run(400)


def children(pid):
    lists = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in lists for child in file.read_text().split()]


class HeadDeath(ProgramTest):
    def setUp(self):
        super().setUp()
        self.settings = (f"train.steps={STEPS}", "train.checkpoint_every=50", "train.eval_every=20")
        self.reference = self.undisturbed(*self.settings)

    def begin(self, name):
        process = self.start("train", "job.toml", *self.settings, "--run-dir", name)
        return process, Run(self.folder / name)

    def wait_for_steps(self, process, run, count):
        self.wait_for(lambda: len(run.figures()) >= count or process.poll() is not None, f"step {count}")
        self.assertIsNone(process.poll(), "the job ended before it could be disturbed")

    def head(self, run):
        return json.loads((run.folder / "head.json").read_text())["pid"]

    def agent(self, process, run):
        return next(child for child in children(process.pid) if child != self.head(run))

    def judge(self, process, run):
        done = self.finish(process)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:] + self.logs(run))
        self.assert_same_training(run, self.reference)
        self.assert_each_step_once(run, STEPS)
        self.assertEqual(run.lines("ledger.jsonl"), self.reference.lines("ledger.jsonl"))
        self.assertEqual(run.events("step_divergence"), [])
        self.assertEqual(len(run.events("job_finished")), 1)
        return done

    def test_p6_the_head_dies_three_times_and_nobody_else_does(self):
        """HD-7, JR-2: actors keep their processes, and no step is done with other data."""
        process, run = self.begin("headless")
        generator = random.Random(41)
        for death in range(1, 4):
            self.wait_for_steps(process, run, len(run.figures()) + generator.randrange(3, STEPS // 8))
            os.kill(self.head(run), signal.SIGKILL)
            self.wait_for(lambda: len(run.events("head_returned")) == death, "the return of the head")
        done = self.judge(process, run)
        self.assertEqual(run.events("actor_down"), [])
        ups = [(line["actor"], line["incarnation"]) for line in run.events("actor_up")]
        self.assertEqual(sorted(ups), sorted({(actor, 1) for actor, _ in ups}))
        self.assertEqual([line["incarnation"] for line in run.events("head_returned")], [2, 3, 4])
        self.assertEqual(len(run.events("head_down")), 3)
        self.assertEqual(done.stderr.count("the head is down: killed by signal 9 (SIGKILL); it is started again"), 3)

    def test_the_head_dies_while_actors_start(self):
        """What was ordered and not confirmed is neither lost nor done twice."""
        for event in ("job_started", "node_joined", "actor_up"):
            with self.subTest(event=event):
                process, run = self.begin(event)
                self.wait_for(lambda: run.events(event) or process.poll() is not None, event)
                os.kill(self.head(run), signal.SIGKILL)
                self.judge(process, run)
                ups = [(line["actor"], line["incarnation"]) for line in run.events("actor_up")]
                self.assertEqual(len(ups), len(set(ups)), "an incarnation was given out twice")

    def test_the_head_dies_at_each_point_of_a_step(self):
        reference = self.undisturbed()
        for phase, step in (("idle", 5), ("reduce", 7), ("optimizer", 7), ("checkpoint", 8)):
            with self.subTest(phase=phase):
                run = self.train(name=phase, inject=[f"kill9 trainer @step={step},phase={phase}"])
                self.assertEqual(len(run.events("head_returned")), 1, "the fault did not fire")
                self.assertEqual(run.events("actor_down"), [])
                self.assert_same_training(run, reference)
                self.assert_each_step_once(run, 12)

    def test_a_stage_dies_while_there_is_no_head(self):
        process, run = self.begin("both")
        self.wait_for_steps(process, run, 20)
        stage = next(line["pid"] for line in run.events("actor_up") if line["actor"] == "stage/r1.s0")
        os.kill(self.head(run), signal.SIGKILL)
        os.kill(stage, signal.SIGKILL)
        self.judge(process, run)
        self.assertEqual([line["actor"] for line in run.events("actor_down")], ["stage/r1.s0"])
        self.assertEqual(len(run.events("head_returned")), 1)

    def test_the_node_agent_dies_and_its_actors_are_started_again(self):
        process, run = self.begin("agentless")
        for death in range(1, 4):
            self.wait_for_steps(process, run, len(run.figures()) + 10)
            os.kill(self.agent(process, run), signal.SIGKILL)
            self.wait_for(lambda: len(run.events("node_joined")) == 1 + death, "the return of the node")
        done = self.judge(process, run)
        self.assertEqual(done.stderr.count("the node agent is down: killed by signal 9 (SIGKILL); it is started again"), 3)
        self.assertEqual(run.events("head_returned"), [])

    def test_head_and_agent_die_together(self):
        process, run = self.begin("alone")
        self.wait_for_steps(process, run, 20)
        victims = [self.head(run), self.agent(process, run)]
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        self.judge(process, run)
        self.assertEqual(len(run.events("head_returned")), 1)

    def test_a_stop_that_the_head_could_not_hear_is_heard_by_the_next(self):
        process, run = self.begin("stopped")
        self.wait_for_steps(process, run, 10)
        head = self.freeze_head(run)
        process.send_signal(signal.SIGINT)
        self.wait_for(lambda: self.has_pending(head, signal.SIGINT), "the signal at the head")
        os.kill(head, signal.SIGKILL)
        done = self.finish(process)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("Ctrl-C", done.stderr)
        again = self.troupe("train", "--resume", "--run-dir", run.folder)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assert_same_training(run, self.reference)

    def freeze_head(self, run):
        """Stops all its threads, so that what is sent to it now is heard by none of them."""
        head = self.head(run)
        os.kill(head, signal.SIGSTOP)

        def is_frozen():
            states = [file.read_text().rsplit(")", 1)[1].split()[0] for file in pathlib.Path(f"/proc/{head}/task").glob("*/stat")]
            return set(states) == {"T"}

        self.wait_for(is_frozen, "the head's stop")
        return head

    @staticmethod
    def has_pending(pid, number):
        lines = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        return (int(lines["SigPnd"], 16) | int(lines["ShdPnd"], 16)) >> (number - 1) & 1 == 1

    def test_a_third_signal_ends_a_job_whose_head_hears_nothing(self):
        """JR-1: also then nothing is left."""
        process, run = self.begin("deaf")
        self.wait_for_steps(process, run, 10)
        head = self.freeze_head(run)
        for number in (signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
            self.wait_for(lambda: self.has_pending(head, number), "the signal at the head")
        process.send_signal(signal.SIGINT)
        done = self.finish(process)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("a third signal: killed", done.stderr)
        self.assertEqual(self.processes(), [])

    def test_a_head_that_always_dies_ends_the_job_with_its_cause(self):
        rules = [f"kill9 trainer @step=1,phase=idle,incarnation={i}" for i in range(1, 40)]
        run = self.train(name="hopeless", inject=rules, status=1)
        self.assertIn("the head is down: killed by signal 9 (SIGKILL); 11 failures within 60 s, 10 restarts allowed", run.talk)
        self.assertEqual(len(run.events("job_failed")), 1)


if __name__ == "__main__":
    main()
