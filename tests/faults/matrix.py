#!/usr/bin/env python3
"""The fault matrix F01-F46: every cell once, and a table of what became of it.

usage: tests/faults/matrix.py [CELL...] [--build build/release] [--repeat 1] [--strict-times] [--json FILE] [--markdown FILE]

CELL is an id (F05) or the beginning of some (F1). A cell holds when its fault fired and all oracles agree
(tests/support/faults/oracles.py); it is late when only its times were missed, part when it holds but for a promise that is not
built yet, void when its fault did not fire. Exit status 1 when a
cell that ran did not hold; --strict-times counts late ones too. Needs root for control groups, network namespaces and
mounts: cells that cannot run here are skipped, with the reason.
"""

import argparse
import collections
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SUPPORT = HERE.parent / "support"
CELLS = [f"F{number:02}" for number in range(1, 47)]
COLUMNS = [("cell", "id"), ("fault", "fault"), ("fired", "fired"), ("detected, ms", "detected_ms"),
           ("recovered, ms", "recovered_ms"), ("replayed", "replayed"), ("lost", "lost"), ("digest equal", "digest_equal"),
           ("untouched", "untouched"), ("verdict", "verdict")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="*", metavar="CELL")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--strict-times", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    return parser.parse_args()


def tests_of(cells):
    """(file, test) of every cell that is asked for, in the order of the matrix."""
    wanted = tuple(cell.lower() for cell in cells) or ("f",)
    found = []
    for file in HERE.glob("*/*_test.py"):
        for name in re.findall(r"def (test_f\d\d\w*)", file.read_text()):
            if name.removeprefix("test_").startswith(wanted):
                found.append((name, file))
    return [(file, name) for name, file in sorted(found)]


def run_cell(file, name, options, rows):
    environment = dict(os.environ, TROUPE_PROGRAM=str((options.build / "troupe").resolve()), TROUPE_MATRIX_ROWS=str(rows),
                       PYTHONPATH=os.pathsep.join([str(SUPPORT), str(SUPPORT / "faults")]),
                       TROUPE_STRICT_TIMES=str(int(options.strict_times)))
    before = rows.read_text().count("\n")
    done = subprocess.run([sys.executable, "-B", file, "-k", name], env=environment, capture_output=True, text=True, check=False)
    if rows.read_text().count("\n") == before:  # it never came to its cell
        said = done.stderr.strip().splitlines()
        skipped = re.search(r"skipped ['\"](.*)['\"]", done.stderr)
        row = {"id": name[5:8].upper(), "fault": name[9:].replace("_", " "), "complaints": said[-3:],
               "verdict": f"skipped: {skipped[1]}" if skipped else "broken"}
        with rows.open("a") as file_of_rows:
            file_of_rows.write(json.dumps(row) + "\n")
    if done.returncode != 0:
        print("\n".join(done.stderr.splitlines()[-25:]), file=sys.stderr)


def shown(value):
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table(rows):
    lines = ["| " + " | ".join(heading for heading, _ in COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        lines.append("| " + " | ".join(shown(row.get(key)) for _, key in COLUMNS) + " |")
    remarks = [f"- {row['id']} {row['fault']}: {words}" for row in rows for words in [*row["complaints"], *row.get("notes", [])]]
    return "\n".join([*lines, "", *remarks])


def main():
    options = arguments()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="troupe-matrix-") as scratch:
        rows_file = pathlib.Path(scratch, "rows")
        rows_file.touch()
        for file, name in tests_of(options.cells) * options.repeat:
            run_cell(file, name, options, rows_file)
            for line in rows_file.read_text().splitlines()[-1:]:
                print(f"{name}: {json.loads(line)['verdict']}", file=sys.stderr)
        rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
    rows.sort(key=lambda row: row["id"])
    verdicts = collections.Counter(row["verdict"].split(":")[0] for row in rows)
    missing = [] if options.cells else [cell for cell in CELLS if cell not in {row["id"] for row in rows}]
    text = table(rows) + "\n\n" + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    text += f"; {time.monotonic() - begin:.0f} s on {os.cpu_count()} cores, Linux {platform.release()}"
    text += f"; without a test: {', '.join(missing)}" if missing else ""
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "verdicts": verdicts, "missing": missing}, indent=1) + "\n")
    good = {"holds", "skipped", "part"} | (set() if options.strict_times else {"late"})
    sys.exit(0 if set(verdicts) <= good and not missing else 1)


if __name__ == "__main__":
    main()
