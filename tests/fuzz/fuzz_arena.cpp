#include "runtime/transport/shm_arena.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/temporary_folder.hpp"

#include <algorithm>

namespace troupe::runtime {

namespace {

constexpr std::size_t kArenaBytes = 64 * 1024;

struct ArenaPair {
  test::TemporaryFolder folder;
  std::unique_ptr<ShmArena> arena = ShmArena::create(folder.path(), 7, kArenaBytes).value();
  std::shared_ptr<ArenaView> view = ArenaView::open(folder.path(), arena->name(), arena->cookie()).value();
};

BlockRef changed(BlockRef block, FuzzBytes& bytes) {
  const unsigned what = bytes.byte();
  if ((what & 1U) != 0) block.slot = static_cast<std::uint32_t>(bytes.number());
  if ((what & 2U) != 0) block.offset = bytes.number();
  if ((what & 4U) != 0) block.length = bytes.number();
  if ((what & 8U) != 0) block.generation += bytes.number();
  return block;
}

}  // namespace

/// Blocks are lent, and borrowed by descriptors that were changed on the way.
std::size_t fuzz_arena(FuzzBytes& bytes) {
  static ArenaPair pair;  // a file for each run would take most of the time
  std::vector<Payload> held;
  Payload put;
  std::size_t lent = 0;
  while (!bytes.is_empty() && lent < 64) {
    const unsigned size = bytes.byte();
    const std::span<const std::byte> content = bytes.take(size);
    // One time in four what was put, anew or as it is, for another borrower.
    const bool is_shared = size % 4 == 3;
    if (is_shared && (put.size() == 0 || size % 8 == 7)) put = Payload::put(content);
    const std::optional<BlockRef> block = is_shared ? pair.arena->lend(put, 2) : pair.arena->lend(content, 1);
    if (!block) break;
    ++lent;
    const BlockRef wanted = changed(*block, bytes);
    const Result<Payload> got = pair.view->borrow(wanted);
    if (got) {
      if (got->size() > kArenaBytes || wanted.generation != block->generation) throw FuzzFinding("AR-3: a stale block");
      unsigned sum = 0;
      for (const std::byte each : got->bytes()) sum += std::to_integer<unsigned>(each);
      if (pair.view->borrow(wanted)) throw FuzzFinding("AR-3: a block lent twice");
      if (is_shared && wanted == *block && !std::ranges::equal(got->bytes(), put.bytes())) {
        throw FuzzFinding("AR-6: another's bytes");
      }
      if (sum % 2 == 0) held.push_back(*got);
    }
  }
  held.clear();
  put = {};
  pair.arena->take_back(1);
  pair.arena->take_back(2);
  if (pair.arena->lent_blocks() == 0 && pair.arena->shared_payloads() != 0) {
    throw FuzzFinding("AR-6: a shared payload that never goes");
  }
  if (pair.arena->lent_blocks() != 0) throw FuzzFinding("AR-1: blocks that never come back");
  return lent * 64;
}

}  // namespace troupe::runtime
