"""Actors that do not die but get no further, links that lose and damage, and random kills: the run ends with the weights of
the undisturbed one."""

import json

from program import ProgramTest, main

LONG = ("train.steps=40",)


class Hang(ProgramTest):
    def struck(self, run):
        """The rules that struck."""
        return {line["rule"] for line in run.lines("faults.jsonl")}

    def post_mortem(self, run, event):
        return json.loads((run.folder / event["file"]).read_text())

    def test_a_hung_actor_is_killed_with_its_stack_captured(self):
        """NA-4, NA-5: its threads for messages live on, so that no broken connection tells of it."""
        rule = "hang stage/r0.s1 @step=7,phase=backward"
        run = self.train(name="hung", inject=[rule])
        self.assertEqual(self.struck(run), {rule})
        downs = run.events("actor_down")
        self.assertEqual([line["actor"] for line in downs], ["stage/r0.s1"])
        self.assertIn("hang: no progress for", downs[0]["cause"])
        self.assertIn("phase backward, step 7", downs[0]["cause"])
        told = self.post_mortem(run, run.events("post_mortem")[0])
        self.assertEqual((told["actor"], told["incarnation"]), ("stage/r0.s1", 1))
        self.assertEqual((told["doing"]["phase"], told["doing"]["step"]), ("backward", 7))
        self.assertTrue(any("state=S" in thread for thread in told["threads"]), told["threads"])
        self.assertEqual(len(told["messages"]), 64)
        self.assertIn("post-mortem/stage_r0.s1#1.json",
                      self.troupe("show", "stage/r0.s1", "--run-dir", run.folder).stdout)
        self.assert_same_training(run, self.undisturbed())
        self.assert_each_step_once(run, 12)

    def test_a_stopped_actor_is_killed(self):
        rule = "stop stage/r1.s0 @step=5,phase=forward"
        run = self.train(name="stopped", inject=[rule])
        self.assertEqual(self.struck(run), {rule})
        downs = run.events("actor_down")
        self.assertEqual([line["actor"] for line in downs], ["stage/r1.s0"])
        self.assertIn("stopped: a signal has stopped the process", downs[0]["cause"])
        self.assert_same_training(run, self.undisturbed())

    def test_a_short_stop_and_a_slow_actor_are_left_alone(self):
        rules = ["stop(300) stage/r0.s0 @step=4,phase=forward", "slow(100) stage/r1.s1 @step=6,phase=backward"]
        run = self.train(name="short", inject=rules)
        self.assertEqual(self.struck(run), set(rules))
        self.assertEqual(run.events("actor_down"), [])
        self.assert_same_training(run, self.undisturbed())

    def test_links_mend_what_is_lost_doubled_reordered_damaged_and_late(self):
        rules = ["drop stage/r0.s1 @rate=0.05", "dup stage/r0.s0 @rate=0.2", "reorder stage/r1.s0 @rate=0.05",
                 "corrupt stage/r1.s1 @rate=0.05", "delay(20) trainer @rate=0.1"]
        run = self.train(*LONG, name="lossy", inject=rules)
        self.assertEqual(self.struck(run), set(rules))
        self.assertEqual(run.events("actor_down"), [])
        self.assert_same_training(run, self.undisturbed(*LONG))

    def test_random_kills(self):
        steps = 400
        rule = "kill9 random every=2s seed=3"
        run = self.train(f"train.steps={steps}", name="random", inject=[rule])
        self.assertGreaterEqual(len(run.events("fault_injected")), 1)
        self.assertEqual(self.struck(run), {rule})
        self.assert_same_training(run, self.undisturbed(f"train.steps={steps}"))
        self.assert_each_step_once(run, steps)


if __name__ == "__main__":
    main()
