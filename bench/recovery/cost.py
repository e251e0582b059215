#!/usr/bin/env python3
"""What recovery costs while nobody dies: the same job with layout.recovery = "replay" and "checkpoint", in turns.

    bench/recovery/cost.py [--program build/release/troupe] [--job configs/default.toml] [--steps 60] [--rounds 5]

Prints the median time of a step of each, and the ratio. The steps of a round that were disturbed by other work of the
machine count in the median like all others; rounds go in turns, so that such work meets both.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARM_UP = 10  # steps that are left out: pages are touched for the first time


def step_times(run):
    seconds = [json.loads(line)["seconds"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [after - before for before, after in zip(seconds[WARM_UP:], seconds[WARM_UP + 1:])]


def train(arguments, recovery, folder):
    command = [arguments.program, "train", arguments.job, f"train.steps={arguments.steps}", "train.warmup_steps=1",
               f"train.checkpoint_every={arguments.steps}", f"train.eval_every={arguments.steps}",
               f"layout.recovery={recovery}", "--run-dir", str(folder)] + arguments.override
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return step_times(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / "build/release/troupe"))
    parser.add_argument("--job", default="configs/default.toml")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    times = {"replay": [], "checkpoint": []}
    with tempfile.TemporaryDirectory(prefix="troupe-bench-") as scratch:
        for round_number in range(arguments.rounds):
            order = ("replay", "checkpoint") if round_number % 2 == 0 else ("checkpoint", "replay")
            for recovery in order:
                folder = pathlib.Path(scratch) / f"{recovery}-{round_number}"
                times[recovery] += train(arguments, recovery, folder)
    medians = {recovery: statistics.median(each) for recovery, each in times.items()}
    fastest = {recovery: statistics.quantiles(each, n=10)[0] for recovery, each in times.items()}
    for recovery, median in medians.items():
        print(f"{recovery:11} {1000 * median:8.2f} ms a step (median of {len(times[recovery])}), "
              f"{1000 * fastest[recovery]:8.2f} ms the fastest tenth")
    print(f"cost        {100 * (medians['replay'] / medians['checkpoint'] - 1):8.2f} % by the median, "
          f"{100 * (fastest['replay'] / fastest['checkpoint'] - 1):.2f} % by the fastest tenth")


if __name__ == "__main__":
    main()
