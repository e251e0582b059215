#!/usr/bin/env python3
"""Picks the files for tests/fuzz/corpus out of what the fuzzer has found: those that together reach most with fewest.

usage: tests/fuzz/pick_corpus.py FUZZER FOUND... [--into tests/fuzz/corpus] [--files 280] [--bytes 180000]

libFuzzer tells for each file which features (edges and how often) it adds; those that add most for their size are taken,
one of each target at least. The folder's own files take part, and are replaced. Not while the fuzzer runs: it removes
files from the folders it works in.
"""

import argparse
import hashlib
import pathlib
import shutil
import subprocess
import tempfile

TARGETS = 9  # as in fuzz_target.cpp: the first byte chooses


def features_of(fuzzer, folders, work):
    """Path -> the set of features that the file reaches."""
    control = work / "control"
    (work / "merged").mkdir()
    subprocess.run([fuzzer, "-merge=1", f"-merge_control_file={control}", work / "merged", *folders], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = control.read_text().splitlines()
    count = int(lines[0])
    paths = [pathlib.Path(line) for line in lines[2:2 + count]]
    features = {}
    for line in lines[2 + count:]:
        words = line.split()
        if words and words[0] in ("FT", "COV"):
            numbers = {(words[0], int(word)) for word in words[2:]}
            features.setdefault(paths[int(words[1])], set()).update(numbers)
    return features


def pick(features, most_files, most_bytes):
    """libFuzzer looks at small files first and names only features that no earlier file reached: so the number is what
    a file adds, whatever else is taken."""
    files = [(len(features[path]) / (1000 + path.stat().st_size), path.name, path.read_bytes()) for path in features]
    files = sorted((file for file in files if file[2]), reverse=True)
    first = {file[2][0] % TARGETS: file for file in reversed(files)}  # the best one of each target
    chosen = list(first.values()) + [file for file in files if file not in first.values()]
    taken = []
    for _, _, data in chosen[:most_files]:
        if sum(map(len, taken)) + len(data) <= most_bytes:
            taken.append(data)
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fuzzer", type=pathlib.Path)
    parser.add_argument("found", type=pathlib.Path, nargs="+")
    parser.add_argument("--into", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent / "corpus")
    parser.add_argument("--files", type=int, default=280)
    parser.add_argument("--bytes", type=int, default=180_000)
    options = parser.parse_args()
    options.into.mkdir(exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp())
    try:
        picked = pick(features_of(options.fuzzer, [options.into, *options.found], work), options.files, options.bytes)
    finally:
        shutil.rmtree(work)
    for old in options.into.iterdir():
        old.unlink()
    for data in picked:
        (options.into / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)
    print(f"{len(picked)} files, {sum(map(len, picked))} bytes in {options.into}")


if __name__ == "__main__":
    main()
