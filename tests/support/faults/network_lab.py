"""Machines that are namespaces of the network: one for the head, two for nodes, on a bridge. Their wires can be cut."""

import os
import shutil
import signal
import subprocess
import unittest

MACHINES = ("h", "a", "b")  # head and nodes


class NetworkLab:
    """Three machines that see each other; gone after the test."""

    def __init__(self, test):
        if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("iptables") is None:
            raise unittest.SkipTest("network namespaces need root, ip and iptables")
        self.prefix = f"trp{os.getpid() % 100000}"
        test.addCleanup(self.remove)
        self.run("ip", "netns", "add", self.space("sw"))
        self.inside("sw", "ip", "link", "add", "bridge", "type", "bridge")
        self.inside("sw", "ip", "link", "set", "bridge", "up")
        for machine in MACHINES:
            self.plug_in(machine)

    def plug_in(self, machine):
        wire = f"w{machine}"
        self.run("ip", "netns", "add", self.space(machine))
        self.inside("sw", "ip", "link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", self.space(machine))
        self.inside("sw", "ip", "link", "set", wire, "master", "bridge", "up")
        self.inside(machine, "ip", "address", "add", f"{self.address(machine)}/24", "dev", "eth0")
        self.inside(machine, "ip", "link", "set", "eth0", "up")
        self.inside(machine, "ip", "link", "set", "lo", "up")

    def space(self, machine):
        return f"{self.prefix}{machine}"

    @staticmethod
    def address(machine):
        return f"10.91.0.{MACHINES.index(machine) + 1}"

    @staticmethod
    def run(*words):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise unittest.SkipTest(f"{' '.join(words)}: {done.stderr.strip()}")

    def words(self, machine):
        """To be put before a program that runs on that machine."""
        return ["ip", "netns", "exec", self.space(machine)]

    def inside(self, machine, *words):
        self.run(*self.words(machine), *words)

    # ---- faults ----------------------------------------------------------------------------------------------------

    def filter(self, machine, *words):
        self.inside(machine, "iptables", "-w", "-A", *words)

    def drop(self, sender, receiver):
        """What `sender` sends does not come to `receiver`; the other way stays open."""
        self.filter(receiver, "INPUT", "-s", self.address(sender), "-j", "DROP")

    def cut_off(self, machine):
        """Neither hears the others any more, nor they it."""
        for other in MACHINES:
            if other != machine:
                self.drop(machine, other)
                self.drop(other, machine)

    def lose(self, machine, share):
        self.filter(machine, "INPUT", "-i", "eth0", "-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")

    def reset(self, machine):
        """Every segment is answered by the end of its connection."""
        self.filter(machine, "INPUT", "-i", "eth0", "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")

    def redirect(self, machine, port, mark):
        """All its connections, of both directions, go through a proxy at that port; what the proxy marks does not."""
        for chain in ("OUTPUT", "PREROUTING"):
            way = ("-i", "eth0") if chain == "PREROUTING" else ("-d", "10.91.0.0/24", "-m", "mark", "!", "--mark", str(mark))
            self.inside(machine, "iptables", "-w", "-t", "nat", "-A", chain, "-p", "tcp", *way, "-j", "REDIRECT", "--to-ports", str(port))

    def heal(self):
        for machine in MACHINES:
            self.inside(machine, "iptables", "-w", "-F")

    def dropped(self):
        """Packets that a rule has kept back so far."""
        count = 0
        for machine in MACHINES:
            table = subprocess.run([*self.words(machine), "iptables", "-w", "-nvxL", "INPUT"], capture_output=True, text=True, check=True)
            rows = [row.split() for row in table.stdout.splitlines()[2:]]
            count += sum(int(row[0]) for row in rows if row and row[2] in ("DROP", "REJECT"))
        return count

    def remove(self):
        for machine in (*MACHINES, "sw"):
            left = subprocess.run(["ip", "netns", "pids", self.space(machine)], capture_output=True, text=True, check=False)
            for process in left.stdout.split():
                os.kill(int(process), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", self.space(machine)], capture_output=True, check=False)
