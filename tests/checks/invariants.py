"""The invariants that headers promise (/// MB-1 ...) and the tests that cite them (TEST(Mailbox, MB1_...)) are the same.

A C++ test cites by its name, a Python test by the id in its text. An id that two headers use is cited by a test whose
suite is named after the header. A test that a document names (`Mailbox.MB1_*`) is there.
"""

import collections
import os
import re

import tree

DECLARED = re.compile(r"^\s*///? ([A-Z]{2,3})-(\d+) ", re.MULTILINE)
CITED = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*((?:[A-Z]{2,3}\d+_)+)")
CITED_IN_PYTHON = re.compile(r"\b([A-Z]{2,3})-(\d+)\b")
ANY_TEST = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)")
NAMED_IN_DOCUMENT = re.compile(r"`([A-Z]\w+)\.([A-Z]\w*|\*)(\*?)`")
LETTERS = re.compile(r"([A-Z]{2,3})(\d+)_")


def check(sources):
    declared = collections.defaultdict(dict)  # id -> {suite named after the header: where}
    for path in sources.matching(".hpp"):
        if path.startswith("tests/"):
            continue
        text = sources.text(path)
        suite = tree.camel_case(os.path.basename(path)[: -len(".hpp")])
        for found in DECLARED.finditer(text):
            where = f"{path}:{text.count(chr(10), 0, found.start(1)) + 1}"
            name = f"{found[1]}-{found[2]}"
            if suite in declared[name]:
                yield f"{where}: {name} is declared twice"
            declared[name][suite] = where
    cited = collections.defaultdict(set)  # id -> suites
    for path in sources.matching(".cpp", under="tests/"):
        text = sources.text(path)
        for found in CITED.finditer(tree.without_comments(text)):
            for letters, number in LETTERS.findall(found[2]):
                name = f"{letters}-{number}"
                cited[name].add(found[1])
                if name not in declared:
                    yield f"{path}: TEST({found[1]}, {found[2]}...) cites {name}, which no header declares"
    for path in sources.matching("_test.py", under="tests/"):
        for found in CITED_IN_PYTHON.finditer(sources.text(path)):
            name = f"{found[1]}-{found[2]}"
            if name in declared:
                cited[name] |= set(declared[name])
    for name, owners in sorted(declared.items()):
        for suite, where in owners.items():
            if name not in cited or (len(owners) > 1 and suite not in cited[name]):
                yield f"{where}: no test cites {name}: TEST({suite}, {name.replace('-', '')}_...)"

    tests = collections.defaultdict(set)  # suite -> names
    for path in sources.matching(".cpp", under="tests/"):
        for suite, name in ANY_TEST.findall(tree.without_comments(sources.text(path))):
            tests[suite].add(name)
    for path in sources.matching(".md"):
        text = sources.text(path)
        for found in NAMED_IN_DOCUMENT.finditer(text):
            suite, name, rest = found.groups()
            begins = "" if name == "*" else name
            if not any(test.startswith(begins) if rest or name == "*" else test == name for test in tests[suite]):
                yield f"{path}:{text.count(chr(10), 0, found.start()) + 1}: there is no test {found[0]}"


if __name__ == "__main__":
    tree.main(check, __doc__)
