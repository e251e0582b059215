#include "gpt2/numerics.hpp"

#include "gpt2/layers/torch.hpp"

#include <ATen/Version.h>
#include <malloc.h>

#include <cstdlib>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

// AVX2 is the fastest branch MKL takes on processors that are not Intel's, and STRICT costs nothing measurable there.
constexpr auto kBranch = "AVX2,STRICT";
constexpr int kKeptBytes = 1 << 30;

}  // namespace

void fix_numerics(int threads) {
  if (threads < 1) throw std::runtime_error("threads = " + std::to_string(threads) + " must be at least 1");
  setenv("MKL_CBWR", kBranch, 1);
  mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  at::set_num_threads(threads);
}

std::string describe_numerics() {
  const char* branch = std::getenv("MKL_CBWR");
  return "threads=" + std::to_string(at::get_num_threads()) + " MKL_CBWR=" + (branch != nullptr ? branch : "unset") +
         " denormals=kept contraction=off " + at::get_cpu_capability();
}

}  // namespace troupe::gpt2
