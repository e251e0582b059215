"""Control groups (v1 or v2) for one test: a limit of memory or of processor time, and what became of it."""

import os
import pathlib
import unittest

ROOT = pathlib.Path("/sys/fs/cgroup")


class ControlGroup:
    """A group of its own for `controller` ("memory" or "cpu"), removed when its last process is gone."""

    def __init__(self, controller, name):
        self.controller = controller
        self.is_old = (ROOT / controller).is_dir()
        self.folder = (ROOT / controller if self.is_old else ROOT) / name
        try:
            self.folder.mkdir()
            if not (self.folder / self.file_of_limit()).exists():
                raise OSError(f"{self.folder} has no {self.file_of_limit()}")
        except OSError as error:
            raise unittest.SkipTest(f"no control group can be made here: {error}") from error

    def file_of_limit(self):
        if self.controller == "memory":
            return "memory.limit_in_bytes" if self.is_old else "memory.max"
        return "cpu.cfs_quota_us" if self.is_old else "cpu.max"

    def limit(self, amount):
        """Bytes of memory, or microseconds of processor time in each 100,000."""
        is_new_quota = self.controller == "cpu" and not self.is_old
        (self.folder / self.file_of_limit()).write_text(f"{amount} 100000" if is_new_quota else str(amount))

    def words(self):
        """To be put before a program so that it, and what it starts, runs in the group."""
        return ["sh", "-c", f"echo $$ > {self.folder}/cgroup.procs && exec \"$0\" \"$@\""]

    def add(self, process):
        (self.folder / "cgroup.procs").write_text(str(process))

    def oom_kills(self):
        events = self.folder / ("memory.oom_control" if self.is_old else "memory.events")
        return next(int(line.split()[1]) for line in events.read_text().splitlines() if line.startswith("oom_kill "))

    def give_back(self):
        """Its processes go on outside, without a limit."""
        outside = ROOT / self.controller if self.is_old else ROOT
        for process in (self.folder / "cgroup.procs").read_text().split():
            try:
                (outside / "cgroup.procs").write_text(process)
            except ProcessLookupError:
                continue  # it has just ended

    def remove(self):
        if self.folder.is_dir():
            self.give_back()
            os.rmdir(self.folder)
