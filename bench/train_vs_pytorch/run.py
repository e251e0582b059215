#!/usr/bin/env python3
"""Tokens per second of a job (default configs/default.toml) against single-process eager PyTorch, in turns on one machine.

usage: bench/train_vs_pytorch/run.py [CONFIG] [--rounds 3] [--steps 60] [--program build/release/troupe]
       [--python .venv-bench/bin/python]

The peer needs a whole PyTorch: python3 -m venv .venv-bench && .venv-bench/bin/pip install torch==2.11.0 numpy
Both sides get the same number of threads in all: troupe one for each stage process, PyTorch as many as there are cores.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
WARM_UP = 10


def children_of(root):
    """Processes below `root`, itself included."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    family, grown = {root}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return family


def peak_megabytes(process, peaks):
    """Largest resident set of one process so far; pages shared between processes count in each."""
    try:
        for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                peaks[process] = int(line.split()[1]) / 1024
    except OSError:
        return


def measure_troupe(options, folder):
    command = [options.program, "train", options.config, f"train.steps={options.steps}", "train.eval_every=0",
               "train.checkpoint_every=0", "train.warmup_steps=50", "--run-dir", str(folder), "--quiet", "-o", "json"]
    peaks = {}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        for each in children_of(process.pid):
            peak_megabytes(each, peaks)
        time.sleep(0.5)
    out, err = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}:\n{err}")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    seconds = lines[-1]["seconds"] - lines[WARM_UP - 1]["seconds"]
    return {"tokens_per_second": sum(line["tokens"] for line in lines[WARM_UP:]) / seconds, "loss": lines[-1]["loss"],
            "peak_megabytes": sum(peaks.values()), "processes": len(peaks)}


def measure_pytorch(options):
    command = [options.python, HERE / "pytorch_gpt2.py", options.config, "--steps", str(options.steps), "--warm-up",
               str(WARM_UP), "--threads", str(os.cpu_count())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the peer failed:\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", default="configs/default.toml")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--program", default="build/release/troupe")
    parser.add_argument("--python", default=".venv-bench/bin/python")
    options = parser.parse_args()
    if not pathlib.Path(options.python).exists():
        sys.exit(f"no {options.python}: the peer needs PyTorch (see the first lines of {__file__})")
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for round_number in range(options.rounds):
            theirs.append(measure_pytorch(options))
            ours.append(measure_troupe(options, pathlib.Path(scratch) / str(round_number)))
            print(f"round {round_number + 1}: pytorch {theirs[-1]['tokens_per_second']:.0f} tokens/s, troupe "
                  f"{ours[-1]['tokens_per_second']:.0f} tokens/s", file=sys.stderr)
    rates = [statistics.median(side["tokens_per_second"] for side in sides) for sides in (ours, theirs)]
    print(json.dumps({
        "config": options.config, "steps": options.steps, "rounds": options.rounds, "cores": os.cpu_count(),
        "machine": platform.platform(), "ratio": rates[0] / rates[1],
        "troupe": {"tokens_per_second": rates[0], "peak_megabytes": ours[-1]["peak_megabytes"],
                   "processes": ours[-1]["processes"], "loss": ours[-1]["loss"]},
        "pytorch": {"tokens_per_second": rates[1], "peak_megabytes": theirs[-1]["peak_megabytes"], "processes": 1,
                    "loss": theirs[-1]["loss"], "version": theirs[-1]["torch"]}}, indent=2))


if __name__ == "__main__":
    main()
