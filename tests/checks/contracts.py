"""Every class in a header of runtime/, scheduler/ and actors/ says how it may be used: four words above it."""

import re

import tree

WORDS = ("Thread-safety:", "Ownership:", "Errors:", "Restart:")
CLASS = re.compile(r"^class\s+(?:\[\[\w+\]\]\s+)?(\w+)[^;{]*\{", re.MULTILINE)


def check(sources):
    for path in sources.matching(".hpp"):
        if not path.startswith(("runtime/", "scheduler/", "actors/")):
            continue
        lines = sources.text(path).split("\n")
        text = "\n".join(lines)
        for found in CLASS.finditer(text):
            at = text.count("\n", 0, found.start())
            above = []
            for line in reversed(lines[:at]):
                if not line.startswith(("///", "template", "  requires")):
                    break
                above.append(line)
            comment = "\n".join(above)
            missing = [word.rstrip(":") for word in WORDS if "/// " + word not in comment]
            if missing:
                yield f"{path}:{at + 1}: class {found[1]} does not say {', '.join(missing)}"


if __name__ == "__main__":
    tree.main(check, __doc__)
