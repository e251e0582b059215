"""The processes of a job that was started by `troupe train`, and what they keep in shared memory."""

import pathlib


def children(pid):
    try:
        lists = list(pathlib.Path(f"/proc/{pid}/task").glob("*/children"))
        return [int(child) for file in lists for child in file.read_text().split()]
    except OSError:
        return []


def node_process(terminal, head):
    """The process of the node agent: what a `troupe train` started besides the head."""
    found = [process for process in children(terminal) if process != head]
    if head == terminal or len(found) != 1:
        raise AssertionError(f"the node agent is no process of its own: {found} beside head {head} of {terminal}")
    return found[0]


def snapshots_of(folder, actor):
    """Files in shared memory that hold a stage's sealed states (scheduler/state_folder.hpp)."""
    return list(pathlib.Path(folder).glob(f"troupe.state.*/{actor.replace('/', '_')}"))
