"""Runs that nothing happened to: trained once for each build and job, then remembered beside the program."""

import hashlib
import json
import os
import pathlib
import tempfile

from job_watch import JobWatch
from program import PROGRAM, Run


class Golden:
    """What an undisturbed run came to: its figures, its ledger, its weights, and the memory that its actors took."""

    def __init__(self, kept):
        self.figures = {int(step): tuple(pair) for step, pair in kept["figures"].items()}
        self.ledger = kept["ledger"]
        self.digest = kept["digest"]
        self.digests = {int(step): digest for step, digest in kept["digests"].items()}  # of the checkpoints it kept
        self.peak_kib = kept["peak_kib"]
        self.step_seconds = kept["step_seconds"]


def remembered(job, overrides):
    """Where the figures of that job are kept for this very program."""
    sum_of_all = hashlib.sha256(pathlib.Path(PROGRAM).read_bytes())
    sum_of_all.update(json.dumps([job, list(overrides)]).encode())
    folder = pathlib.Path(os.environ.get("TROUPE_GOLDEN_DIR", pathlib.Path(PROGRAM).parent / "golden"))
    return folder / f"{sum_of_all.hexdigest()[:32]}.json"


def golden_of(test, job, overrides):
    """The golden run of a job; `test` trains it when no test of this build has done so before."""
    file = remembered(job, overrides)
    if not file.exists():
        kept = measured(test, overrides)
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as fresh:
            json.dump(kept, fresh)
        os.replace(fresh.name, file)  # two tests may do this at a time: either's figures are right
    return Golden(json.loads(file.read_text()))


def measured(test, overrides):
    folder = test.folder / "golden"
    with JobWatch(folder) as watch:
        run = Run(folder, test.troupe("train", "job.toml", *overrides, "--run-dir", folder))
    test.assertEqual(run.status, 0, run.talk)
    test.assertEqual(run.events("actor_down"), [])
    checkpoints = {path.name.split("-")[1]: path for path in (folder / "checkpoints").glob("step-*")}
    gaps = sorted(after - before for before, after in zip(watch.commit_times(), watch.commit_times()[1:]))
    return {"figures": run.figures(), "ledger": run.lines("ledger.jsonl"), "digest": test.digest(run),
            "digests": {step: test.digest(Run(path)) for step, path in checkpoints.items()},
            "peak_kib": watch.peak_kib, "step_seconds": gaps[len(gaps) // 2]}
