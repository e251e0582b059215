#!/usr/bin/env python3
"""Training that is killed all the time: random processes, random instants. The result must be that of a quiet run.

usage: bench/recovery/soak.py [--kills 2000 | --seconds S] [--gap 4] [--steps 1500] [--victims stage,data,head,node] [--seed 1]
                              [--program build/release/troupe] [--json FILE]

Jobs of --steps steps, one after the other, until there were so many kills or seconds; gaps between kills are exponential.
After each job losses, norms and ledger of every step and the digest of the weights are compared with an undisturbed run.
Exit status 1 when a step was lost or anything differs.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from job import ROOT, TINY, Job, rendered
from program import text_of

KINDS = ("stage", "data", "head", "node")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--gap", type=float, default=4, help="mean seconds between two kills")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--victims", default=",".join(KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "troupe")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def outcome(program, job):
    """Everything of a finished run that may not depend on what happened to it."""
    digest = subprocess.run([program, "digest", job.folder], capture_output=True, text=True, check=True).stdout.strip()
    figures = [(line["step"], line["loss_hex"], line["grad_norm_hex"]) for line in job.lines("metrics.jsonl")]
    return {"figures": figures, "ledger": job.lines("ledger.jsonl"), "digest": digest}


def finish(job):
    job.process.wait()
    if job.process.returncode != 0:
        raise RuntimeError(f"the job ended with {job.process.returncode}:\n{pathlib.Path(job.errors.name).read_text()[-3000:]}")


def torment(job, options, chance, tally, end):
    """Kills until the job is done."""
    kinds = options.victims.split(",")
    due = time.monotonic()
    while job.is_running and tally["kills"] < options.kills and time.monotonic() < end:
        due += chance.expovariate(1 / options.gap)
        while job.is_running and time.monotonic() < due:
            time.sleep(0.01)
        try:
            name, process = chance.choice(job.victims(kinds))
        except (AssertionError, OSError, IndexError):
            continue  # nobody is up: the job begins, ends, or its node is just coming back
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it is down already, and counts for nothing
        tally["kills"] += 1
        kind = name.split("/")[0]
        tally["by_kind"][kind] = tally["by_kind"].get(kind, 0) + 1


def judge(job, golden, found, tally):
    """Adds what is wrong with a finished job."""
    now = {step: figures for step, *figures in found["figures"]}
    quiet = {step: figures for step, *figures in golden["figures"]}
    seen = {step: list(figures) for step, figures in job.watch.figures.items()}
    tally["lost_steps"] += sum(now.get(step) != figures for step, figures in seen.items())
    tally["different_steps"] += sum(now.get(step) != figures for step, figures in quiet.items())
    tally["repeated_lines"] += len(found["figures"]) - len(now)
    tally["different_ledgers"] += found["ledger"] != golden["ledger"]
    tally["different_digests"] += found["digest"] != golden["digest"]
    tally["without_checkpoint"] += len(job.watch.without_checkpoint)
    for line in job.events("recovered"):
        tally["recoveries"][line["kind"]] = tally["recoveries"].get(line["kind"], 0) + 1
        if line["kind"] != "replay":
            tally["went_back"].append({name: line[name] for name in ("kind", "actors", "restored", "step")})
    back = [line["step"] - line["from_step"] for line in job.events("recovered")]
    back += [line["from_step"] - line["step"] for line in job.events("rollback")]
    tally["most_replayed"] = max([tally["most_replayed"], *back])


def main():
    options = arguments()
    options.program = options.program.resolve()
    chance, begin = random.Random(options.seed), time.monotonic()
    tally = {"kills": 0, "by_kind": {}, "jobs": 0, "steps": 0, "lost_steps": 0, "different_steps": 0, "repeated_lines": 0,
             "different_ledgers": 0, "different_digests": 0, "without_checkpoint": 0, "recoveries": {}, "most_replayed": 0, "went_back": []}
    with tempfile.TemporaryDirectory(prefix="troupe-bench-") as scratch:
        folder = pathlib.Path(scratch)
        (folder / "text.txt").write_text(text_of(40_000))
        (folder / "job.toml").write_text(rendered(TINY))
        overrides = (f"train.steps={options.steps}",)
        with Job(options.program, folder / "quiet", overrides) as job:
            finish(job)
        golden = outcome(options.program, job)
        end = time.monotonic() + options.seconds
        while tally["kills"] < options.kills and time.monotonic() < end:
            with Job(options.program, folder / f"job-{tally['jobs']}", overrides) as job:
                torment(job, options, chance, tally, end)
                finish(job)
            judge(job, golden, outcome(options.program, job), tally)
            tally["jobs"] += 1
            tally["steps"] += options.steps
            print(json.dumps(tally), file=sys.stderr)
    tally |= {"hours": round((time.monotonic() - begin) / 3600, 3), "seed": options.seed, "gap": options.gap}
    print(json.dumps(tally, indent=1))
    if options.json:
        options.json.write_text(json.dumps(tally, indent=1) + "\n")
    wrong = ("lost_steps", "different_steps", "repeated_lines", "different_ledgers", "different_digests", "without_checkpoint")
    sys.exit(any(tally[name] for name in wrong))


if __name__ == "__main__":
    main()
