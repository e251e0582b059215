"""The layers of the project: which folder may include what, and which libraries stay in which files."""

import re

import tree

# A folder may include itself and these; roots of programs (*_main.cpp) may include every layer.
LAYERS = {
    "runtime": set(),
    "gpt2": set(),
    "scheduler": {"runtime"},
    "actors": {"runtime", "gpt2"},
    "console": {"runtime", "scheduler"},
}
NOBODY_INCLUDES = {"examples", "tests", "bench"}
ROOTS = ("_main.cpp",)
# What only roots include, and what may therefore know every layer too.
ROOT_PARTS = {"console/job/job_end.hpp", "console/job_runner.hpp", "console/resume.hpp"}

LIBTORCH = re.compile(r"^(torch|ATen|c10|caffe2)/")
GPU = re.compile(r"^(cuda|cuda_runtime|nccl)\w*\.h$")
HOMES = [  # (header, files that may include it, in words)
    (re.compile(r"^zmq\.hp?p?$"), re.compile(r"^((runtime/transport|tests/runtime/transport|tests/fuzz)/zmq_\w+\.[ch]pp|bench/(runtime/raw|reliability/kill_raw)_main\.cpp)$"),
     "runtime/transport/zmq_*"),
    (re.compile(r"^nccl\.h$"), re.compile(r"^actors/collective/nccl_\w+\.cpp$"), "actors/collective/nccl_*.cpp"),
]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def rules_of(path):
    """Layers whose headers `path` may include, or None for all of them."""
    top = path.split("/")[0]
    if top not in LAYERS or path.endswith(ROOTS) or path in ROOT_PARTS:
        return None
    return LAYERS[top] | {top}


def check(sources):
    with_nccl = []
    for path in sources.cpp():
        top = path.split("/")[0]
        allowed = rules_of(path)
        text = sources.text(path)
        for found in INCLUDE.finditer(text):
            bracket, header = found.groups()
            where = f"{path}:{text.count(chr(10), 0, found.start(2)) + 1}: "
            folder = header.split("/")[0]
            if bracket == '"':
                if not sources.has(header):
                    yield where + f'"{header}" is not a path from the root of the project'
                elif folder in NOBODY_INCLUDES and top not in NOBODY_INCLUDES:
                    yield where + f"nobody includes {folder}/ ({header})"
                elif folder != top and folder in NOBODY_INCLUDES - {"tests"}:
                    yield where + f"nobody includes {folder}/ ({header})"
                elif header in ROOT_PARTS and not (path.endswith(ROOTS) or path in ROOT_PARTS or top == "tests"):
                    yield where + f"{header} is for roots of programs (*_main.cpp) only"
                elif allowed is not None and folder not in allowed:
                    yield where + f"{top}/ may not include {folder}/ ({header})"
            if bracket == "<":
                if folder in LAYERS:
                    yield where + f'our own header in <>: write "{header}"'
                if LIBTORCH.match(header) and top in ("runtime", "scheduler", "console") and allowed is not None:
                    yield where + f"{top}/ may not include LibTorch ({header})"
                if GPU.match(header) and top not in ("actors", "tests", "bench"):
                    yield where + f"{top}/ may not include {header}"
                for library, home, words in HOMES:
                    if library.match(header) and not home.match(path):
                        yield where + f"{header} belongs in {words} only"
                if header == "nccl.h":
                    with_nccl.append(path)
    if len(with_nccl) > 1:
        yield "nccl.h belongs in one file, found in " + ", ".join(with_nccl)


if __name__ == "__main__":
    tree.main(check, __doc__)
