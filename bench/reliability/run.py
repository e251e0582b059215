#!/usr/bin/env python3
"""The runtime's promises about delivery, with processes that die and stop: one table for each, counts that must be zero.

usage: bench/reliability/run.py [kill] [stop] [soak] [--kills 50] [--stopped 10] [--minutes 30] [--build build/release]
                                [--json FILE]

Builds its programs and prints Markdown. ZeroMQ by itself goes through the same kills beside the runtime. Exit status 1
when a promise was broken. What the columns mean is in docs/reliability.md.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

KILLS = [(scheme, size) for scheme in ("ipc", "tcp") for size in (1024, 65536)]


def measure(program, *words):
    """The line of JSON that a program prints, and whether it kept its promises."""
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if not lines:
        raise RuntimeError(f"{program} {words} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    print(f"{program.name} {' '.join(map(str, words))}: {lines[-1]}", file=sys.stderr)
    return {**json.loads(lines[-1]), "kept": done.returncode == 0}


def table(rows, columns):
    """Markdown; `rows` are (title, figures), `columns` (heading, key)."""
    lines = ["| | " + " | ".join(heading for heading, _ in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for title, figures in rows:
        cells = [figures.get(key, "") for _, key in columns]
        lines.append(f"| {title} | " + " | ".join(f"{cell:,}" if isinstance(cell, (int, float)) else cell for cell in cells) + " |")
    return "\n".join(lines)


def kill(options, folder):
    rows = []
    for scheme, size in KILLS:
        title = f"{scheme}, {size // 1024} KiB"
        rows.append((f"{title}: troupe", measure(folder / "reliability_kill", scheme, size, options.kills)))
        rows.append((f"{title}: ZeroMQ", measure(folder / "reliability_kill_raw", scheme, size, options.kills)))
    return rows, [("kills", "kills"), ("handled", "handled"), ("a second", "per_second"),
                  ("acknowledged, lost", "acknowledged_lost"), ("duplicated", "duplicated"),
                  ("out of order", "out_of_order"), ("stale", "stale"), ("damaged", "damaged"),
                  ("stale, refused", "stale_refused"), ("not acknowledged, not handled", "lost_unacknowledged")]


def stop(options, folder):
    rows = [(f"stopped {options.stopped:g} s, {end}", measure(folder / "reliability_stop", options.stopped, end))
            for end in ("kept", "replaced")]
    return rows, [("calls", "calls"), ("answered", "answered"), ("failed", "failed"), ("without outcome", "without_outcome"),
                  ("latest after its deadline, ms", "latest_after_deadline_ms"), ("answered by another", "wrong_incarnation"),
                  ("all served again, ms", "served_again_ms"), ("refused by the window", "refused_by_window"),
                  ("memory grown, MiB", "memory_growth_mib"), ("allowed", "memory_allowed_mib")]


def soak(options, folder):
    figures = measure(folder / "reliability_soak", options.minutes * 60)
    rows = [(name, {**figures, **{key.removeprefix(name + "_"): value for key, value in figures.items()}})
            for name in ("driver", "other")]
    return rows, [("calls", "calls"), ("failed", "failed"), ("wrong", "wrong"), ("starts", "starts"), ("kills", "kills"),
                  ("MiB", "mib"), ("MiB in 10 minutes", "mib_per_10_min"), ("descriptors", "descriptors"),
                  ("more at the end", "descriptor_growth")]


PARTS = {"kill": kill, "stop": stop, "soak": soak}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS) + "; all of them when none is named")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stopped", type=float, default=10)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
    return options


def main():
    options = arguments()
    subprocess.run(["cmake", "--build", options.build, "--target", "reliability"], check=True, stdout=sys.stderr)
    folder = (options.build / "bench" / "reliability").resolve()
    results = {}
    for part in options.parts or PARTS:
        rows, columns = PARTS[part](options, folder)
        results[part] = dict(rows)
        print(table(rows, columns) + "\n", flush=True)
    if options.json:
        machine = {"date": datetime.date.today().isoformat(), "cores": os.cpu_count(), "system": platform.platform()}
        options.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")
    kept = all(figures["kept"] for rows in results.values() for figures in rows.values())
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
