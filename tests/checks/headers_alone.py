"""Every header compiles alone.

A header that its own source includes first has been compiled alone by the build of that source: with a precompiled
header too, when the header's own first include is that very one. All others are put through the compiler here, with
the flags of a source of the same folder; LibTorch headers take many seconds each, so few should be left.
"""

import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys

import tree

PRECOMPILED = '"gpt2/layers/torch.hpp"'
FIRST_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])', re.MULTILINE)


def commands_of(build):
    """The compile command of every source, as {absolute path: (arguments, folder)}."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    return {os.path.realpath(entry["file"]): (shlex.split(entry["command"]), entry["directory"]) for entry in entries}


def is_proven(sources, header, commands):
    """The header's own source is built, includes it first, and nothing is put before it."""
    source = header[: -len("hpp")] + "cpp"
    if not sources.has(source):
        return False
    command = commands.get(os.path.realpath(os.path.join(sources.root, source)))
    first = FIRST_INCLUDE.search(sources.text(source))
    if command is None or first is None or first[1] != f'"{header}"':
        return False
    own_first = FIRST_INCLUDE.search(sources.text(header))
    return "-include" not in command[0] or (own_first is not None and own_first[1] == PRECOMPILED)


def flags_for(sources, header, commands):
    """Compiler and flags of the built source that is nearest to the header, without input, output and forced includes."""
    best, best_shared = None, (0, 0)
    for source, (arguments, folder) in commands.items():
        inside = os.path.relpath(source, os.path.realpath(sources.root))
        common = os.path.commonpath([os.path.dirname(inside) or ".", os.path.dirname(header)])
        shared = (len(common), len(arguments))  # of equals the one with the most flags
        if common and shared > best_shared:
            best, best_shared = (arguments, folder), shared
    if best is None:
        return None
    arguments, folder = best
    while not os.path.basename(arguments[0]).startswith(("g++", "c++", "clang++", "x86_64-linux-gnu-g++")):
        arguments = arguments[1:]  # ccache and its environment
    kept = [arguments[0]]
    for argument in arguments[1:]:
        if argument.startswith(("-I", "-D", "-std", "-isystem", "-f", "-m")) or (kept[-1] == "-isystem"):
            kept.append(argument)
    return kept, folder


def compile_alone(sources, header, commands):
    found = flags_for(sources, header, commands)
    if found is None:
        return None  # nothing of its folder is part of this build
    flags, folder = found
    path = os.path.join(sources.root, header)
    command = flags + ["-fsyntax-only", "-Wall", "-Wextra", "-x", "c++", "-"]
    done = subprocess.run(command, cwd=folder, input=f'#include "{path}"\n', capture_output=True, text=True)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    return f"{header}:1: does not compile alone: {errors[0] if errors else done.stderr[:200]}"


def check_with(build):
    def check(sources):
        commands = commands_of(build)
        headers = [header for header in sources.matching(".hpp") if not is_proven(sources, header, commands)]
        print(f"{len(headers)} headers to compile alone", file=sys.stderr)
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            results = pool.map(lambda header: compile_alone(sources, header, commands), headers)
        yield from filter(None, results)

    return check


if __name__ == "__main__":
    if len(sys.argv) < 2 or not os.path.exists(os.path.join(sys.argv[1], "compile_commands.json")):
        print("usage: headers_alone.py BUILD_FOLDER (with compile_commands.json) [--root DIR]")
        sys.exit(77)
    build_folder = sys.argv.pop(1)
    tree.main(check_with(build_folder), __doc__)
