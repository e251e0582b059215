"""Every test, example and benchmark is named in the CMake lists of its folder: what is not built is not tested."""

import os
import re

import tree


def is_program(path):
    top = path.split("/")[0]
    if top == "tests":
        return path.endswith(("_test.cpp", "_test.py")) or (
            path.startswith("tests/checks/") and path.endswith(".py") and os.path.basename(path) != "tree.py"
        )
    return top in ("examples", "bench") and path.endswith(".cpp")


def lists_of(sources, folder):
    """The text of the CMake lists of a folder and of those above it, without comments."""
    text = ""
    while folder:
        for path in sources.matching("CMakeLists.txt", ".cmake", under=folder + "/"):
            if os.path.dirname(path) == folder:
                text += re.sub(r"#[^\n]*", "", sources.text(path)) + "\n"
        folder = os.path.dirname(folder)
    return text


def check(sources):
    for path in filter(is_program, sources.paths):
        words = set(re.split(r'[\s()"]+', lists_of(sources, os.path.dirname(path))))
        name = os.path.basename(path)
        # By its path from any list above, or by its stem alone where a list makes the name (foreach).
        names = {name, os.path.splitext(name)[0]}
        names |= {"/".join(path.split("/")[start:]) for start in range(path.count("/") + 1)}
        if not words & names:
            yield f"{path}:1: not named in any CMakeLists.txt of its folder, so nobody builds or runs it"


if __name__ == "__main__":
    tree.main(check, __doc__)
