"""What all checks share: the files of the tree, the text of a C++ file without comments, and the way to report."""

import argparse
import os
import re
import sys

SKIPPED_AT_ROOT = {"data", "runs", "shared"}
SKIPPED = {"__pycache__"}


class Tree:
    """The sources under `root`, by paths relative to it, sorted."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.paths = sorted(self._walk())

    def _walk(self):
        for folder, folders, files in os.walk(self.root):
            relative = os.path.relpath(folder, self.root)
            at_root = relative == "."
            folders[:] = [
                name
                for name in folders
                if name not in SKIPPED
                and not (at_root and (name in SKIPPED_AT_ROOT or re.match(r"\.|build(-|$)", name)))
            ]
            for name in files:
                yield name if at_root else os.path.join(relative, name)

    def matching(self, *endings, under=""):
        return [path for path in self.paths if path.endswith(endings) and path.startswith(under)]

    def cpp(self, under=""):
        return self.matching(".hpp", ".cpp", under=under)

    def text(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def has(self, path):
        return os.path.exists(os.path.join(self.root, path))


_TOKENS = re.compile(
    r'(?P<raw>R"(?P<mark>[^(\s]{0,16})\(.*?\)(?P=mark)")|(?P<line>//[^\n]*)|(?P<block>/\*.*?\*/)'
    r'|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<letter>\'(?:\\.|[^\'\\\n])+\')|(?P<number>\b\d[\d\']*)',
    re.DOTALL,
)


def without_comments(text):
    """The code alone: comments become blanks, strings become "", line breaks stay where they are."""

    def blank(found):
        lines = "\n" * found.group(0).count("\n")
        if found.lastgroup == "number":
            return found.group(0).replace("'", "")
        return ('""' if found.lastgroup in ("raw", "mark", "string", "letter") else " ") + lines

    return _TOKENS.sub(blank, text)


def without_strings_too(text):
    return without_comments(text).replace('""', "  ")


def camel_case(stem):
    return "".join(word[:1].upper() + word[1:] for word in stem.split("_"))


def main(check, description):
    """Runs `check(tree)`, prints what it yields, one violation a line; exit status 1 when there is one."""
    parser = argparse.ArgumentParser(description=description)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--root", default=os.path.join(here, "..", ".."), help="the tree to check")
    arguments = parser.parse_args()
    violations = list(check(Tree(arguments.root)))
    for violation in violations:
        print(violation)
    print(f"{len(violations)} violations", file=sys.stderr)
    sys.exit(1 if violations else 0)
