"""F11-F13: a stage crashes by itself: a signal, an exception, no memory. The cause says which."""

import unittest

from control_group import ControlGroup
from fault_cell import Expected, FaultTest
from program import SLOWNESS, main

VICTIM = "stage/r0.s1"
LIMIT = 600 * 2**20  # bytes: LibTorch and the tiny stage fit, what the fault takes does not


class Crash(FaultTest):
    def test_f11_segmentation_fault(self):
        self.crash("F11", "segmentation fault in the forward pass", "segv", "phase=forward", r"SIGSEGV")

    def test_f11_abort(self):
        self.crash("F11", "abort() in the forward pass", "abort", "phase=forward", r"SIGABRT")

    def test_f12_exception(self):
        self.crash("F12", "an exception in the backward pass", "throw", "phase=backward", r"fault on purpose at step 25, phase backward")

    def crash(self, name, title, verb, where, cause):
        with self.cell(name, title) as cell:
            cell.train([f"{verb} {VICTIM} @step=25,{where}"])
            cell.judge(Expected({VICTIM: cause}, recovered_within=0.5))

    @unittest.skipIf(SLOWNESS > 1, "a sanitizer takes more memory than the limit by itself")
    def test_f13_out_of_memory(self):
        with self.cell("F13", "out of memory in the forward pass") as cell:
            group = ControlGroup("memory", f"troupe-test-{self.tag}")
            self.addCleanup(group.remove)
            group.limit(LIMIT)
            cell.begin([f"oom {VICTIM} @step=25,phase=forward"], before=group.words())
            cell.end()
            cell.judge(Expected({VICTIM: r"out of memory"}, taken_kib=LIMIT // 1024, detected_within=10, recovered_within=10))
            cell.expect(group.oom_kills() >= 1, "the kernel counted no kill for lack of memory")


if __name__ == "__main__":
    main()
