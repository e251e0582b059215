// libFuzzer's way in: docs/reliability.md says how to run it.
#include "tests/fuzz/fuzz_target.hpp"

#include <spdlog/spdlog.h>

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_level(spdlog::level::off);  // refusals are logged, millions of them
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return troupe::runtime::fuzz_one(std::as_bytes(std::span(data, size)));
}
