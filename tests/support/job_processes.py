"""The processes of a job that was started by `troupe train`, and what they keep in shared memory."""

import os
import pathlib


class FoundProcess:
    """A process that somebody else started."""

    def __init__(self, pid):
        self.pid = pid

    def send_signal(self, number):
        os.kill(self.pid, number)

    def words(self):
        try:
            return pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            return []

    def name(self):
        try:
            return pathlib.Path(f"/proc/{self.pid}/comm").read_text().strip()
        except OSError:
            return ""


def family(pid):
    """A process with its children and theirs."""
    try:
        lists = list(pathlib.Path(f"/proc/{pid}/task").glob("*/children"))
        children = [int(child) for file in lists for child in file.read_text().split()]
    except OSError:
        children = []
    return [pid, *(descendant for child in children for descendant in family(child))]


def node_process(terminal):
    """The process of the node agent among those of a `troupe train`."""
    found = [process for process in map(FoundProcess, family(terminal)) if "node" in process.words()[1:2]]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} node processes among {[FoundProcess(pid).words()[:3] for pid in family(terminal)]}")
    return found[0]


def snapshots_of(folder, actor):
    """Files in shared memory that hold a stage's sealed states (scheduler/state_folder.hpp)."""
    return list(pathlib.Path(folder).glob(f"troupe.state.*/{actor.replace('/', '_')}"))
