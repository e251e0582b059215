"""Every check has been seen to fail: violations are planted in a small tree, and each check must name them.

A check that says nothing about its planted file, or that complains about the clean tree, fails here.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))

CONTRACT = """/// A box.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns it.
/// Errors:        none.
/// Restart:       none.
///
/// BX-1  It holds one thing.
"""

CLEAN = {
    "README.md": "# Clean\n\n```\n./run.sh\n```\n\nSee [the runtime](runtime/README.md#the-box).\n",
    "runtime/README.md": "# Runtime\n\n## The box\n",
    "tests/README.md": "# Tests\n",
    "runtime/CMakeLists.txt": "add_module(runtime SOURCES box.cpp)\n",
    "runtime/box.hpp": "#pragma once\n\nnamespace n {\n\n" + CONTRACT + "class Box final {\npublic:\n  /// Around `thing`.\n  explicit Box(int thing);\n};\n\n}  // namespace n\n",
    "runtime/box.cpp": '#include "runtime/box.hpp"\n\nnamespace n {\n\nBox::Box(int) {}\n\n}  // namespace n\n',
    "tests/runtime/CMakeLists.txt": "add_module_tests(runtime SOURCES box_test.cpp)\n",
    "tests/runtime/box_test.cpp": '#include "runtime/box.hpp"\n\nTEST(Box, BX1_HoldsOneThing) {}\n',
}

LONG_FUNCTION = "int long_one(int x) {\n" + "  x += 1;\n" * 60 + "  return x;\n}\n"
LONG_CLASS = "class Wide final {\n" + "  int a();\n" * 200 + "};\n"

# check -> [(path, text, what the check must say about that path)]
PLANTED = {
    "include_rules": [
        ("runtime/a.cpp", '#include "gpt2/model.hpp"\n', "runtime/ may not include gpt2/"),
        ("gpt2/model.hpp", '#include "runtime/box.hpp"\n', "gpt2/ may not include runtime/"),
        ("scheduler/a.hpp", '#include "actors/b.hpp"\n', "scheduler/ may not include actors/"),
        ("actors/b.hpp", '#include "console/c.hpp"\n', "actors/ may not include console/"),
        ("console/c.hpp", '#include "actors/b.hpp"\n', "console/ may not include actors/"),
        ("runtime/b.cpp", '#include "tests/support/kit.hpp"\n', "nobody includes tests/"),
        ("tests/support/kit.hpp", '#include "examples/e.hpp"\n', "nobody includes examples/"),
        ("examples/e.hpp", '#include "../runtime/box.hpp"\n', "not a path from the root"),
        ("runtime/c.cpp", "#include <torch/torch.h>\n", "may not include LibTorch"),
        ("scheduler/d.hpp", "#include <ATen/ATen.h>\n", "may not include LibTorch"),
        ("console/d.cpp", "#include <c10/core/Device.h>\n", "may not include LibTorch"),
        ("scheduler/e.cpp", "#include <zmq.hpp>\n", "runtime/transport/zmq_* only"),
        ("runtime/node.cpp", "#include <zmq.h>\n", "runtime/transport/zmq_* only"),
        ("actors/collective/ring.cpp", "#include <nccl.h>\n", "nccl_*.cpp only"),
        ("gpt2/d.cpp", "#include <cuda_runtime.h>\n", "may not include cuda_runtime.h"),
        ("actors/f.cpp", "#include <runtime/box.hpp>\n", "our own header in <>"),
    ],
    "sizes": [
        ("runtime/long.cpp", "// line\n" * 401, "file of 401 lines"),
        ("tests/long_test.py", "# line\n" * 401, "file of 401 lines"),
        ("runtime/function.cpp", LONG_FUNCTION, "function long_one of 63 lines"),
        ("runtime/method.cpp", "namespace n {\n" + LONG_FUNCTION.replace("long_one", "Box::long_one") + "}\n",
         "function Box::long_one of 63 lines"),
        ("runtime/wide.hpp", LONG_CLASS, "class Wide of 202 lines"),
        ("runtime/many.hpp", "class Many {\npublic:\n  Many(int a, std::map<int, int> b, int c, int d, int e, int f);\n};\n",
         "constructor of Many takes 6 parameters"),
    ]
    + [(f"gpt2/part_{number}.cpp", "\n", None) for number in range(26)]
    + [("gpt2", None, "26 subjects")],
    "tests_all_built": [
        ("tests/runtime/lost_test.cpp", "TEST(Lost, Runs) {}\n", "not named in any CMakeLists.txt"),
        ("tests/program/lost_test.py", "\n", "not named in any CMakeLists.txt"),
        ("examples/01_lost.cpp", "int main() {}\n", "not named in any CMakeLists.txt"),
        ("bench/lost.cpp", "int main() {}\n", "not named in any CMakeLists.txt"),
        ("tests/gpt2/CMakeLists.txt", "# commented_test.cpp\n", None),
        ("tests/gpt2/commented_test.cpp", "\n", "not named in any CMakeLists.txt"),
    ],
    "format": [("runtime/ugly.cpp", "int  ugly( ){return 1 ;}\n", "not formatted")],
    "invariants": [
        ("runtime/promise.hpp", "/// PX-1  It is kept.\nclass Promise {};\n", "no test cites PX-1"),
        ("gpt2/box.hpp", "/// PY-1  Kept.\nstruct A {};\n/// PY-1  Again.\nstruct B {};\n", "PY-1 is declared twice"),
        ("scheduler/other.hpp", "/// BX-1  Same letters, other promise.\nstruct Other {};\n", "no test cites BX-1"),
        ("tests/runtime/ghost_test.cpp", "TEST(Ghost, GX1_Nobody) {}\n", "cites GX-1, which no header declares"),
        ("actors/commented.hpp", "/// PZ-1  Kept.\nstruct C {};\n", "no test cites PZ-1"),
        ("tests/actors/commented_test.cpp", "// TEST(Commented, PZ1_Off) {}\n", None),
        ("docs/promises.md", "Shown by `Box.BX1_*`, `Box.*` and `Box.BX9_*`.\n", "there is no test `Box.BX9_*`"),
    ],
    "contracts": [
        ("runtime/bare.hpp", "class Bare {\n};\n", "class Bare does not say Thread-safety, Ownership, Errors, Restart"),
        ("actors/half.hpp", CONTRACT.replace("/// Errors:        none.\n", "") + "class Half final {\n};\n",
         "class Half does not say Errors"),
        ("scheduler/apart.hpp", CONTRACT + "\nclass Apart : public X {\n};\n", "class Apart does not say"),
    ],
    "forbidden": [
        ("runtime/catching.cpp", "void f() {\n  try {\n  } catch (...) {\n  }\n}\n", "catch belongs where"),
        ("gpt2/friend.hpp", "class A {\n  friend class BoxTest;\n};\n", "tests use the public interface"),
        ("tests/runtime/sleepy_test.cpp", "void f() { std::this_thread::sleep_for(x); }\n", "a test that sleeps"),
        ("actors/leaving.cpp", "void f() { std::exit(1); }\n", "only roots of programs end a process"),
        ("scheduler/aborting.cpp", "void f() {\n  std::abort();\n}\n", "only roots of programs end a process"),
        ("console/lambda.cpp", "auto f = [=] { return 1; };\n", "list what a lambda captures"),
        ("console/lambda_too.cpp", "auto f = [=, &a] { return 1; };\n", "list what a lambda captures"),
        ("runtime/open.hpp", "using namespace std;\n", "does not open namespaces"),
        ("runtime/global.cpp", "namespace n {\nint counter = 0;\n}\n", "no mutable globals"),
        ("gpt2/global.cpp", "namespace n {\nstatic std::map<int, int> cache;\n}\n", "no mutable globals"),
        ("actors/hidden.cpp", "int f() {\n  static int calls = 0;\n  return ++calls;\n}\n", "no mutable state"),
        ("runtime/later.cpp", "// TODO later\n", "TODO"),
        ("tests/program/later_test.py", "# FIXME\n", "FIXME"),
    ],
    "readme": [
        ("README.md", "# Late\n" + "\n" * 30 + "    ./run.sh\n" + "\n" * 200, "no command by line 25"),
        ("README.md", None, "at most 200"),
        ("gpt2/config.hpp", "\n", None),
        ("gpt2/README.md", None, "missing: every folder"),
        ("docs/page.md", "A [link](nowhere.md) and [one](../runtime/README.md#no-such).\n", "link to nowhere.md"),
        ("docs/page.md", None, "no such heading"),
    ],
    "reference": [
        ("runtime/silent.hpp", "#pragma once\n/// Says nothing more.\nstruct Silent {\n  int member = 0;\n};\n",
         "Member member (variable) of struct Silent is not documented"),
        ("runtime/values.hpp", "#pragma once\n/// Two.\nenum class Values { one, two  /**< the other */ };\n",
         "value one of Values is not documented"),
        ("runtime/inner.hpp", '#pragma once\n#include "runtime/mailbox.hpp"\n', "includes runtime/mailbox.hpp, which is not installed"),
        ("runtime/marked.hpp", "#pragma once\n/// Is marked.\nstruct Marked {\n  /// @threadsafe\n  int only() const;\n};\n",
         "@threadsafe, and what it does?"),
        ("runtime/wrong.hpp", "#pragma once\n/// @nonsense\nstruct Wrong {};\n", "Found unknown command"),
        ("runtime/transport/zmq_new.hpp", "#pragma once\n/// Of ZeroMQ.\nstruct New {};\n", "not installed: name it under EXCLUDE"),
    ],
    "headers_alone": [
        ("runtime/needy.hpp", "#pragma once\nstd::string needy();\n", "does not compile alone"),
        ("runtime/late.hpp", "#pragma once\nstd::vector<int> late();\n", "does not compile alone"),
        ("runtime/late.cpp", '#include <vector>\n#include "runtime/late.hpp"\n', None),
    ],
}


class Checks(unittest.TestCase):
    def plant(self, files):
        folder = tempfile.mkdtemp(prefix="troupe-checks-")
        self.addCleanup(shutil.rmtree, folder)
        for path, text in files.items():
            os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                file.write(text)
        for settings in (".clang-format", "docs/Doxyfile", "docs/reference.md", "cmake/Install.cmake"):
            os.makedirs(os.path.join(folder, os.path.dirname(settings)), exist_ok=True)
            shutil.copy(os.path.join(HERE, "..", "..", settings), os.path.join(folder, settings))
        self.write_compile_commands(folder, files)
        return folder

    def write_compile_commands(self, folder, files):
        build = os.path.join(folder, "build")
        os.makedirs(build, exist_ok=True)
        entries = [
            {"directory": folder, "file": os.path.join(folder, path), "command": f"g++ -I{folder} -std=c++20 -c {path}"}
            for path in files
            if path.endswith(".cpp")
        ]
        with open(os.path.join(build, "compile_commands.json"), "w", encoding="utf-8") as file:
            json.dump(entries, file)

    def run_check(self, name, folder):
        command = [sys.executable, "-B", os.path.join(HERE, name + ".py")]
        if name == "headers_alone":
            command.append(os.path.join(folder, "build"))
        done = subprocess.run([*command, "--root", folder], capture_output=True, text=True)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done

    def judge(self, name):
        clean = self.run_check(name, self.plant(CLEAN))
        self.assertEqual((clean.returncode, clean.stdout), (0, ""), "the clean tree was refused")
        files = dict(CLEAN)
        files.update({path: text for path, text, _ in PLANTED[name] if text is not None})
        done = self.run_check(name, self.plant(files))
        self.assertEqual(done.returncode, 1)
        for path, _, says in PLANTED[name]:
            if says is not None:
                lines = [line for line in done.stdout.splitlines() if line.startswith(path + ":") and says in line]
                self.assertTrue(lines, f"{path}: nothing about '{says}' in:\n{done.stdout}")
        expected = {path for path, _, says in PLANTED[name] if says is not None}
        for line in done.stdout.splitlines():
            self.assertIn(line.split(":")[0], expected, "complains about a file that is fine: " + line)

    def test_every_check_is_tested(self):
        checks = {name[:-3] for name in os.listdir(HERE) if name.endswith(".py")}
        self.assertEqual(checks - {"tree", "selftest"}, set(PLANTED))

    def test_two_files_with_nccl(self):
        files = {f"actors/collective/nccl_{part}.cpp": "#include <nccl.h>\n" for part in ("a", "b")}
        done = self.run_check("include_rules", self.plant({**CLEAN, **files}))
        self.assertIn("nccl.h belongs in one file", done.stdout)


def add_test(name):
    setattr(Checks, "test_" + name, lambda self: self.judge(name))


for check_name in PLANTED:
    add_test(check_name)

if __name__ == "__main__":
    unittest.main()
