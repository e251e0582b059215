"""A head and nodes that join it over tcp: the same training as on one node, also when a node dies on the way."""

import contextlib
import os
import pathlib
import signal
import socket

from program import ProgramTest, Run, long_run, main


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SeveralNodes(ProgramTest):
    STEPS = 60

    def setUp(self):
        super().setUp()
        self.address = f"tcp://127.0.0.1:{free_port()}"

    def overrides(self):
        return (f"train.steps={self.STEPS}", "train.checkpoint_every=10", "train.eval_every=0")

    def lead(self, name, nodes, *more):
        return self.start("head", "job.toml", *self.overrides(), *more, "--listen", self.address, "--nodes", nodes, "--run-dir", name)

    def join(self, name, *more):
        return self.start("node", "--join", self.address, "--name", name, *more)

    def end(self, *nodes):
        for node in nodes:
            node.send_signal(signal.SIGTERM)
        for node in nodes:
            self.assertEqual(self.finish(node).returncode, 0)

    def test_two_nodes_train_as_one(self):
        reference = self.train(*self.overrides(), name="one-node")
        head = self.lead("two-nodes", 2)
        nodes = [self.join("a"), self.join("b")]
        done = self.finish(head)
        self.assertEqual(done.returncode, 0, done.stderr)
        run = Run(self.folder / "two-nodes", done)
        self.assertEqual({line["node"] for line in run.events("actor_up")}, {"a", "b"})
        self.end(*nodes)
        self.assert_same_training(run, reference)

    def test_who_has_the_key_joins_and_who_has_not_does_not(self):
        reference = self.train(*self.overrides(), name="one-node")
        key = self.folder / "key"
        head = self.lead("locked", 2, "--key", key)
        self.wait_for(key.exists, "the key that the head makes")
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        stranger = self.join("stranger")
        told = ""
        while "the same key" not in told:
            told = stranger.stderr.readline()
            self.assertNotEqual(told, "", "the stranger ended")
        nodes = [self.join(name, "--key", key) for name in ("a", "b")]
        run = Run(self.folder / "locked")
        self.wait_for(lambda: run.events("actor_up"), "actors")
        killed = self.troupe("kill", "stage/r0.s0", "--run-dir", run.folder)
        self.assertEqual(killed.returncode, 0, killed.stderr)  # the run folder says where the key is
        done = self.finish(head)
        self.assertEqual(done.returncode, 0, done.stderr)
        run = Run(self.folder / "locked", done)
        self.assertEqual({line["node"] for line in run.events("node_joined")}, {"a", "b"})
        self.assertIn("event=peer_refused", done.stderr)
        self.assertIn(f"--listen 'tcp://OWN_ADDRESS:*' --key {key}", done.stderr)
        self.end(*nodes)
        self.end(stranger)
        self.assert_same_training(run, reference)

    def test_a_key_that_is_none_is_refused_before_anything_starts(self):
        key = self.folder / "key"
        missing = self.finish(self.join("a", "--key", key))
        self.assertEqual(missing.returncode, 2)
        self.assertIn(f"key {key}: No such file or directory; copy it from the head's machine", missing.stderr)
        key.write_text("public nonsense\n")
        key.chmod(0o644)
        open_to_all = self.finish(self.join("a", "--key", key))
        self.assertEqual(open_to_all.returncode, 2)
        self.assertIn("others may read it; chmod 600", open_to_all.stderr)
        key.chmod(0o600)
        broken = self.finish(self.lead("locked", 1, "--key", key))
        self.assertEqual(broken.returncode, 2)
        self.assertIn("holds no pair of keys", broken.stderr)

    def test_a_killed_node_is_replaced_by_the_next_that_joins(self):
        reference = self.train(*self.overrides(), name="one-node")
        head = self.lead("node-killed", 2)
        nodes = [self.join("a"), self.join("b")]
        run = Run(self.folder / "node-killed")
        self.wait_for(lambda: len(run.figures()) >= 12, "step 12")
        nodes[1].kill()
        nodes[1].communicate()
        nodes[1] = self.join("b")
        done = self.finish(head)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreaterEqual(len(run.events("node_lost")), 1)
        self.end(*nodes)
        self.assert_same_training(run, reference)
        self.assert_each_step_once(run, self.STEPS)

    def family(self, pid):
        """A process with its children and theirs."""
        lists = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for file in lists for child in file.read_text().split()]
        return [pid, *(descendant for child in children for descendant in self.family(child))]

    def pause(self, node):
        """Stops a node with all its processes, as `docker pause` does; returns how to let them go on."""
        stopped = self.family(node.pid)
        self.assertGreater(len(stopped), 2, "node, fork server, workers")
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

        def go_on():
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):  # the node, awake first, may end the others before
                    os.kill(pid, signal.SIGCONT)

        return go_on

    def test_a_paused_node_is_given_up_then_ends_what_it_ran_and_joins_again(self):
        reference = self.train(*self.overrides(), name="one-node")
        head = self.lead("node-paused", 1)
        node = self.join("a")
        run = Run(self.folder / "node-paused")
        self.wait_for(lambda: len(run.figures()) >= 12, "step 12")
        go_on = self.pause(node)
        self.wait_for(lambda: run.events("node_lost"), "the loss of the node")
        self.assertIn("no heartbeat", run.events("node_lost")[0]["cause"])
        before = set(self.processes())
        go_on()
        done = self.finish(head)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(run.events("node_joined")), 2)
        self.assertEqual(set(self.processes()) & before, set(self.family(node.pid)), "what ran before the pause still runs")
        self.assertEqual(len(self.family(node.pid)), 2, "node and fork server")
        self.end(node)
        self.assert_same_training(run, reference)
        self.assert_each_step_once(run, self.STEPS)

    def test_what_a_paused_node_ran_does_no_harm_when_it_wakes_up_while_others_do_its_work(self):
        count = long_run(400)
        steps = f"train.steps={count}"
        reference = self.train(*self.overrides(), steps, name="one-node")
        head = self.lead("woken", 2, steps)
        nodes = [self.join("a"), self.join("b")]
        run = Run(self.folder / "woken")
        self.wait_for(lambda: len(run.figures()) >= 12, "step 12")
        go_on = self.pause(nodes[1])
        self.wait_for(lambda: run.events("node_lost"), "the loss of the node")
        step = len(run.figures())
        self.wait_for(lambda: len(run.figures()) >= step + 12, "steps without the node")
        go_on()
        self.wait_for(lambda: len(run.events("node_joined")) == 3, "its joining again")
        done = self.finish(head)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.end(*nodes)
        self.assert_same_training(run, reference)
        self.assert_each_step_once(run, count)

    def test_nodes_outlive_a_head_and_join_the_next(self):
        reference = self.train(*self.overrides(), name="one-node")
        head = self.lead("two-heads", 1)
        node = self.join("a")
        run = Run(self.folder / "two-heads")
        self.wait_for(lambda: (run.folder / "checkpoints" / "step-10").exists(), "step 10")
        head.kill()
        head.communicate()
        again = self.start("head", "--resume", "--run-dir", run.folder, "--listen", self.address, "--nodes", 1)
        done = self.finish(again)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.end(node)
        self.assert_same_training(run, reference)

    def test_a_node_that_is_told_to_end_takes_its_workers_and_their_memory_along(self):
        head = self.lead("node-ended", 1)
        node = self.join("a")
        run = Run(self.folder / "node-ended")
        self.wait_for(lambda: len(run.figures()) >= 12, "step 12")
        self.end(node)
        self.assertEqual(set(self.processes()), set(self.family(head.pid)))
        self.assertEqual(len(self.processes()), 2, "the head, and the process that starts it again")
        self.assertEqual(self.leftover_memory(), [])
        head.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(head).returncode, 75)

    def test_a_node_without_a_head_goes_on_looking_and_ends_when_told(self):
        node = self.join("lonely")
        # A signal that comes while the program is still being loaded ends it as any other.
        told = ""
        while "looks for a head" not in told:
            told = node.stderr.readline()
            self.assertNotEqual(told, "", "the node ended")
        self.assertIsNone(node.poll())
        self.end(node)


if __name__ == "__main__":
    main()
