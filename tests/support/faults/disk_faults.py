"""Disks that fill up, fail or lose their power, for one test: tmpfs, ext4 on a loop device, and system calls that fail."""

import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

EXT4_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, an ioctl of a file in it
WITHOUT_LOG = 2             # what is not on the disk yet is lost, the journal's buffers too


def mount(test, *words):
    """mount(8), undone after the test."""
    folder = pathlib.Path(words[-1])
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise unittest.SkipTest(f"nothing can be mounted here: {done.stderr.strip()}")
    test.addCleanup(subprocess.run, ["umount", "-l", folder], capture_output=True, check=False)


class SmallDisk:
    """A disk of few bytes, as a tmpfs."""

    def __init__(self, test, folder, size):
        self.folder = pathlib.Path(folder)
        mount(test, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)

    def fill(self):
        """Takes every byte that is left."""
        free = os.statvfs(self.folder)
        with (self.folder / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, free.f_bavail * free.f_frsize)

    def give_back(self):
        (self.folder / "ballast").unlink()


class PowerCutDisk:
    """An ext4 of its own, whose power can be cut: what was not synced by then is lost."""

    def __init__(self, test, folder, image):
        self.folder, self.image, self.test = pathlib.Path(folder), pathlib.Path(image), test
        if shutil.which("mkfs.ext4") is None:
            raise unittest.SkipTest("mkfs.ext4 is not installed (e2fsprogs)")
        with self.image.open("wb") as file:
            file.truncate(96 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        self.connect()

    def connect(self):
        mount(self.test, "-o", "loop", self.image, self.folder)

    def cut_power(self):
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_SHUTDOWN, struct.pack("I", WITHOUT_LOG))
        finally:
            os.close(descriptor)

    def give_power(self):
        """After every process that used it is gone."""
        subprocess.run(["umount", self.folder], check=True)
        self.connect()


class FailingCalls:
    """Lets a system call of a running process on some files fail, by strace."""

    def __init__(self, test, process, call, failure, paths):
        if shutil.which("strace") is None:
            raise unittest.SkipTest("strace is not installed")
        self.report = test.folder / f"strace-{process}"
        self.call = call
        words = ["strace", "-f", "-y", "-q", "-o", self.report, "-p", process, "-e", f"trace={call}", "-e", f"inject={call}:{failure}"]
        for path in paths:
            words += ["-P", path]
        self.tracer = subprocess.Popen([*map(str, words)], stderr=subprocess.PIPE, text=True)
        test.addCleanup(self.end)
        test.wait_for(lambda: self.is_attached(process) or self.tracer.poll() is not None, "strace")
        if self.tracer.poll() is not None:
            raise unittest.SkipTest(f"strace cannot attach here: {self.tracer.stderr.read().strip()}")

    @staticmethod
    def is_attached(process):
        lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
        return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in lines)

    def calls(self):
        return [line for line in self.report.read_text().splitlines() if f" {self.call}(" in line]

    def injected(self):
        return [line for line in self.calls() if "(INJECTED)" in line]

    def end(self):
        if self.tracer.poll() is None:
            self.tracer.terminate()
            self.tracer.wait()
        self.tracer.stderr.close()
