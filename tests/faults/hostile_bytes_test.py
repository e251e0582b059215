"""Garbage thrown at every listening socket neither stops nor changes a run."""

import os
import pathlib
import random
import signal
import socket

from program import ProgramTest, Run, main


def garbage(generator):
    """Noise, and noise behind a valid ZMTP greeting and NULL handshake, as a peer's first frames would come."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"[:0] + bytes([4, 28]) + b"\x05READY" + b"\x0bSocket-Type" + (6).to_bytes(4, "big") + b"DEALER"
    noise = generator.randbytes(generator.randrange(1, 4000))
    frame = bytes([0, min(len(noise), 200)]) + noise[:200]
    bomb = bytes([2]) + (2**62).to_bytes(8, "big") + noise
    return generator.choice([noise, greeting + noise, greeting + ready + frame, greeting + ready + frame * 20, greeting + ready + bomb])


class HostileBytes(ProgramTest):
    def throw_at(self, family, address, generator):
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            try:
                client.connect(address)
                client.sendall(garbage(generator))
                client.recv(4096)
            except OSError:
                return

    def test_p10_ipc_sockets_of_every_process(self):
        reference = self.train("train.steps=150", "train.checkpoint_every=50", name="undisturbed")
        process = self.start("train", "job.toml", "train.steps=150", "train.checkpoint_every=50", "--run-dir", "pelted")
        run = Run(self.folder / "pelted")
        self.wait_for(lambda: len(run.figures()) >= 2 or process.poll() is not None, "the first steps")
        sockets = [path for path in (self.folder / "runtime").rglob("*") if path.is_socket()]
        self.assertGreaterEqual(len(sockets), 7, "head, four stages, two data actors")
        generator = random.Random(7)
        thrown = 0
        while process.poll() is None and thrown < 400:
            self.throw_at(socket.AF_UNIX, str(generator.choice(sockets)), generator)
            thrown += 1
        done = self.finish(process)
        self.assertEqual(done.returncode, 0, done.stderr + self.logs(run))
        self.assertGreater(thrown, 20)
        self.assertEqual(run.events("actor_down"), [], "nobody may die of garbage")
        self.assert_same_training(run, reference)

    def test_p10_tcp_ports_of_head_and_node(self):
        head = self.start("head", "job.toml", "train.steps=100", "--listen", "tcp://127.0.0.1:7932", "--run-dir", "tcp")
        node = self.start("node", "--join", "tcp://127.0.0.1:7932", "--name", "a")
        run = Run(self.folder / "tcp")
        self.wait_for(lambda: len(run.figures()) >= 2 or head.poll() is not None, "the first steps")
        ports = self.listening_ports()
        self.assertGreaterEqual(len(ports), 3)
        generator = random.Random(8)
        thrown = 0
        while head.poll() is None and thrown < 400:
            self.throw_at(socket.AF_INET, ("127.0.0.1", generator.choice(ports)), generator)
            thrown += 1
        done = self.finish(head)
        node.send_signal(signal.SIGTERM)
        self.finish(node)
        self.assertEqual(done.returncode, 0, done.stderr + self.logs(run))
        self.assertEqual(run.events("actor_down"), [])
        self.assertGreater(thrown, 20)

    def listening_ports(self):
        """Ports on which this test's processes listen, from /proc."""
        inodes = set()
        for process in self.processes():
            for entry in pathlib.Path(f"/proc/{process}/fd").iterdir():
                try:
                    target = os.readlink(entry)
                except OSError:
                    continue
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
        ports = []
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                ports.append(int(fields[1].split(":")[1], 16))
        return ports


if __name__ == "__main__":
    main()
