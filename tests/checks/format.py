"""Every source is as clang-format with the project's .clang-format leaves it."""

import shutil
import subprocess
import sys

import tree

PROGRAM = shutil.which("clang-format-14") or shutil.which("clang-format")


def check(sources):
    paths = sources.cpp()
    for start in range(0, len(paths), 50):
        command = [PROGRAM, "--dry-run", "-Werror", "--style=file", *paths[start : start + 50]]
        done = subprocess.run(command, cwd=sources.root, capture_output=True, text=True)
        seen = set()
        for line in done.stderr.splitlines():
            place = line.split(": error:")[0]
            path = place.split(":")[0]
            if ": error:" in line and path not in seen:
                seen.add(path)
                yield f"{place}: not formatted: clang-format -i {path}"
        if done.returncode != 0 and not seen:
            yield f"{PROGRAM}: {done.stderr.strip()[:300]}"


if __name__ == "__main__":
    if PROGRAM is None:
        print("skipped: clang-format is not installed")
        sys.exit(77)
    tree.main(check, __doc__)
