"""F27-F32: links that lose, delay, double, reorder, damage or break. Nobody dies of it, and nothing is wrong."""

import subprocess
import sys
import time

import delay_proxy
from fault_cell import LONG, Expected, FaultTest
from network_cell import NetworkTest
from program import main

VICTIM = "stage/r0.s1"
KILLED = r"signal 9 \(SIGKILL\)"
MARK = 77


class BadNetwork(NetworkTest):
    def test_f27_loss(self):
        with self.network_cell("F27", "a tenth of all packets is lost for 15 s") as cell:
            self.begin(cell)
            before = len(cell.watch.commits)
            cell.strike(lambda: [self.lab.lose(machine, 0.1) for machine in ("h", "a", "b")])
            self.wait_for(lambda: time.monotonic() > cell.strikes[0] + 15 or cell.process.poll() is not None, "15 seconds")
            lost = self.lab.dropped()
            self.lab.heal()
            cell.notes.append(f"{len(cell.watch.commits) - before} steps and {lost} lost packets in 15 s")
            self.end(cell)
            if lost == 0:
                cell.complaints.append(("void", "no packet was lost"))
            cell.judge(Expected(nodes=2, recovered_within=15))

    def test_f28_delay(self):
        """All connections of a node, of both directions: 100 to 300 ms later, each piece."""
        steps = ("train.steps=20", "train.warmup_steps=3")
        with self.network_cell("F28", "200 ms +- 100 of delay to and from a node", steps) as cell:
            words = [*self.lab.words("b"), sys.executable, delay_proxy.__file__, 7999, 100, 300, MARK, self.seed]
            proxy = subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE, text=True)
            try:
                self.assertEqual(proxy.stdout.readline().strip(), "0", "the proxy listens")
                self.lab.redirect("b", 7999, MARK)
                cell.strikes.append(time.monotonic())
                self.begin(cell, step=1)
                self.end(cell)
            finally:
                proxy.kill()
                served = proxy.communicate()[0].split()
            if len(served) < 4:
                cell.complaints.append(("void", f"{len(served)} connections went through the proxy"))
            cell.notes.append(f"{len(served)} connections; median of a step {self.median_step(cell) * 1000:.0f} ms")
            cell.judge(Expected(nodes=2, recovered_within=60))

    @staticmethod
    def median_step(cell):
        times = cell.watch.commit_times()
        gaps = sorted(after - before for before, after in zip(times, times[1:]))
        return gaps[len(gaps) // 2]

    def test_f30_resets(self):
        """Every half second all connections of a node are reset."""
        with self.network_cell("F30", "all connections of a node are reset every 500 ms, ten times") as cell:
            self.begin(cell)
            resets = 0
            for number in range(10):
                cell.strike(lambda: self.lab.reset("b"))
                self.wait_for(lambda: self.lab.dropped() > 0 or cell.process.poll() is not None, "a reset")
                resets += self.lab.dropped()
                self.lab.heal()
                due = cell.strikes[0] + 0.5 * (number + 1)
                self.wait_for(lambda: time.monotonic() > due, "half a second")
            self.end(cell)
            if resets < 10:
                cell.complaints.append(("void", f"{resets} segments were answered with a reset"))
            cell.notes.append(f"{resets} segments were answered with a reset")
            cell.judge(Expected(nodes=2, recovered_within=2))


class BadMessages(FaultTest):
    def messages(self, name, title, rules):
        with self.cell(name, title, LONG) as cell:
            cell.train(rules)
            cell.judge(Expected(recovered_within=5))

    def test_f29_doubled_and_out_of_order(self):
        self.messages("F29", "messages come twice and out of order",
                      [f"dup {VICTIM} @rate=0.05,seed={self.seed}", f"reorder stage/r1.s0 @rate=0.05,seed={self.seed}"])

    def test_f29_lost(self):
        self.messages("F29", "messages are lost", [f"drop {VICTIM} @rate=0.02,seed={self.seed}"])

    def test_f32_a_bit_flips(self):
        self.messages("F32", "a bit flips in some messages", [f"corrupt {VICTIM} @rate=0.02,seed={self.seed}"])

    def test_f31_receiver_killed_at_full_rate(self):
        """Payloads of 64 KiB and more, three kills of the stage that gets and sends them: no copy of an old one is used."""
        overrides = ("train.steps=90", "train.micro_batch=4", "train.global_batch=64", "train.checkpoint_every=25")
        with self.cell("F31", "kill -9 of a stage that messages of 64 KiB flow to, three times", overrides) as cell:
            cell.begin()
            for death in range(3):
                cell.wait_for_step(15 + 20 * death)
                cell.random_moment()
                cell.kill(VICTIM)
                cell.wait_for_event("actor_up", 7 + death)
            cell.end()
            cell.judge(Expected({VICTIM: KILLED}, deaths=3))


if __name__ == "__main__":
    main()
