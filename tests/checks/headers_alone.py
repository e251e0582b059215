"""Every header compiles alone.

A header that a built source (its own, its test) includes first has been compiled alone by the build of that source:
with a precompiled header too, when the header's own first include is that very one. All others are put through the
compiler here, with the flags of a source of the same folder. LibTorch takes many seconds to read: a header that includes
it gets the model's precompiled part of it, so what is shown of those is that they compile after that part alone.
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


def proven(sources, commands):
    """The headers that a built source includes first, with nothing put before them that they do not ask for first."""
    headers = set()
    for source, (arguments, _) in commands.items():
        path = os.path.relpath(source, os.path.realpath(sources.root))
        first = FIRST_INCLUDE.search(sources.text(path)) if sources.has(path) else None
        header = first[1].strip('"') if first else ""
        if not sources.has(header) or not header.endswith(".hpp"):
            continue
        own_first = FIRST_INCLUDE.search(sources.text(header))
        if "-include" not in arguments or (own_first is not None and own_first[1] == PRECOMPILED):
            headers.add(header)
    return headers


def needs_torch(sources, header, seen):
    """Whether the header includes LibTorch, itself or by a header of ours."""
    seen.add(header)
    for quoted in FIRST_INCLUDE.findall(sources.text(header)):
        if quoted.startswith(("<ATen/", "<c10/", "<torch/")):
            return True
        inner = quoted.strip('"<>')
        if inner not in seen and sources.has(inner) and needs_torch(sources, inner, seen):
            return True
    return False


def without_launcher(arguments):
    """A compile command without ccache and its environment."""
    while not os.path.basename(arguments[0]).startswith(("g++", "c++", "clang++", "x86_64-linux-gnu-g++")):
        arguments = arguments[1:]
    return arguments


def flags_with_torch(sources, commands):
    """Flags of a source of the model, its precompiled header included; None where the model is not built."""
    for source, (arguments, folder) in commands.items():
        inside = os.path.relpath(source, os.path.realpath(sources.root))
        if inside.startswith("gpt2/") and "-include" in arguments:
            end = arguments.index("-MD") if "-MD" in arguments else arguments.index("-o")
            return without_launcher(arguments)[: end - len(arguments)], folder
    return None


def flags_for(sources, header, commands):
    """Compiler and flags of the built source that is nearest to the header, without input, output and forced includes."""
    if needs_torch(sources, header, set()):
        return flags_with_torch(sources, commands)
    best, best_shared = None, (0, -1)
    for source, (arguments, folder) in commands.items():
        inside = os.path.relpath(source, os.path.realpath(sources.root))
        if inside.startswith("tests/") != header.startswith("tests/"):
            continue
        common = os.path.commonpath([os.path.dirname(inside) or ".", os.path.dirname(header)])
        shared = (len(common), sum("torch" in argument for argument in arguments))  # of equals one that has LibTorch
        if common and shared > best_shared:
            best, best_shared = (arguments, folder), shared
    if best is None:
        return None
    arguments, folder = best
    arguments = without_launcher(arguments)
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
        headers = sorted(set(sources.matching(".hpp")) - proven(sources, commands))
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
