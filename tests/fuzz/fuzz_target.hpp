#pragma once

#include "tests/fuzz/fuzz_bytes.hpp"

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace troupe::runtime {

/// Something that must not be, found by an oracle; a crash is found by whoever runs the target.
struct FuzzFinding : std::logic_error {
  using std::logic_error::logic_error;
};

/// One run of a target: what operator new handed out on its thread, and what it may.
struct FuzzRun {
  std::string_view target;
  std::size_t allocated = 0;  ///< bytes in all, what was freed meanwhile included
  std::size_t allowed = 0;
};

/// Feeds bytes that nobody vouches for to the place where such bytes arrive: the first byte chooses the place, the rest
/// are what comes. Throws FuzzFinding when an oracle is broken.
[[nodiscard]] FuzzRun run_fuzz_target(std::span<const std::byte> bytes);
/// The same, and FuzzFinding as well when it allocated more than it may; always 0.
int fuzz_one(std::span<const std::byte> bytes);

// The places. Each gives the number of bytes that it made up beyond those of the input (a frame of a given size).
[[nodiscard]] std::size_t fuzz_fronts(FuzzBytes& bytes);
[[nodiscard]] std::size_t fuzz_inbox(FuzzBytes& bytes);
[[nodiscard]] std::size_t fuzz_bodies(FuzzBytes& bytes);
[[nodiscard]] std::size_t fuzz_node(FuzzBytes& bytes);
[[nodiscard]] std::size_t fuzz_arena(FuzzBytes& bytes);
[[nodiscard]] std::size_t fuzz_texts(FuzzBytes& bytes);
[[nodiscard]] std::size_t fuzz_out_link(FuzzBytes& bytes);
[[nodiscard]] std::size_t fuzz_checkpoint(FuzzBytes& bytes);
[[nodiscard]] std::size_t fuzz_door(FuzzBytes& bytes);

}  // namespace troupe::runtime
