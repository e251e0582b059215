"""Cells of the fault matrix over three machines: a head and two nodes that join it."""

import signal

from fault_cell import FaultTest
from network_lab import NetworkLab

PORT = 7911
OVERRIDES = ("train.steps=300", "train.checkpoint_every=25")  # long enough for a partition to come and go


class NetworkTest(FaultTest):
    def setUp(self):
        super().setUp()
        self.lab = NetworkLab(self)
        self.address = f"tcp://{self.lab.address('h')}:{PORT}"
        self.nodes = {}

    def network_cell(self, name, title, overrides=OVERRIDES):
        return self.cell(name, title, overrides)

    def begin(self, cell, step=25, inject=()):
        cell.begin(inject, words=("head", "job.toml"), options=("--listen", self.address, "--nodes", "2"), before=self.lab.words("h"))
        for name in ("a", "b"):
            own = f"tcp://{self.lab.address(name)}:*"
            words = ("node", "--join", self.address, "--listen", own, "--name", name)
            self.nodes[name] = self.start(*words, before=self.lab.words(name))
        cell.wait_for_step(step)
        cell.random_moment()

    def end(self, cell):
        cell.end()
        for node in self.nodes.values():
            node.send_signal(signal.SIGTERM)
        for name, node in self.nodes.items():
            cell.expect(self.finish(node).returncode == 0, f"node {name} did not end in order")

    @staticmethod
    def actors_on(cell, node):
        """Who is on a node now: the newest incarnation of each."""
        newest = {line["actor"]: line["node"] for line in cell.run.events("actor_up")}
        return sorted(actor for actor, where in newest.items() if where == node)
