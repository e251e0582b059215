#!/usr/bin/env python3
"""The runtime beside other actor systems and the limits below them, in turns on one machine: one table, with ratios.

usage: bench/runtime/run.py [CASE ...] [--rounds 5] [--build build/release] [--ray .venv-bench/bin/python]
                            [--json FILE] [--list]

Builds its programs, runs every peer that is there (the others are named), peers in turns within a round, and prints a
Markdown table of medians. Peers: apt-get install libcaf-dev erlang-base; .venv-bench/bin/pip install ray numpy.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

# case: (what it is, the figure that counts, whether more is better, target for troupe)
CASES = {
    "request": ("request and reply in a process, p50", "p50_us", False, 1.0),
    "one_way": ("one-way messages in a process, one pair", "per_second", True, 5e6),
    "request_unrecorded": ("request and reply in a process without flight recorder, p50", "p50_us", False, None),
    "one_way_unrecorded": ("one-way messages in a process without flight recorder", "per_second", True, None),
    "spawn": ("spawn in a process", "per_second", True, 5e5),
    "request_ipc": ("request and reply, two processes, ipc, p50", "p50_us", False, None),
    "pipelined_ipc": ("requests ahead of their replies, two processes", "per_second", True, 2e5),
    "all_to_all_ipc": ("4 actors with 4, two processes", "per_second", True, 3e5),
    "one_way_ipc": ("one-way, 64 bytes, two processes", "per_second", True, 8e5),
    "payload_256k_ipc": ("payload 256 KiB, one host", "gb_per_second", True, 10.0),
    "payload_4m_ipc": ("payload 4 MiB, one host", "gb_per_second", True, 8.0),
    "payload_4m_tcp": ("payload 4 MiB, tcp loopback", "gb_per_second", True, None),
    "broadcast_4m": ("4 MiB to 4 processes, put once against a copy for each", "ratio", True, None),
    "gather_10k": ("ask 10,000 actors over 4 processes and hear all, p50", "p50_us", False, 5e4),
    "idle_1m": ("1,000,000 idle actors, resident memory of each", "bytes_each", False, None),
    "spawn_process": ("actors as processes from a fork server", "per_second", True, None),
    "restart_process": ("kill -9 of an actor's process to the next answer, p50", "p50_us", False, None),
}


def peers_of(options):
    """Name and command of everything that can be measured here, and what is missing."""
    programs = options.build / "bench" / "runtime"
    peers = {"troupe": [programs / "runtime_bench_troupe"]}
    absent = {}
    if (programs / "runtime_bench_caf").exists():
        peers["CAF"] = [programs / "runtime_bench_caf"]
    else:
        absent["CAF"] = "apt-get install libcaf-dev"
    if shutil.which("escript"):
        peers["Erlang"] = ["escript", HERE / "erlang_actors.escript"]
    else:
        absent["Erlang"] = "apt-get install erlang-base"
    has_ray = subprocess.run([options.ray, "-c", "import ray, numpy"], capture_output=True, check=False).returncode == 0 \
        if shutil.which(options.ray) else False
    if has_ray:
        peers["Ray"] = [options.ray, HERE / "ray_actors.py"]
    else:
        absent["Ray"] = ".venv-bench/bin/pip install ray numpy"
    for limit, title in (("zmq", "ZeroMQ"), ("socket", "socket"), ("memcpy", "memcpy")):
        peers[title] = [programs / "runtime_bench_raw", limit + ":"]
    return peers, absent


def command_of(peer, case):
    if str(peer[-1]).endswith(":"):
        return [str(word) for word in peer[:-1]] + [str(peer[-1]) + case]
    return [str(word) for word in peer] + [case]


def cases_of(peer):
    listed = subprocess.run(command_of(peer, "")[:-1] if str(peer[-1]).endswith(":") else [str(word) for word in peer],
                            capture_output=True, text=True, check=True).stdout.split()
    if not str(peer[-1]).endswith(":"):
        return listed
    return [name[len(peer[-1]):] for name in listed if name.startswith(peer[-1])]


def measure(peer, case, patience):
    done = subprocess.run(command_of(peer, case), capture_output=True, text=True, timeout=patience, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command_of(peer, case)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def short(value):
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    if value >= 1e4:
        return f"{value / 1e3:.0f} k"
    return f"{value:.3g}"


def render(results, names):
    """Markdown: a row for each case, medians (lowest to highest), and troupe against the best peer."""
    lines = ["| what | " + " | ".join(names) + " | target |", "|---" * (len(names) + 2) + "|"]
    for case, (what, figure, more, target) in CASES.items():
        if case not in results:
            continue
        cells = []
        for name in names:
            values = [figures[figure] for figures in results[case].get(name, []) if figure in figures]
            cells.append(f"{short(statistics.median(values))} ({short(min(values))}-{short(max(values))})" if values else "")
        goal = "" if target is None else ("at least " if more else "at most ") + short(target)
        lines.append(f"| {what}, {figure} | " + " | ".join(cells) + f" | {goal} |")
    return "\n".join(lines)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--ray", default=".venv-bench/bin/python")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    unknown = [case for case in options.cases if case not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]}; there are {', '.join(CASES)}")
    return options


def main():
    options = arguments()
    if options.list:
        print("\n".join(CASES))
        return 0
    subprocess.run(["cmake", "--build", options.build, "--target", "runtime_bench"], check=True, stdout=sys.stderr)
    peers, absent = peers_of(options)
    for name, remedy in absent.items():
        print(f"absent: {name} ({remedy})", file=sys.stderr)
    known = {name: cases_of(peer) for name, peer in peers.items()}
    results = {}
    for number in range(options.rounds):
        for case in options.cases or CASES:
            for name, peer in peers.items():
                if case not in known[name]:
                    continue
                figures = measure(peer, case, patience=300)
                results.setdefault(case, {}).setdefault(name, []).append(figures)
                print(f"round {number + 1}: {case} {name} {figures}", file=sys.stderr)
    print(render(results, list(peers)))
    if options.json:
        machine = {"date": datetime.date.today().isoformat(), "cores": os.cpu_count(), "processor": platform.processor(),
                   "system": platform.platform()}
        options.json.write_text(json.dumps({"machine": machine, "absent": absent, "results": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
