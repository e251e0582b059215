"""Looks at a run folder while its job runs: when each step was committed, and what must be true at every instant."""

import json
import pathlib
import threading
import time

LOOK_SECONDS = 0.004  # how fine the times of commits are
SURVEY_EVERY = 25     # looks between two surveys of checkpoints and memory


def is_whole(checkpoint):
    """Whether a checkpoint folder is published and every file it names is there in full size."""
    try:
        manifest = json.loads((checkpoint / "MANIFEST.json").read_text())
        return all((checkpoint / file["name"]).stat().st_size == file["size"] for file in manifest["files"])
    except (OSError, ValueError, KeyError):
        return False


def newest_whole(root):
    """The step of the newest whole checkpoint, or None."""
    steps = sorted((int(path.name.split("-")[1]) for path in root.glob("step-*") if path.name.count(".") == 0), reverse=True)
    return next((step for step in steps if is_whole(root / f"step-{step}")), None)


class JobWatch:
    """A thread beside the job. Times are of the machine's monotonic clock, in seconds, as in events.jsonl."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.commits = {}         # step -> when its line was first seen
        self.figures = {}         # step -> (loss, norm) as first seen
        self.newest_step = None   # of the whole checkpoints seen
        self.without_checkpoint = []  # when there was none any more
        self.peak_kib = 0         # of the actor that took most
        self.read = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.thread.join()
        self.look()  # what was written between the last look and the end

    def watch(self):
        looks = 0
        while not self.over.wait(LOOK_SECONDS):
            self.look()
            if looks % SURVEY_EVERY == 0:
                self.survey()
            looks += 1

    def commit_times(self):
        return sorted(self.commits.values())

    def look(self):
        file = self.folder / "metrics.jsonl"
        try:
            size = file.stat().st_size
            if size < self.read:
                self.read = 0  # cut by a head that came back
            if size == self.read:
                return
            with file.open("rb") as lines:
                lines.seek(self.read)
                fresh = lines.read()
        except OSError:
            return
        whole = fresh[:fresh.rfind(b"\n") + 1]
        self.read += len(whole)
        for text in whole.splitlines():
            try:
                line = json.loads(text)
                self.commits.setdefault(line["step"], time.monotonic())
                self.figures.setdefault(line["step"], (line["loss_hex"], line["grad_norm_hex"]))
            except (ValueError, KeyError):
                continue

    def survey(self):
        root = self.folder / "checkpoints"
        # One that is pruned while it is looked at says nothing: the next newer one is there by then.
        found = newest_whole(root) or newest_whole(root)
        if found is not None:
            self.newest_step = max(found, self.newest_step or 0)
        elif self.newest_step is not None:
            self.without_checkpoint.append(time.monotonic())
        for process in self.actor_processes():
            self.peak_kib = max(self.peak_kib, peak_of(process))

    def actor_processes(self):
        try:
            lines = (self.folder / "events.jsonl").read_text().splitlines()
        except OSError:
            return []
        ups = [json.loads(line) for line in lines if '"event":"actor_up"' in line and line.endswith("}")]
        return {line["pid"] for line in ups}


def peak_of(process):
    try:
        status = pathlib.Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
