"""Limits on files, classes, functions, constructors and folders."""

import collections
import os
import re

import tree

FILE_LINES = 400
CLASS_LINES = 200
FUNCTION_LINES = 60
CONSTRUCTOR_PARAMETERS = 5
FOLDER_SUBJECTS = 25  # a header, its source and the protocol it speaks are one subject

CLASS_HEAD = re.compile(r"(?:^|[\s>])(?:class|struct|union)\s+(?:\w+\s+)*?(\w+)\s*(?:final\s*)?(?::[^:].*)?$", re.DOTALL)
KEYWORD_END = re.compile(r"\b(const|noexcept|override|final|mutable|try|else|do)$")


def kind_of(head):
    """What the brace after `head` opens: ("namespace" | "class" | "function" | "initializer" | "other", name)."""
    head = re.sub(r"^(\s*(public|private|protected)\s*:(?!:))+", "", head).strip()
    head = re.sub(r"^(template\s*<[^{};]*?>\s*(requires\b[^{};]*?)?)(?=(class|struct|union)\b)", "", head)
    if not head or head.endswith("=") or head.endswith(",") or head.endswith("("):
        return "other", ""
    if re.search(r"\bnamespace\b[\w\s:]*$", head) or re.match(r'extern\s+""$', head):
        return "namespace", ""
    if re.match(r"enum\b", head):
        return "other", ""
    found = CLASS_HEAD.search(head) if "(" not in head else None
    if found:
        return "class", found.group(1)
    if ")" not in head:
        return "other", ""
    after = head[head.rfind(")") + 1 :]
    is_member_list = re.search(r"\)\s*(?:noexcept\s*)?:[^:]", head)
    if is_member_list and re.search(r"[\w>]$", head) and not KEYWORD_END.search(head) and "->" not in after:
        return "initializer", ""
    if "=" in after:
        return "other", ""
    name = re.search(r"([~\w:]+)\s*\(", head)
    return "function", name.group(1) if name else "?"


def blocks_of(code):
    """(kind, name, first line, last line, body) of each namespace-level or class-level block with braces."""
    stack = []
    head_start = 0
    line_of = lambda at: code.count("\n", 0, at) + 1
    for found in re.finditer(r"[{};]", code):
        at = found.start()
        if found.group() == "{":
            outer = [kind for kind, *_ in stack]
            inside = any(kind in ("function", "other") for kind in outer)
            kind, name = ("inner", "") if inside else kind_of(code[head_start:at])
            text_start = head_start + len(code[head_start:at]) - len(code[head_start:at].lstrip())
            stack.append((kind, name, text_start, at))
            if kind != "initializer":
                head_start = at + 1
        elif found.group() == "}":
            if not stack:
                return
            kind, name, start, opened = stack.pop()
            if kind in ("class", "function"):
                yield kind, name, line_of(start), line_of(at), code[opened + 1 : at]
            if kind != "initializer":
                head_start = at + 1
        elif not stack or stack[-1][0] in ("namespace", "class"):
            head_start = at + 1


def parameters_of(text):
    """Number of parameters in "a, b, c" as written between the parentheses of a declaration."""
    depth, count = 0, 1
    for letter in text:
        depth += letter in "<([{"
        depth -= letter in ">)]}"
        count += letter == "," and depth == 0
    return count if text.strip() else 0


def constructors_of(name, body):
    """The parameter lists of the constructors declared in a class body."""
    for found in re.finditer(r"(?:^|[;{}:]|explicit|constexpr)\s*(?:explicit\s+|constexpr\s+)*" + name + r"\s*\(", body):
        depth, start = 1, found.end()
        for at in range(start, len(body)):
            depth += (body[at] == "(") - (body[at] == ")")
            if depth == 0:
                yield body[start:at]
                break


def subject_of(path):
    stem = os.path.basename(path).split(".")[0]
    return re.sub(r"_protocol$|_actor$", "", stem)


def check(sources):
    folders = collections.defaultdict(set)
    for path in sources.matching(".hpp", ".cpp", ".py", ".cmake"):
        folders[os.path.dirname(path)].add(subject_of(path))
        text = sources.text(path)
        lines = text.count("\n")
        if lines > FILE_LINES:
            yield f"{path}:1: file of {lines} lines, at most {FILE_LINES}"
        if not path.endswith((".hpp", ".cpp")):
            continue
        code = "\n".join("" if line.startswith("#") else line for line in tree.without_comments(text).split("\n"))
        for kind, name, first, last, body in blocks_of(code):
            length = last - first + 1
            if kind == "function" and length > FUNCTION_LINES:
                yield f"{path}:{first}: function {name} of {length} lines, at most {FUNCTION_LINES}"
            if kind == "class" and length > CLASS_LINES:
                yield f"{path}:{first}: class {name} of {length} lines, at most {CLASS_LINES}"
            for parameters in constructors_of(name, body) if kind == "class" else ():
                count = parameters_of(parameters)
                if count > CONSTRUCTOR_PARAMETERS:
                    yield f"{path}:{first}: constructor of {name} takes {count} parameters, at most {CONSTRUCTOR_PARAMETERS}"
    for folder, subjects in sorted(folders.items()):
        if len(subjects) > FOLDER_SUBJECTS:
            yield f"{folder or '.'}: {len(subjects)} subjects, at most {FOLDER_SUBJECTS}: make a folder for a concept"


if __name__ == "__main__":
    tree.main(check, __doc__)
