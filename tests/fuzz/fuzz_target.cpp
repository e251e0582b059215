#include "tests/fuzz/fuzz_target.hpp"

#include "tests/support/counting_new.hpp"

#include <array>

namespace troupe::runtime {

namespace {

struct Place {
  std::string_view name;
  std::size_t (*feed)(FuzzBytes&);
  std::size_t factor;  // bytes allocated for each byte that came, at most
  std::size_t base;    // and what a run costs that brings nothing: nodes, tables, texts of failures
};

// Allocations are added up over the run, so that a vector that grows counts about twice, and what decodes is encoded
// and decoded three times over. Eight bytes can be an actor's name and incarnation, an object of 40.
constexpr std::array kPlaces{
    Place{"fronts", fuzz_fronts, 64, 64 * 1024},
    Place{"inbox", fuzz_inbox, 256, 64 * 1024},
    Place{"bodies", fuzz_bodies, 128, 64 * 1024},
    Place{"node", fuzz_node, 256, 256 * 1024},
    Place{"arena", fuzz_arena, 64, 256 * 1024},
    Place{"texts", fuzz_texts, 256, 64 * 1024},
    Place{"checkpoint", fuzz_checkpoint, 512, 64 * 1024},
    Place{"out_link", fuzz_out_link, 64, 64 * 1024},
    Place{"door", fuzz_door, 128, 64 * 1024},
};

/// What a place makes once and keeps (sockets, a file) is no cost of what comes to it.
std::size_t visit_all() {
  std::size_t made_up = 0;
  for (const Place& place : kPlaces) {
    FuzzBytes nothing{std::span<const std::byte>()};
    made_up += place.feed(nothing);
  }
  return made_up;
}

}  // namespace

FuzzRun run_fuzz_target(std::span<const std::byte> bytes) {
  static const std::size_t visited = visit_all();
  (void)visited;
  FuzzBytes input(bytes);
  const Place& place = kPlaces.at(input.byte() % kPlaces.size());
  const CountingNew counter;
  const std::size_t made_up = place.feed(input);
  return {place.name, counter.bytes(), place.base + place.factor * (bytes.size() + made_up)};
}

int fuzz_one(std::span<const std::byte> bytes) {
  const FuzzRun run = run_fuzz_target(bytes);
  if (run.allocated > run.allowed) {
    throw FuzzFinding(std::string(run.target) + ": " + std::to_string(run.allocated) + " bytes allocated for " +
                      std::to_string(bytes.size()) + ", at most " + std::to_string(run.allowed) + " are allowed");
  }
  return 0;
}

}  // namespace troupe::runtime
