#!/usr/bin/env python3
"""How long a killed stage is missed: kill -9 again and again, and the parts of each recovery as a distribution.

usage: bench/recovery/run.py [--kills 100] [--large-kills 6] [--program build/release/troupe] [--seed 1] [--json FILE]

Each job is killed once for each of its stages, at a random instant of a step: a second death within a minute would wait for
the restart policy. All times are of one monotonic clock. Prints Markdown:

  detect   kill to the event actor_down      respawn  to actor_up: a process with the model built
  restore  to `recovered`: state taken back  rejoin   to the next committed step, with the work that was lost
"""

import argparse
import json
import os
import pathlib
import platform
import random
import signal
import sys
import tempfile
import time

from job import LARGE, ROOT, TINY, Job, rendered
from program import text_of

PARTS = ("detect", "respawn", "restore", "rejoin", "all")


def next_after(times, begin):
    return min((at for at in times if at > begin), default=None)


def parts_of(job, killed, before):
    """Milliseconds of each part of the recovery from a kill at `killed`."""
    def time_of(event, begin):
        return next_after([line["monotonic"] for line in job.events(event)], begin)

    down = time_of("actor_down", killed)
    up = time_of("actor_up", down)
    whole = time_of("recovered", up)
    commit = next_after(list(job.watch.commits.values()), whole)
    times = [killed, down, up, whole, commit]
    parts = {name: (end - begin) * 1000 for name, begin, end in zip(PARTS, times, times[1:])}
    recovered = [line for line in job.events("recovered") if line["monotonic"] == whole][0]
    return {**parts, "all": (commit - killed) * 1000, "replayed": recovered["step"] - recovered["from_step"],
            "kind": recovered["kind"], "step": before}


def kill_stages(job, chance, rows, wanted):
    """Each stage of a job once, as long as kills are wanted."""
    job.wait_for_step(3)
    for stage in sorted(actor for actor in job.actors() if actor.startswith("stage/")):
        if len(rows) >= wanted:
            return
        committed = max(job.watch.commits)
        job.wait_for_step(committed + 2)
        times = job.watch.commit_times()
        time.sleep(chance.uniform(0, times[-1] - times[-2]))
        before, recoveries = max(job.watch.commits), len(job.events("recovered"))
        killed = time.monotonic()
        os.kill(job.actors()[stage], signal.SIGKILL)
        job.wait_for(lambda: len(job.events("recovered")) > recoveries, f"the recovery of {stage}")
        whole = job.events("recovered")[-1]["monotonic"]
        job.wait_for(lambda: job.watch.commit_times()[-1] > whole, "the next step")
        rows.append({"stage": stage, **parts_of(job, killed, before)})


def measure(name, config, wanted, options, folder):
    (folder / "job.toml").write_text(rendered(config))
    chance, rows = random.Random(options.seed), []
    while len(rows) < wanted:
        with Job(options.program, folder / f"{name}-{len(rows)}") as job:
            kill_stages(job, chance, rows, wanted)
        print(f"{name}: {len(rows)} of {wanted} kills", file=sys.stderr)
    return rows


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(title, rows):
    lines = [f"{title}, {len(rows)} kills; steps replayed: at most {max(row['replayed'] for row in rows)}; "
             f"all by replay: {'yes' if all(row['kind'] == 'replay' for row in rows) else 'no'}", "",
             "| ms | p50 | p90 | p99 | highest |", "|---|---|---|---|---|"]
    for part in PARTS:
        values = [row[part] for row in rows]
        figures = [quantile(values, share) for share in (0.5, 0.9, 0.99)] + [max(values)]
        lines.append(f"| {part} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")
    return "\n".join(lines)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--large-kills", type=int, default=6)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "release" / "troupe")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def main():
    options, measured = arguments(), {}
    options.program = options.program.resolve()
    with tempfile.TemporaryDirectory(prefix="troupe-bench-") as scratch:
        folder = pathlib.Path(scratch)
        (folder / "text.txt").write_text(text_of(40_000))
        for name, title, config, wanted in (("tiny", "2 replicas x 2 stages, 0.2 M parameters", TINY, options.kills),
                                            ("large", "1 replica x 2 stages, the blocks of GPT-2 124M", LARGE, options.large_kills)):
            if wanted > 0:
                measured[name] = measure(name, config, wanted, options, folder)
                print(table(title, measured[name]) + "\n")
    print(f"{os.cpu_count()} cores, Linux {platform.release()}, seed {options.seed}")
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
