"""A cell of the fault matrix: the tiny job, a fault that must fire, and the judgement of all oracles as one row."""

import contextlib
import dataclasses
import json
import os
import random
import signal
import time
import unittest

import oracles
from golden import golden_of
from job_watch import JobWatch
from program import PATIENCE, ProgramTest, Run, text_of
from oracles import Evidence, Expected

__all__ = ["Expected", "FaultTest"]

# 2 replicas x 2 stages, byte level, about 20 ms a step on two cores: forty steps are a second.
JOB = """
[model]
layers = 4
heads = 2
width = 64
context = 64
dropout = 0.1
tied = true
[data]
path = "text.txt"
format = "stream"
tokenizer = "bytes"
validation_fraction = 0.1
seed = 1
[train]
steps = 40
global_batch = 16
micro_batch = 2
lr = 3e-3
schedule = "cosine"
warmup_steps = 3
weight_decay = 0.1
clip = 1.0
seed = 1
eval_every = 0
checkpoint_every = 10
[layout]
stages = 2
replicas = 2
schedule = "1f1b"
threads_per_stage = 1
"""
LONG = ("train.steps=150", "train.checkpoint_every=25")  # for faults that come from outside: there is time for them
ROWS = os.environ.get("TROUPE_MATRIX_ROWS")  # file that rows are added to
IS_STRICT = os.environ.get("TROUPE_STRICT_TIMES") == "1"  # whether a recovery that is right but late fails


class FaultTest(ProgramTest):
    """Cells of the matrix, run as tests."""

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("TROUPE_SEED", random.SystemRandom().randrange(10**9)))
        self.chance = random.Random(self.seed)
        (self.folder / "text.txt").write_text(text_of(4000))
        (self.folder / "job.toml").write_text(JOB)

    @contextlib.contextmanager
    def cell(self, name, title, overrides=()):
        cell = Cell(self, name, title, overrides)
        verdict = "broken"
        try:
            yield cell
            verdict = cell.verdict()
        except unittest.SkipTest as reason:
            verdict = f"skipped: {reason}"
            raise
        except BaseException as error:  # also a hang that is interrupted belongs into the table
            cell.complaints.append(("run", str(error).splitlines()[0] if str(error) else type(error).__name__))
            error.add_note(cell.explanation())
            raise
        finally:
            cell.stop_watching()
            cell.write_row(verdict)
        self.assertIn(verdict, ("holds", "late", "part"), cell.explanation())
        self.assertFalse(verdict == "late" and IS_STRICT, cell.explanation())


class Cell:
    """One run with its fault. Begin, strike (or inject), end, judge."""

    def __init__(self, test, name, title, overrides):
        self.test, self.name, self.title = test, name, title
        self.overrides = tuple(overrides)
        self.golden = golden_of(test, JOB, self.overrides)
        self.folder = test.folder / f"{name}-{len(list(test.folder.iterdir()))}"
        self.run = Run(self.folder)
        self.rules, self.strikes, self.complaints, self.notes = [], [], [], []
        self.evidence = None
        self.watch = None
        self.process = None

    # ---- the run ---------------------------------------------------------------------------------------------------

    def begin(self, inject=(), words=("train", "job.toml"), options=(), **more):
        """Starts the job; `more` is for ProgramTest.start()."""
        self.rules = list(inject)
        line = [*words, *self.overrides, "--run-dir", self.folder, *options]
        for rule in inject:
            line += ["--inject", rule]
        self.watch_folder()
        self.process = self.test.start(*line, **more)
        return self.process

    def watch_folder(self):
        self.watch = JobWatch(self.folder)
        self.watch.__enter__()

    def stop_watching(self):
        if self.watch is not None and not self.watch.over.is_set():
            self.watch.__exit__()

    def end(self, status=0, patience=PATIENCE):
        self.run.finished = self.test.finish(self.process, patience)
        self.stop_watching()
        self.test.assertEqual(self.run.status, status, f"{self.run.talk[-3000:]}\n{self.test.logs(self.run)}")
        return self.run

    def train(self, inject=(), **more):
        self.begin(inject, **more)
        return self.end()

    def resume(self):
        """Goes on with a run that has ended, or was cut off."""
        seen = self.watch
        self.watch_folder()
        self.process = self.test.start("train", "--resume", "--run-dir", self.folder)
        self.end()
        self.watch.without_checkpoint += seen.without_checkpoint

    def wait_for_step(self, step):
        self.test.wait_for(lambda: step in self.watch.commits or self.process.poll() is not None, f"step {step}")
        self.assert_running()

    def wait_for_event(self, name, count=1):
        self.test.wait_for(lambda: len(self.run.events(name)) >= count or self.process.poll() is not None, f"event {name}")

    def assert_running(self):
        if self.process.poll() is not None:
            self.test.fail(f"the job ended before the fault came: {self.process.communicate()[1][-1500:]}")

    def random_moment(self, most_seconds=None):
        """Waits for a random part of a step: the instant of the fault is what differs from run to run."""
        time.sleep(self.test.chance.uniform(0, most_seconds or 2 * self.golden.step_seconds))

    def process_of(self, actor):
        return [line["pid"] for line in self.run.events("actor_up") if line["actor"] == actor][-1]

    def head_process(self):
        return json.loads((self.folder / "head.json").read_text())["pid"]

    # ---- faults ----------------------------------------------------------------------------------------------------

    def strike(self, action):
        """A fault from outside, at this instant."""
        self.assert_running()
        self.strikes.append(time.monotonic())
        return action()

    def kill(self, *actors, number=signal.SIGKILL):
        processes = [self.process_of(actor) for actor in actors]
        self.strike(lambda: [os.kill(process, number) for process in processes])

    def fired(self):
        """When each fault took effect, oldest first; a rule that left no line did not fire."""
        lines = self.run.lines("faults.jsonl")
        for rule in self.rules:
            if not any(line["rule"] == rule for line in lines):
                self.complaints.append(("void", f"\"{rule}\" did not fire"))
        return sorted([*self.strikes, *(line["monotonic_ns"] / 1e9 for line in lines)])

    # ---- judgement -------------------------------------------------------------------------------------------------

    def judge(self, expected=None, **more):
        """All oracles at once, after end()."""
        expected = expected or Expected(**more)
        fired = self.fired()
        if not fired:
            self.complaints.append(("void", "no fault fired"))
        console = self.test.troupe("events", "--run-dir", self.folder).stdout
        pages = json.loads(self.test.troupe("ps", "--all", "-o", "json", "--run-dir", self.folder).stdout)
        digest = self.test.troupe("digest", self.folder).stdout.strip()
        self.evidence = Evidence(self.run, self.golden, self.watch, expected, fired, digest, console, pages)
        self.complaints += oracles.judged(self.evidence)
        try:
            self.test.assert_nothing_left()
        except AssertionError as error:
            self.complaints.append(("O7", str(error).splitlines()[0]))
        return self.evidence

    def expect(self, is_so, words):
        """A promise of this cell alone, beyond the oracles."""
        if not is_so:
            self.complaints.append(("cell", words))

    def not_built(self, words):
        """A promise of the matrix for which there is nothing in the program yet: it is told, not passed over."""
        self.complaints.append(("not built", words))

    def verdict(self):
        kinds = {kind for kind, _ in self.complaints}
        if self.evidence is None and not kinds:
            return "void"
        if not kinds:
            return "holds"
        if "void" in kinds:
            return "void"
        return "late" if kinds == {"O6"} else "part" if kinds <= {"O6", "not built"} else "broken"

    def explanation(self):
        told = "\n".join(f"  {kind}: {words}" for kind, words in self.complaints)
        again = f"TROUPE_SEED={self.test.seed} python3 tests/faults/matrix.py {self.name}"
        events = self.run.folder / "events.jsonl"
        last = events.read_text().splitlines()[-25:] if events.exists() else []
        return "\n".join([f"{self.name} {self.title}:", told, *last, f"once more: {again}"])

    def row(self, verdict):
        row = {"id": self.name, "fault": self.title, "verdict": verdict, "seed": self.test.seed,
               "complaints": [f"{kind}: {words}" for kind, words in self.complaints], "notes": self.notes}
        if self.evidence is not None:
            row |= dataclasses.asdict(Figures.of(self.evidence))
        return row

    def write_row(self, verdict):
        if ROWS:
            with open(ROWS, "a", encoding="utf-8") as rows:
                rows.write(json.dumps(self.row(verdict)) + "\n")


@dataclasses.dataclass
class Figures:
    """What the table says of a cell."""

    fired: int
    detected_ms: float
    recovered_ms: float
    replayed: int
    lost: int
    digest_equal: bool
    untouched: str

    @staticmethod
    def of(evidence):
        def milliseconds(seconds):
            return None if seconds is None else round(seconds * 1000, 1)

        actors = {line["actor"] for line in evidence.run.events("actor_up")}
        again = set(oracles.restarted(evidence))
        return Figures(len(evidence.fired), milliseconds(oracles.detected_after(evidence)),
                       milliseconds(oracles.recovered_after(evidence)), oracles.steps_replayed(evidence),
                       oracles.steps_lost(evidence), evidence.digest == evidence.golden.digest,
                       f"{len(actors - again)}/{len(actors)}")
