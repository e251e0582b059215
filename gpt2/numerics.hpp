#pragma once

#include <string>

namespace troupe::gpt2 {

/// Makes this process's arithmetic repeatable and its memory cheap. Call it first in main, before any tensor exists and
/// before a second thread starts: it sets environment variables that the math libraries read once.
/// - `threads` threads for tensor operations (bits may depend on it, so all stages of a run use the same number);
/// - matrix products of MKL by one code path whose result does not depend on alignment (MKL_CBWR=AVX2,STRICT);
/// - freed tensors stay with the process (mallopt), so that a step does not fault its activations in again.
/// Denormals are left alone: flushing is a property of each thread, so results could depend on who computes.
/// NU-1  Afterwards a matrix product has the same bits wherever its operands lie.
/// Throws std::runtime_error when threads < 1.
void fix_numerics(int threads);

/// What was fixed, on one line, for a run's log.
std::string describe_numerics();

}  // namespace troupe::gpt2
