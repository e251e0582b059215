"""Drives build/<preset>/troupe as a user would: small jobs, their figures, and what they leave behind."""

import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

PROGRAM = os.environ["TROUPE_PROGRAM"]
# Sanitizers and a loaded machine slow a job down tenfold; a hang is caught by this and by ctest's own limit.
SLOWNESS = int(os.environ.get("TROUPE_SLOWNESS", "1"))  # of a build with sanitizers
PATIENCE = float(os.environ.get("TROUPE_PATIENCE", "120"))

TINY = """
[model]
layers = 4
heads = 2
width = 32
context = 16
dropout = 0.1
tied = true
[data]
path = "text.txt"
format = "stream"
tokenizer = "bytes"
validation_fraction = 0.1
seed = 1
[train]
steps = 12
global_batch = 16
micro_batch = 2
lr = 3e-3
schedule = "cosine"
warmup_steps = 3
weight_decay = 0.1
clip = 1.0
seed = 1
eval_every = 6
checkpoint_every = 4
[layout]
stages = 2
replicas = 2
schedule = "1f1b"
threads_per_stage = 1
"""

WORDS = ("in the beginning was a word and every other word came after it so that a reader who "
         "knows the first can guess the next with some luck and more patience").split()


def long_run(steps):
    """So many steps as last for some seconds, in which a run can be disturbed: fewer where each takes longer."""
    return max(60, steps // SLOWNESS)


def text_of(words):
    """A text that repeats itself irregularly, the same in every run: a linear congruential generator picks the words."""
    state, chosen = 1, []
    for _ in range(words):
        state = (state * 1103515245 + 12345) % 2**31
        chosen.append(WORDS[(state >> 16) % len(WORDS)])
    return " ".join(chosen) + "\n"


def is_locked(folder):
    """Whether somebody holds the lock on it, which ends with its process."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


class Run:
    """One run folder and how its process ended."""

    def __init__(self, folder, finished=None):
        self.folder = pathlib.Path(folder)
        self.finished = finished
        self.known_digest = None  # of a run that changes no more

    @property
    def status(self):
        return self.finished.returncode

    @property
    def talk(self):
        return self.finished.stderr

    def lines(self, name):
        file = self.folder / name
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text().splitlines() if line.strip()]

    def figures(self):
        """step -> (loss, norm), as hexadecimal floats: equal text means equal bits."""
        return {line["step"]: (line["loss_hex"], line["grad_norm_hex"]) for line in self.lines("metrics.jsonl")}

    def events(self, name):
        return [line for line in self.lines("events.jsonl") if line["event"] == name]


class ProgramTest(unittest.TestCase):
    """A scratch folder with a text and a job file; afterwards nothing of the job may be left on the machine."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.references = {}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-test-"))
        # Once more after tearDown() and after the cleanups of a test, one of which may take a mount out of it.
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.tag = uuid.uuid4().hex
        self.cut_off = False
        self.remove_abandoned_memory()
        self.shared_memory = pathlib.Path("/dev/shm", f"troupe-test-{os.getpid()}-{self.tag}")
        self.environment = dict(os.environ, TROUPE_TEST_TAG=self.tag, XDG_RUNTIME_DIR=str(self.folder / "runtime"),
                                TROUPE_SHM_DIR=str(self.shared_memory))
        self.shared_memory.mkdir()
        (self.folder / "runtime").mkdir(mode=0o700)
        (self.folder / "text.txt").write_text(text_of(1500))
        (self.folder / "job.toml").write_text(TINY)

    def tearDown(self):
        try:
            self.assert_nothing_left()
        finally:
            for process in self.processes():
                os.kill(process, signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.rmtree(self.shared_memory, ignore_errors=True)

    # ---- running ---------------------------------------------------------------------------------------------------

    def start(self, *words, before=(), **more):
        """`before` are words before the program: another that runs it."""
        return subprocess.Popen([*map(str, before), PROGRAM, *map(str, words)], cwd=self.folder, env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def finish(self, process, patience=PATIENCE):
        try:
            out, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            self.fail(f"{process.args} hung for {patience} s; it said:\n{err[-3000:]}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def troupe(self, *words):
        return self.finish(self.start(*words))

    def train(self, *overrides, name="run", inject=(), status=0, command="train", config="job.toml", options=()):
        words = [command, config, *overrides, "--run-dir", name, *options]
        for rule in inject:
            words += ["--inject", rule]
        run = Run(self.folder / name, self.troupe(*words))
        self.assertEqual(run.status, status, f"{words}\n{run.talk[-3000:]}\n{self.logs(run)}")
        return run

    def undisturbed(self, *overrides):
        """The run that nothing happened to, trained once for all tests of the class."""
        if overrides not in self.references:
            run = self.train(*overrides, name="undisturbed")
            self.assertEqual(run.events("actor_down"), [])
            kept = pathlib.Path(tempfile.mkdtemp(prefix="troupe-test-"))
            self.addClassCleanup(shutil.rmtree, kept, ignore_errors=True)
            shutil.move(run.folder, kept / "undisturbed")
            self.references[overrides] = Run(kept / "undisturbed", run.finished)
        return self.references[overrides]

    def digest(self, run):
        done = self.troupe("digest", run.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def logs(self, run):
        return "".join(f"--- {log.name}\n{log.read_text()[-1500:]}" for log in sorted((run.folder / "logs").glob("*.log")))

    def wait_for(self, condition, what, patience=PATIENCE):
        """Polls a condition of the outside world (a file's growth, a process's end)."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.01)
        self.fail(f"{what} did not happen within {patience} s")

    # ---- judging ---------------------------------------------------------------------------------------------------

    def processes(self):
        """Live processes started by this test, by the tag in their environment."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if self.tag.encode() in (entry / "environ").read_bytes() and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def assert_nothing_left(self):
        """No process, socket, shared-memory segment or temporary file.

        A run that was cut off by SIGKILL cleans nothing up; the next one does: then a last small run comes first.
        """
        if self.cut_off:
            self.cut_off = False
            self.train("train.steps=1", "train.warmup_steps=0", name="sweeper")
        self.wait_for(lambda: not self.processes(), "the end of every process", patience=10)
        self.assertEqual([str(path) for path in (self.folder / "runtime").rglob("*")], [])
        self.wait_for(lambda: not self.leftover_memory(), f"removal of {self.leftover_memory()}", patience=10)
        torn = [str(path) for path in self.folder.rglob("*") if ".tmp" in path.name or path.name.endswith(".new")]
        self.assertEqual(torn, [])

    @staticmethod
    def remove_abandoned_memory():
        """Of tests that were killed themselves."""
        for folder in pathlib.Path("/dev/shm").glob("troupe-test-*"):
            if not pathlib.Path("/proc", folder.name.split("-")[2]).exists():
                shutil.rmtree(folder, ignore_errors=True)

    def leftover_memory(self):
        """Segments (troupe-JOB-PROCESS-RANDOM) whose writer is gone, and states of nodes whose agent is."""
        names = [entry.name for entry in self.shared_memory.iterdir()]
        states = [name for name in names if name.startswith("troupe.state.") and not is_locked(self.shared_memory / name)]
        segments = [name for name in names if not name.startswith("troupe.state.")]
        return states + [name for name in segments if not pathlib.Path("/proc", name.split("-")[2]).exists()]

    def assert_same_training(self, run, reference):
        self.assertEqual(run.figures(), reference.figures())
        if reference.known_digest is None:
            reference.known_digest = self.digest(reference)
        self.assertEqual(self.digest(run), reference.known_digest)

    def assert_each_step_once(self, run, steps):
        for name in ("metrics.jsonl", "ledger.jsonl"):
            self.assertEqual([line["step"] for line in run.lines(name)], list(range(1, steps + 1)), name)


def main():
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
