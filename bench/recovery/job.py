"""A training job under faults, as the recovery benchmarks run it: what it wrote, who lives, and whose end is wanted."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "support" / "faults")]
os.environ.setdefault("TROUPE_PROGRAM", str(ROOT / "build" / "release" / "troupe"))  # program.py reads it

from job_processes import node_process
from job_watch import JobWatch        

TINY = {"model": dict(layers=4, heads=2, width=64, context=64, dropout=0.1, tied=True),
        "data": dict(path="text.txt", format="stream", tokenizer="bytes", validation_fraction=0.1, seed=1),
        "train": dict(steps=400, global_batch=16, micro_batch=2, lr=3e-3, warmup_steps=3, clip=1.0, seed=1, eval_every=0,
                      checkpoint_every=100),
        "layout": dict(stages=2, replicas=2, schedule="1f1b", threads_per_stage=1)}
# The widths of GPT-2's 124M, over bytes: 85 M in the blocks, and short sequences so that a step is not minutes.
LARGE = {"model": dict(layers=12, heads=12, width=768, context=128, dropout=0.1, tied=True),
         "data": TINY["data"],
         "train": dict(TINY["train"], steps=60, global_batch=4, micro_batch=2, checkpoint_every=1000),
         "layout": dict(stages=2, replicas=1, schedule="1f1b", threads_per_stage=1)}


def rendered(job):
    def value(item):
        return str(item).lower() if isinstance(item, bool) else json.dumps(item)

    return "\n".join(f"[{part}]\n" + "\n".join(f"{key} = {value(item)}" for key, item in keys.items()) for part, keys in job.items())


class Job:
    """One `troupe train`, watched. Use it with `with`: whatever happens, it ends there."""

    def __init__(self, program, folder, overrides=()):
        self.folder = pathlib.Path(folder)
        self.words = [str(program), "train", "job.toml", *overrides, "--run-dir", str(self.folder)]

    def __enter__(self):
        self.watch = JobWatch(self.folder)
        self.watch.__enter__()
        self.errors = open(f"{self.folder}.errors", "w+", encoding="utf-8")  # closed by __exit__
        self.process = subprocess.Popen(self.words, cwd=self.folder.parent, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.errors)
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            for _ in range(2):  # the second does not wait for a border
                self.process.send_signal(signal.SIGINT)
                time.sleep(0.2)
        self.process.wait()
        self.watch.__exit__()
        self.errors.close()

    @property
    def is_running(self):
        return self.process.poll() is None

    def lines(self, name):
        """Whole lines of a file of the run folder."""
        try:
            texts = (self.folder / name).read_text().split("\n")[:-1]
        except OSError:
            return []
        found = []
        for text in texts:
            try:
                found.append(json.loads(text))
            except ValueError:
                continue  # torn by a death
        return found

    def events(self, *names):
        return [line for line in self.lines("events.jsonl") if line["event"] in names]

    def wait_for(self, condition, what, patience=300):
        end = time.monotonic() + patience
        while not condition():
            if not self.is_running or time.monotonic() > end:
                raise RuntimeError(f"{what} did not come; the job said:\n{pathlib.Path(self.errors.name).read_text()[-2000:]}")
            time.sleep(0.002)

    def wait_for_step(self, step):
        self.wait_for(lambda: step in self.watch.commits, f"step {step}")

    # ---- who there is ----------------------------------------------------------------------------------------------

    def actors(self):
        """actor -> process, of the newest incarnations."""
        return {line["actor"]: line["pid"] for line in self.events("actor_up")}

    def head(self):
        return json.loads((self.folder / "head.json").read_text())["pid"]

    def victims(self, kinds):
        """(name, process) of everybody who may be killed, of "stage", "data", "head" and "node"."""
        found = [(actor, pid) for actor, pid in self.actors().items() if actor.split("/")[0] in kinds]
        head = self.head()
        if "head" in kinds:
            found.append(("head", head))
        if "node" in kinds:
            found.append(("node", node_process(self.process.pid, head)))
        return found
