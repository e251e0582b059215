#include "runtime/transport/shm_arena.hpp"
#include "tests/runtime/transport/zmq_child.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <random>
#include <vector>

/// Payloads that are put once and borrowed by many.
namespace troupe::runtime {
namespace {

struct Arena {
  TestFolder folder;
  std::unique_ptr<ShmArena> own;
  std::shared_ptr<ArenaView> view;

  explicit Arena(std::size_t bytes)
      : own(ShmArena::create(folder.path(), 7, bytes).value()),
        view(ArenaView::open(folder.path(), own->name(), own->cookie()).value()) {}
};

TEST(ShmSharing, PuttingItOnceChangesNeitherBytesNorWhoElseHasThem) {
  const Payload original = patterned(1000, 1);
  EXPECT_EQ(original.sharing(), Sharing::each);
  const Payload put = Payload::put(original);
  EXPECT_EQ(put.sharing(), Sharing::once);
  EXPECT_EQ(put.data(), original.data()) << "no copy";
  EXPECT_NE(put.owner(), Payload::put(original).owner()) << "each put is one of its own";
  EXPECT_TRUE(equal_bytes(Payload::put(original.bytes()), original));
}

TEST(ShmSharing, AR6_ManyBorrowersOfOneCopy) {
  Arena at(16 * 4096);
  const Payload put = Payload::put(patterned(10 * 4096, 1));
  std::vector<Payload> seen;
  std::vector<BlockRef> blocks;
  for (std::uint64_t borrower = 1; borrower <= 4; ++borrower) {
    blocks.push_back(at.own->lend(put, borrower).value());
    seen.push_back(at.view->borrow(blocks.back()).value());
    EXPECT_EQ(blocks.back().offset, blocks.front().offset);
    EXPECT_TRUE(equal_bytes(seen.back(), put));
  }
  EXPECT_FALSE(at.own->lend(patterned(10 * 4096, 2).bytes(), 5)) << "there is room for one of them";
  EXPECT_EQ(at.own->lent_blocks(), 4U);
  EXPECT_EQ(at.own->shared_payloads(), 1U);
  EXPECT_FALSE(at.view->borrow(blocks.front())) << "a slot is borrowed once";
}

TEST(ShmSharing, AR6_ItIsThereUntilTheLastIsDoneAndThePayloadIsGone) {
  Arena at(16 * 4096);
  std::optional<Payload> put = Payload::put(patterned(10 * 4096, 1));
  const Payload same = patterned(10 * 4096, 1);
  Payload first = at.view->borrow(at.own->lend(*put, 1).value()).value();
  Payload second = at.view->borrow(at.own->lend(*put, 2).value()).value();
  put.reset();
  first = {};
  EXPECT_EQ(at.own->lent_blocks(), 1U);
  EXPECT_EQ(at.own->shared_payloads(), 1U);
  EXPECT_FALSE(at.own->lend(patterned(10 * 4096, 2).bytes(), 3));
  EXPECT_TRUE(equal_bytes(second, same));
  second = {};
  EXPECT_EQ(at.own->lent_blocks(), 0U);
  EXPECT_EQ(at.own->shared_payloads(), 0U);
  EXPECT_TRUE(at.own->lend(patterned(16 * 4096, 2).bytes(), 3)) << "the whole room is free";
}

TEST(ShmSharing, AR6_WhatNobodyLooksAtMakesRoomAndIsCopiedAgain) {
  Arena at(16 * 4096);
  const Payload put = Payload::put(patterned(10 * 4096, 1));
  { const Payload seen = at.view->borrow(at.own->lend(put, 1).value()).value(); }
  EXPECT_EQ(at.own->lent_blocks(), 0U);
  EXPECT_EQ(at.own->shared_payloads(), 1U) << "for the next who gets it";
  { const Payload other = at.view->borrow(at.own->lend(patterned(16 * 4096, 2).bytes(), 2).value()).value(); }
  EXPECT_EQ(at.own->shared_payloads(), 0U);
  const Payload again = at.view->borrow(at.own->lend(put, 3).value()).value();
  EXPECT_TRUE(equal_bytes(again, put));
}

TEST(ShmSharing, AR6_TheDeadAreTakenBackOneByOne) {
  Arena at(16 * 4096);
  std::optional<Payload> put = Payload::put(patterned(10 * 4096, 1));
  const Payload same = patterned(10 * 4096, 1);
  Payload dead = at.view->borrow(at.own->lend(*put, 1).value()).value();
  ASSERT_TRUE(at.own->lend(*put, 1)) << "on its way when the borrower died";
  Payload living = at.view->borrow(at.own->lend(*put, 2).value()).value();
  put.reset();
  at.own->take_back(1);
  EXPECT_EQ(at.own->lent_blocks(), 1U);
  dead = {};  // late: it changes nothing
  EXPECT_EQ(at.own->lent_blocks(), 1U);
  EXPECT_EQ(at.own->shared_payloads(), 1U);
  EXPECT_TRUE(equal_bytes(living, same));
  living = {};
  EXPECT_EQ(at.own->lent_blocks(), 0U);
  EXPECT_EQ(at.own->shared_payloads(), 0U);
}

TEST(ShmSharing, AR6_SharedAndSingleBlocksNeverLieOverEachOther) {
  Arena at(64 * 4096);
  std::mt19937 random(42);
  struct Held {
    Payload original;
    Payload seen;
  };
  std::vector<Payload> puts;
  std::vector<Held> held;
  for (std::uint32_t round = 0; round < 3000; ++round) {
    if (random() % 4 == 0) puts.push_back(Payload::put(patterned(1 + random() % 30'000, round)));
    if (puts.size() > random() % 6) puts.erase(puts.begin() + static_cast<std::ptrdiff_t>(random() % puts.size()));
    const bool is_shared = !puts.empty() && random() % 2 == 0;
    const Payload original = is_shared ? puts[random() % puts.size()] : patterned(1 + random() % 30'000, round);
    const auto block = is_shared ? at.own->lend(original, 1) : at.own->lend(original.bytes(), 1);
    // A copy of its own: the payload itself may be gone before its borrower.
    if (block) held.push_back({Payload::copy_of(original.bytes()), at.view->borrow(*block).value()});
    if (held.size() > random() % 12) held.erase(held.begin() + static_cast<std::ptrdiff_t>(random() % held.size()));
    for (const Held& each : held) ASSERT_TRUE(equal_bytes(each.original, each.seen)) << "round " << round;
    ASSERT_EQ(at.own->lent_blocks(), held.size());
  }
  puts.clear();
  held.clear();
  EXPECT_EQ(at.own->lent_blocks(), 0U);
  EXPECT_TRUE(at.own->lend(patterned(64 * 4096, 9).bytes(), 1)) << "freed extents must join to the whole again";
}

Envelope carrying(const Payload& payload) {
  Envelope envelope = numbered(1);
  envelope.payloads.push_back(payload);
  return envelope;
}

/// True when a payload of nearly the whole arena goes through it: all blocks are free.
bool is_arena_whole(TestPeer& sender, TestPeer& receiver) {
  const std::uint64_t before = sender.transport->counters().through_arena;
  const std::size_t count = receiver.sink.count();
  if (!send_patiently(*sender.transport, receiver.endpoint(), carrying(patterned(900'000, 1)))) return false;
  if (!receiver.sink.wait_for_envelopes(count + 1)) return false;
  return sender.transport->counters().through_arena == before + 1;
}

TEST(ShmSharing, AR6_AHolderThatIsKilledGivesBackItsHoldAndNobodyElses) {
  const TestFolder folder;
  Child child([options = test_options(folder, folder.ipc("child"))](ChildEnd& end) {
    TestPeer peer(options);
    end.tell('r');
    if (peer.sink.wait_for_envelopes(1)) end.tell('g');
    ChildEnd::wait_to_be_killed();
  });
  ASSERT_TRUE(child.wait_for('r'));
  ZmqTransportOptions options = test_options(folder, folder.ipc("parent"));
  options.arena_bytes = kMiB;
  options.peer_timeout = 2 * kPatience;
  TestPeer parent(options);
  TestPeer holder(test_options(folder, folder.ipc("holder")));
  TestPeer other(test_options(folder, folder.ipc("other")));
  other.sink.set_keep(RecordingSink::Keep::nothing);
  const Payload original = patterned(900'000, 5);
  std::optional<Payload> put = Payload::put(original);
  for (const std::string& to : {folder.ipc("child"), folder.ipc("holder")}) {
    ASSERT_TRUE(parent.transport->send(to, carrying(*put)));
  }
  ASSERT_TRUE(child.wait_for('g'));
  ASSERT_TRUE(holder.sink.wait_for_envelopes(1));
  EXPECT_EQ(parent.transport->counters().through_arena, 2U) << "in room for one";
  put.reset();
  child.kill();
  ASSERT_TRUE(parent.sink.wait_for_downs(1));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(is_arena_whole(parent, other)) << "taken from under a living process";
  std::vector<Envelope> kept = holder.sink.take_envelopes();
  EXPECT_TRUE(equal_bytes(kept.front().payloads.front(), original));
  kept.clear();
  const auto begin = std::chrono::steady_clock::now();
  while (!is_arena_whole(parent, other)) {
    ASSERT_LT(std::chrono::steady_clock::now() - begin, kPatience) << "the dead one's hold never came back";
  }
}

TEST(ShmSharing, AR6_ByWireItIsSentAsAnyOther) {
  const TestFolder folder;
  ZmqTransportOptions options = test_options(folder, folder.ipc("left"));
  options.arena_bytes = 0;
  TestPeer left(options);
  TestPeer right(test_options(folder, folder.ipc("right")));
  const Payload put = Payload::put(patterned(300'000, 5));
  ASSERT_TRUE(left.transport->send(right.endpoint(), carrying(put)));
  ASSERT_TRUE(right.sink.wait_for_envelopes(1));
  EXPECT_TRUE(equal_bytes(right.sink.take_envelopes().front().payloads.front(), put));
}

}  // namespace
}  // namespace troupe::runtime
