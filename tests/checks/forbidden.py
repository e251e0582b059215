"""What the house style does not allow anywhere, or in a few files only."""

import re

import tree

LIBRARIES = ("runtime/", "gpt2/", "scheduler/", "actors/", "console/")

# Where an exception of somebody else's code ends: an actor's turn, its making in the turn of a host, a call of ZeroMQ or
# LibTorch, a program.
CATCHERS = re.compile(r"^(runtime/actor_cell\.cpp|runtime/placing/actor_classes\.cpp|runtime/transport/zmq_\w+\.cpp|actors/collective/nccl_\w+\.cpp|.*_main\.cpp)$")
# Where a process ends at once: a forked child before exec, a fault on purpose.
ENDERS = re.compile(r"^(scheduler/(child_process|fork_server|forked_child)\.cpp|actors/fault/fault_effect\.cpp|.*_main\.cpp)$")

RULES = [  # (pattern in code without comments, files it is about, files that may, why)
    (r"\bcatch\s*\(", r"^(?!tests/|bench/|examples/)", CATCHERS,
     "catch belongs where an actor's turn or its making, a foreign library or a program ends"),
    (r"\bFRIEND_TEST\b|\bfriend\s+class\s+\w*Test\b", "", None, "tests use the public interface"),
    (r"\bsleep_for\b|\bsleep_until\b|\busleep\s*\(", r"^(tests/.*\.[ch]pp)$", None,
     "a test that sleeps is slow or wrong: wait for the event, or turn a manual clock"),
    (r"(?<![\w.>:])(?:std::)?(?:_exit|exit|quick_exit|_Exit)\s*\(|(?:\bstd|(?<!\w))::abort\s*\(", "^(" + "|".join(LIBRARIES) + ")", ENDERS,
     "a library returns or throws; only roots of programs end a process"),
    (r"\[=\s*[\],]", "", None, "list what a lambda captures"),
    (r"^using\s+namespace\b", r"\.hpp$", None, "a header does not open namespaces for others"),
    (r"^(?![^\n=;({]*\b(?:constexpr|const|concept|using|namespace|class|struct|enum|union|template|return|typedef|friend|extern|"
     r"public|private|protected|requires|operator)\b)(?:(?:static|inline|thread_local)\s+)*\w[\w:<>, ]*[&*]?\s+\w+\s*"
     r"(?:=[^=(]|\{[^}]*\};|;)",
     "^(" + "|".join(LIBRARIES) + ")", None, "no mutable globals: pass it on from the root of the program"),
    (r"^\s+(?:static|thread_local)\s+(?!const\b|constexpr\b)[\w:<>, ]+[&*]?\s+\w+\s*(?:=|\{|;)",
     "^(" + "|".join(LIBRARIES) + ")", re.compile(r".*_main\.cpp$"), "no mutable state behind the caller's back: pass it on"),
]
COMMENTS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def check(sources):
    for path in sources.matching(".hpp", ".cpp", ".py", ".cmake", "CMakeLists.txt"):
        text = sources.text(path)
        if not path.startswith("tests/checks/"):
            for found in COMMENTS.finditer(text):
                yield f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {found[1]}: finish it, or say what is so"
        if not path.endswith((".hpp", ".cpp")):
            continue
        code = tree.without_comments(text)
        for pattern, about, allowed, why in RULES:
            if not re.search(about, path) or (allowed and allowed.match(path)):
                continue
            for found in re.finditer(pattern, code, re.MULTILINE):
                where = f"{path}:{code.count(chr(10), 0, found.start()) + 1}"
                yield f"{where}: {' '.join(found[0].split())}: {why}"


if __name__ == "__main__":
    tree.main(check, __doc__)
