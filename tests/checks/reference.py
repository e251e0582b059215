"""Every public symbol of the headers that are installed is documented, and doxygen has nothing else to say of them.

Which headers those are is said twice, for CMake (cmake/Install.cmake) and for doxygen (docs/Doxyfile): both have to say
the same.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import tree

PROGRAM = shutil.which("doxygen")
SETTINGS = "docs/Doxyfile"
INSTALL = "cmake/Install.cmake"


def installed(sources):
    """The headers that `cmake --install` takes: a folder without what some patterns name, and single files."""
    text = sources.text(INSTALL)
    left_out = [pattern.replace("\\\\", "\\") for pattern in re.findall(r'REGEX "([^"]+)" EXCLUDE', text)]
    by_name = set(re.findall(r"[\w/]+\.hpp\b", re.search(r"install\(FILES (runtime/.*?)\n", text)[1]))
    for path in sources.matching(".hpp", under="runtime/"):
        parents = ["/" + "/".join(path.split("/")[: end + 1]) for end in range(path.count("/") + 1)]
        if path in by_name or not any(re.search(pattern, each) for pattern in left_out for each in parents):
            yield path


def described(sources):
    """The headers that doxygen reads: all but those under EXCLUDE."""
    words = re.search(r"^EXCLUDE\s*=((?:.*\\\n)*.*)", sources.text(SETTINGS), re.MULTILINE)[1].replace("\\", " ").split()
    for path in sources.matching(".hpp", under="runtime/"):
        if not any(path == word or path.startswith(word + "/") for word in words):
            yield path


def compare(sources):
    ours, theirs = set(installed(sources)), set(described(sources))
    for path in sorted(theirs - ours):
        yield f"{path}:1: not installed: name it under EXCLUDE in {SETTINGS} too"
    for path in sorted(ours - theirs):
        yield f"{path}:1: installed, but {SETTINGS} leaves it out: leave it out in {INSTALL} too"


def whole(sources):
    """What an installed header includes is installed too."""
    ours = set(installed(sources))
    for path in sorted(ours):
        for found in re.finditer(r'^#include "(runtime/[^"]+)"', sources.text(path), re.MULTILINE):
            if found[1] not in ours:
                yield f"{path}:{sources.text(path).count(chr(10), 0, found.start()) + 1}: includes {found[1]}, which is not installed"


def empty_words(sources):
    """A mark alone is no documentation, though doxygen takes it for one."""
    for path in described(sources):
        hidden = re.sub(r"@cond.*?@endcond", lambda found: "\n" * found[0].count("\n"), sources.text(path), flags=re.DOTALL)
        for found in re.finditer(r"(?<=\n)[ ]*/// @threadsafe[ ]*\n(?![ ]*///)", hidden):
            yield f"{path}:{hidden.count(chr(10), 0, found.start()) + 1}: @threadsafe, and what it does?"


def undocumented_values(sources, folder):
    """Doxygen itself does not complain about values of enumerations."""
    for name in sorted(os.listdir(folder)):
        page = xml.etree.ElementTree.parse(os.path.join(folder, name))
        is_private = any(compound.get("prot") == "private" for compound in page.iter("compounddef"))
        for member in page.iter("memberdef"):
            if is_private or member.get("prot") == "private":
                continue
            for value in member.iter("enumvalue"):
                words = "".join("".join(part.itertext()) for part in value if part.tag.endswith("description"))
                if not words.strip():
                    place = member.find("location")
                    path = os.path.relpath(os.path.join(sources.root, place.get("file")), sources.root)
                    yield f"{path}:{place.get('line')}: value {value.find('name').text} of {member.find('name').text} is not documented"


def check(sources):
    yield from compare(sources)
    yield from whole(sources)
    yield from empty_words(sources)
    with tempfile.TemporaryDirectory() as folder:
        settings = sources.text(SETTINGS) + f"\nOUTPUT_DIRECTORY = {folder}\nGENERATE_HTML = NO\nGENERATE_XML = YES\n"
        done = subprocess.run([PROGRAM, "-"], cwd=sources.root, input=settings, capture_output=True, text=True)
        for line in dict.fromkeys(done.stderr.splitlines()):
            yield line.replace(sources.root + "/", "")
        if done.returncode != 0:
            yield f"{SETTINGS}:1: doxygen ends with status {done.returncode}"
        elif os.path.isdir(os.path.join(folder, "xml")):
            yield from dict.fromkeys(undocumented_values(sources, os.path.join(folder, "xml")))


if __name__ == "__main__":
    if PROGRAM is None:
        print("skipped: doxygen is not installed")
        sys.exit(77)
    tree.main(check, __doc__)
