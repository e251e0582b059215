"""The documents: the README's first command comes early, every folder has a README, every link leads somewhere."""

import os
import re

import tree

README_LINES = 200
FIRST_COMMAND_LINE = 25
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")


def anchor_of(heading):
    words = re.sub(r"[`*\[\]()]", "", heading).strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", words))


def without_code(text):
    text = re.sub(r"^```.*?^```", lambda found: "\n" * found[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def check_root(sources):
    if not sources.has("README.md"):
        yield "README.md:1: missing"
        return
    lines = sources.text("README.md").splitlines()
    if len(lines) > README_LINES:
        yield f"README.md:{README_LINES + 1}: {len(lines)} lines, at most {README_LINES}"
    commands = [at for at, line in enumerate(lines, 1) if re.match(r"\s*(\$ )?\./\w+", line)]
    if not commands or commands[0] > FIRST_COMMAND_LINE:
        yield f"README.md:{commands[0] if commands else 1}: no command by line {FIRST_COMMAND_LINE}"


def check(sources):
    yield from check_root(sources)
    for folder in sorted({path.split("/")[0] for path in sources.paths if "/" in path}):
        is_ours = not folder.startswith(".") and sources.matching(".cpp", ".hpp", ".py", ".toml", ".yaml", under=folder + "/")
        if is_ours and not sources.has(f"{folder}/README.md"):
            yield f"{folder}/README.md:1: missing: every folder says what it is"
    for path in sources.matching(".md"):
        text = without_code(sources.text(path))
        for found in LINK.finditer(text):
            target = found[1] or found[2]
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            aim = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            where = f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
            if not sources.has(aim):
                yield f"{where}: link to {target}, which is not there"
            elif anchor and aim.endswith(".md"):
                headings = re.findall(r"^#+ (.*)$", sources.text(aim), re.MULTILINE)
                if anchor not in map(anchor_of, headings):
                    yield f"{where}: link to {target}: no such heading"


if __name__ == "__main__":
    tree.main(check, __doc__)
