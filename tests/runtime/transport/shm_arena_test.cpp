#include "runtime/transport/shm_arena.hpp"

#include "tests/runtime/transport/zmq_child.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <random>
#include <set>
#include <thread>

namespace troupe::runtime {
namespace {

std::unique_ptr<ShmArena> make_arena(const TestFolder& folder, std::size_t bytes) {
  return ShmArena::create(folder.path(), 7, bytes).value();
}

std::shared_ptr<ArenaView> view_of(const TestFolder& folder, const ShmArena& arena) {
  return ArenaView::open(folder.path(), arena.name(), arena.cookie()).value();
}

TEST(ShmArena, GivesTheSameBytesWithoutACopy) {
  const TestFolder folder;
  const auto arena = make_arena(folder, kMiB);
  const auto view = view_of(folder, *arena);
  const Payload original = patterned(100'000, 1);
  const BlockRef block = arena->lend(original.bytes(), 1).value();
  const Payload seen = view->borrow(block).value();
  EXPECT_TRUE(equal_bytes(original, seen));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(seen.data()) % 64, 0U);
}

TEST(ShmArena, AR1_BlockIsReusedOnlyAfterItWasFreed) {
  const TestFolder folder;
  const auto arena = make_arena(folder, 64 * 4096);
  const auto view = view_of(folder, *arena);
  std::mt19937 random(42);
  std::vector<std::pair<Payload, Payload>> held;  // what was lent, and what the borrower sees
  for (int round = 0; round < 3000; ++round) {
    const Payload original = patterned(1 + random() % 30'000, static_cast<std::uint32_t>(round));
    if (const auto block = arena->lend(original.bytes(), 1)) held.emplace_back(original, view->borrow(*block).value());
    if (held.size() > random() % 12) held.erase(held.begin() + static_cast<std::ptrdiff_t>(random() % held.size()));
    for (const auto& [lent, seen] : held) ASSERT_TRUE(equal_bytes(lent, seen)) << "round " << round;
    ASSERT_EQ(arena->lent_blocks(), held.size());
  }
  held.clear();
  EXPECT_EQ(arena->lent_blocks(), 0U);
  EXPECT_TRUE(arena->lend(patterned(64 * 4096, 9).bytes(), 1)) << "freed extents must join to the whole again";
}

TEST(ShmArena, AR2_LateBorrowerChangesNothing) {
  const TestFolder folder;
  const auto arena = make_arena(folder, 4096);
  const auto view = view_of(folder, *arena);
  const BlockRef old_block = arena->lend(patterned(4096, 1).bytes(), 1).value();
  Payload late = view->borrow(old_block).value();
  arena->take_back(1);
  const Payload fresh = patterned(4096, 2);
  const BlockRef new_block = arena->lend(fresh.bytes(), 2).value();
  EXPECT_EQ(new_block.offset, old_block.offset);
  EXPECT_NE(new_block.generation, old_block.generation);
  const Payload seen = view->borrow(new_block).value();
  late = Payload();
  EXPECT_EQ(arena->lent_blocks(), 1U) << "the late borrower freed a block that is not his";
  EXPECT_FALSE(view->borrow(old_block));
  EXPECT_TRUE(equal_bytes(fresh, seen));
}

TEST(ShmArena, AR2_TakingBackOneBorrowerLeavesTheOthers) {
  const TestFolder folder;
  const auto arena = make_arena(folder, kMiB);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(arena->lend(patterned(5000, 1).bytes(), 1 + i % 2));
  arena->take_back(1);
  EXPECT_EQ(arena->lent_blocks(), 5U);
}

TEST(ShmArena, AR3_WrongDescriptorsAreRefused) {
  const TestFolder folder;
  const auto arena = make_arena(folder, kMiB);
  const auto view = view_of(folder, *arena);
  const BlockRef good = arena->lend(patterned(8192, 1).bytes(), 1).value();
  const auto refused = [&](auto change) {
    BlockRef bad = good;
    change(bad);
    return !view->borrow(bad);
  };
  EXPECT_TRUE(refused([](BlockRef& b) { b.slot = 1'000'000; }));
  EXPECT_TRUE(refused([](BlockRef& b) { b.slot += 1; }));
  EXPECT_TRUE(refused([](BlockRef& b) { b.offset = 1; }));
  EXPECT_TRUE(refused([](BlockRef& b) { b.offset = kMiB; }));
  EXPECT_TRUE(refused([](BlockRef& b) { b.offset = ~std::uint64_t{4095}; }));
  EXPECT_TRUE(refused([](BlockRef& b) { b.length = kMiB + 1; }));
  EXPECT_TRUE(refused([](BlockRef& b) { b.length = ~std::uint64_t{0}; }));
  EXPECT_TRUE(refused([](BlockRef& b) { b.generation += 1; }));
  EXPECT_TRUE(refused([](BlockRef& b) { b.generation = ~std::uint64_t{0}; }));
  const Result<Payload> first = view->borrow(good);
  EXPECT_TRUE(first);
  EXPECT_FALSE(view->borrow(good)) << "a block is borrowed once";
}

TEST(ShmArena, AR3_OtherFilesAreNotArenas) {
  const TestFolder folder;
  const auto arena = make_arena(folder, kMiB);
  EXPECT_FALSE(ArenaView::open(folder.path(), arena->name(), arena->cookie() + 1));
  EXPECT_FALSE(ArenaView::open(folder.path(), "../" + arena->name(), arena->cookie()));
  EXPECT_FALSE(ArenaView::open(folder.path(), "troupe-7-1-2/../x", arena->cookie()));
  EXPECT_FALSE(ArenaView::open(folder.path(), "troupe-7-1-2", arena->cookie()));
  std::ofstream(folder.path() / "troupe-7-1-3") << "short";
  EXPECT_FALSE(ArenaView::open(folder.path(), "troupe-7-1-3", 0));
  std::ofstream(folder.path() / "troupe-7-1-4") << std::string(300'000, 'x');
  EXPECT_FALSE(ArenaView::open(folder.path(), "troupe-7-1-4", 0));
}

TEST(ShmArena, AR4_FullArenaIsAnEmptyAnswer) {
  const TestFolder folder;
  const auto arena = make_arena(folder, kMiB);
  const auto view = view_of(folder, *arena);
  EXPECT_FALSE(arena->lend(patterned(2 * kMiB, 1).bytes(), 1));
  std::vector<BlockRef> blocks;
  while (const auto block = arena->lend(patterned(100'000, 1).bytes(), 1)) blocks.push_back(*block);
  EXPECT_EQ(blocks.size(), kMiB / 102'400);
  { const Result<Payload> freed = view->borrow(blocks[3]); }
  EXPECT_TRUE(arena->lend(patterned(100'000, 1).bytes(), 1));
}

TEST(ShmArena, AR4_FullFileSystemIsAnEmptyAnswer) {
  const TestFolder folder;
  Child child([&](ChildEnd& end) {
    // A small file system of the child's own, which goes with it.
    const bool is_mounted = ::unshare(CLONE_NEWNS) == 0 &&
                            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                            ::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=16m") == 0;
    end.tell(is_mounted ? 'm' : 'r');
    if (!is_mounted) return;
    const auto arena = make_arena(folder, 64 * kMiB);
    std::size_t lent = 0;
    while (arena->lend(patterned(kMiB, 1).bytes(), 1)) ++lent;
    end.tell(lent >= 4 && lent < 17 ? 'y' : 'n');
  });
  const char mounted = child.next();
  if (mounted == 'r') GTEST_SKIP() << "mounting a small file system takes root";
  ASSERT_EQ(mounted, 'm');
  EXPECT_TRUE(child.wait_for('y'));
  child.join();
}

TEST(ShmArena, AR5_SweepRemovesOnlyArenasOfTheDead) {
  const TestFolder folder;
  Child dead([&](ChildEnd& end) {
    const auto arena = make_arena(folder, kMiB);
    end.tell('r');
    ChildEnd::wait_to_be_killed();
  });
  ASSERT_TRUE(dead.wait_for('r'));
  const auto own = make_arena(folder, kMiB);
  std::ofstream(folder.path() / "troupe-7-notes") << "not an arena";
  std::ofstream(folder.path() / "something") << "else";
  EXPECT_EQ(sweep_arenas(folder.path(), 7), 0U) << "its owner still lives";
  dead.kill();
  EXPECT_EQ(sweep_arenas(folder.path(), 8), 0U) << "another job's";
  EXPECT_EQ(folder.entries(), 4U);
  EXPECT_EQ(sweep_arenas(folder.path(), 7), 1U);
  EXPECT_EQ(folder.entries(), 3U);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / own->name()));
}

TEST(ShmArena, AR5_SweepKnowsTheDeadByTheirLockNotByTheirNumber) {
  const TestFolder folder;
  const std::filesystem::path of_a_container = folder.path() / ("troupe-7-" + std::to_string(::getpid()) + "-abc");
  std::ofstream(of_a_container) << "its owner had the number of a process that lives here";
  ASSERT_EQ(::mkfifo((folder.path() / "troupe-7-1-fifo").c_str(), 0600), 0) << "which nobody writes to";
  EXPECT_EQ(sweep_all_arenas(folder.path()), 1U);
  EXPECT_FALSE(std::filesystem::exists(of_a_container));
}

TEST(ShmArena, AR5_SweepLeavesArenasThatAreJustBeingMade) {
  const TestFolder folder;
  std::atomic<bool> done = false;
  std::thread sweeper([&] {
    while (!done) sweep_all_arenas(folder.path());
  });
  for (int i = 0; i < 500; ++i) {
    const auto arena = make_arena(folder, kMiB);
    EXPECT_TRUE(std::filesystem::exists(folder.path() / arena->name()));
    EXPECT_TRUE(ArenaView::open(folder.path(), arena->name(), arena->cookie()));
  }
  done = true;
  sweeper.join();
  EXPECT_EQ(folder.entries(), 0U);
}

TEST(ShmArena, FileGoesWithTheArena) {
  const TestFolder folder;
  {
    const auto arena = make_arena(folder, kMiB);
    EXPECT_EQ(folder.entries(), 1U);
  }
  EXPECT_EQ(folder.entries(), 0U);
  EXPECT_FALSE(ShmArena::create(folder.path() / "nowhere", 7, kMiB));
}

TEST(ShmArena, DeadProcessesAreToldFromLivingOnes) {
  Child child([](ChildEnd& end) {
    end.tell('r');
    ChildEnd::wait_to_be_killed();
  });
  ASSERT_TRUE(child.wait_for('r'));
  EXPECT_FALSE(is_dead(this_process()));
  ProcessMark other_start = this_process();
  other_start.start += 1;
  EXPECT_TRUE(is_dead(other_start)) << "same number, another process";
  ProcessMark other_namespace = this_process();
  other_namespace.pid = child.pid();
  other_namespace.pid_namespace += 1;
  child.kill();
  EXPECT_FALSE(is_dead(other_namespace)) << "cannot be told";
}

TEST(ShmArena, TooManyOpenFilesMakeNobodyDead) {
  Child gone([](ChildEnd& end) {
    end.tell('r');
    ChildEnd::wait_to_be_killed();
  });
  ASSERT_TRUE(gone.wait_for('r'));
  const ProcessMark self = this_process();
  ProcessMark dead = self;
  dead.pid = gone.pid();
  gone.kill();
  Child child([self, dead](ChildEnd& end) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &files);
    const ProcessMark unread = this_process();
    end.tell(::open("/proc/self/stat", O_RDONLY) < 0 ? 'e' : 'o');
    end.tell(is_dead(self) ? 'd' : 'l');
    end.tell(is_dead(dead) ? 'd' : 'l');
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    end.tell(is_dead(unread) ? 'd' : 'l');
  });
  EXPECT_EQ(child.next(), 'e');
  EXPECT_EQ(child.next(), 'l') << "it lives, only nothing can be opened to see it";
  EXPECT_EQ(child.next(), 'd') << "there is no such process, and that needs no file";
  EXPECT_EQ(child.next(), 'l') << "a mark made without reading one's own start proves nothing";
  child.join();
}

}  // namespace
}  // namespace troupe::runtime
