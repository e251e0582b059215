#include "runtime/observe/status_page.hpp"

#include "tests/runtime/transport/zmq_child.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

namespace troupe::runtime {
namespace {

/// Every field a function of `n`: a mixture of two snapshots is seen.
Snapshot numbered_snapshot(std::uint64_t n) {
  Snapshot snapshot;
  snapshot.actor = {"stage/r0.s1", 3};
  snapshot.status = n % 2 == 0 ? ActorStatus::running : ActorStatus::failed;
  snapshot.handled = n;
  snapshot.stale_rejected = n + 1;
  snapshot.dead_letters = n + 2;
  snapshot.step = static_cast<std::uint32_t>(n);
  snapshot.updated_ns = static_cast<std::int64_t>(n * 3);
  snapshot.last_message = std::to_string(n);
  snapshot.failure = std::string(1 + n % 1000, static_cast<char>('a' + n % 26));
  return snapshot;
}

testing::AssertionResult is_whole(const Snapshot& got) {
  const Snapshot want = numbered_snapshot(got.handled);
  const bool equal = got.actor == want.actor && got.status == want.status &&
                     got.stale_rejected == want.stale_rejected && got.dead_letters == want.dead_letters &&
                     got.step == want.step && got.updated_ns == want.updated_ns &&
                     got.last_message == want.last_message && got.failure == want.failure;
  if (equal) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "a mixture around snapshot " << got.handled;
}

TEST(StatusPage, EveryFieldIsReadBack) {
  const TestFolder folder;
  const std::unique_ptr<StatusPage> page = StatusPage::open(folder.path(), {"data/r1", 7}).value();
  EXPECT_TRUE(read_status_pages(folder.path()).empty()) << "nothing is published yet";
  Snapshot snapshot;
  snapshot.actor = {"data/r1", 7};
  snapshot.status = ActorStatus::stopping;
  snapshot.process = 4321;
  snapshot.queued = 1;
  snapshot.handled = 2;
  snapshot.stale_rejected = 3;
  snapshot.dead_letters = 4;
  snapshot.dropped = 10;
  snapshot.phase = Phase::reduce;
  snapshot.step = 5;
  snapshot.micro_batch = 6;
  snapshot.epoch = 7;
  snapshot.updated_ns = 8;
  snapshot.busy_since_ns = 9;
  snapshot.last_message = "data.next_batch";
  snapshot.failure = "none yet";
  page->publish(snapshot);
  const std::vector<Snapshot> read = read_status_pages(folder.path());
  ASSERT_EQ(read.size(), 1U);
  const Snapshot& got = read[0];
  EXPECT_EQ(got.actor, snapshot.actor);
  EXPECT_EQ(got.status, snapshot.status);
  EXPECT_EQ(got.process, 4321);
  EXPECT_EQ(got.queued, 1U);
  EXPECT_EQ(got.handled, 2U);
  EXPECT_EQ(got.stale_rejected, 3U);
  EXPECT_EQ(got.dead_letters, 4U);
  EXPECT_EQ(got.dropped, 10U);
  EXPECT_EQ(got.phase, Phase::reduce);
  EXPECT_EQ(got.step, 5U);
  EXPECT_EQ(got.micro_batch, 6U);
  EXPECT_EQ(got.epoch, 7U);
  EXPECT_EQ(got.updated_ns, 8);
  EXPECT_EQ(got.busy_since_ns, 9);
  EXPECT_EQ(got.last_message, "data.next_batch");
  EXPECT_EQ(got.failure, "none yet");
}

TEST(StatusPage, SP1_AReaderSeesWholeSnapshotsOnly) {
  const TestFolder folder;
  const std::unique_ptr<StatusPage> page = StatusPage::open(folder.path(), {"stage/r0.s1", 3}).value();
  page->publish(numbered_snapshot(1));
  std::atomic<bool> go_on = true;
  std::thread writer([&] {
    for (std::uint64_t n = 2; go_on; ++n) page->publish(numbered_snapshot(n));
  });
  std::uint64_t newest = 0;
  std::size_t empty_reads = 0;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (int reads = 0; reads < 2000 && std::chrono::steady_clock::now() < end; ++reads) {
    const std::vector<Snapshot> read = read_status_pages(folder.path());
    if (read.empty()) ++empty_reads;
    if (read.empty()) continue;
    EXPECT_TRUE(is_whole(read[0]));
    EXPECT_GE(read[0].handled, newest) << "never back in time";
    newest = std::max(newest, read[0].handled);
  }
  go_on = false;
  writer.join();
  EXPECT_GT(newest, 1U);
  EXPECT_EQ(empty_reads, 0U) << "one of the two slots is always whole";
}

TEST(StatusPage, SP2_ThePageOfAProcessKilledAtAnyInstantStaysReadable) {
  const TestFolder folder;
  for (int round = 0; round < 40; ++round) {
    Child child([&folder](const ChildEnd& end) {
      const std::unique_ptr<StatusPage> page = StatusPage::open(folder.path(), {"stage/r0.s1", 3}).value();
      page->publish(numbered_snapshot(1));
      end.tell('r');
      for (std::uint64_t n = 2;; ++n) page->publish(numbered_snapshot(n));
    });
    ASSERT_TRUE(child.wait_for('r'));
    child.kill();  // nearly always in the middle of a publish
    const std::vector<Snapshot> read = read_status_pages(folder.path());
    ASSERT_EQ(read.size(), 1U) << "round " << round;
    ASSERT_TRUE(is_whole(read[0]));
  }
}

TEST(StatusPage, LongTextsAreCutNotSpilled) {
  const TestFolder folder;
  const ActorId actor{std::string(kMaxNameBytes, 'n'), 1};
  const std::unique_ptr<StatusPage> page = StatusPage::open(folder.path(), actor).value();
  Snapshot snapshot;
  snapshot.actor = actor;
  snapshot.last_message = std::string(1000, 'm');
  snapshot.failure = std::string(100'000, 'f');
  page->publish(snapshot);
  const Snapshot got = read_status_pages(folder.path()).at(0);
  EXPECT_EQ(got.actor, actor);
  EXPECT_EQ(got.last_message, std::string(95, 'm'));
  EXPECT_EQ(got.failure, std::string(1399, 'f'));
}

TEST(StatusPage, OtherFilesAndBrokenPagesAreSkipped) {
  const TestFolder folder;
  const std::unique_ptr<StatusPage> page = StatusPage::open(folder.path(), {"a", 2}).value();
  page->publish(numbered_snapshot(2));
  std::ofstream(folder.path() / "short.1.status") << "too short";
  std::ofstream(folder.path() / "garbage.1.status") << std::string(8192, '\x5a');
  std::ofstream(folder.path() / "notes.txt") << std::string(8192, 'x');
  std::filesystem::create_directory(folder.path() / "folder.1.status");
  EXPECT_EQ(read_status_pages(folder.path()).size(), 1U);
  EXPECT_TRUE(read_status_pages(folder.path() / "nowhere").empty());
}

TEST(StatusPage, IncarnationsAreSortedNewestLast) {
  const TestFolder folder;
  std::vector<std::unique_ptr<StatusPage>> pages;
  for (const ActorId& actor : {ActorId{"b", 1}, ActorId{"a", 10}, ActorId{"a", 9}}) {
    pages.push_back(StatusPage::open(folder.path(), actor).value());
    Snapshot snapshot;
    snapshot.actor = actor;
    pages.back()->publish(snapshot);
  }
  pages.clear();  // the writer is gone, its page stays
  const std::vector<Snapshot> read = read_status_pages(folder.path());
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0].actor.describe(), "a#9");
  EXPECT_EQ(read[1].actor.describe(), "a#10");
  EXPECT_EQ(read[2].actor.describe(), "b#1");
}

TEST(StatusPage, AFolderThatIsNotThereIsAFailureInWords) {
  const auto page = StatusPage::open("/nowhere/at/all", {"a", 1});
  ASSERT_FALSE(page);
  EXPECT_NE(page.failure().text.find("/nowhere/at/all/a.1.status: No such file"), std::string::npos);
}

TEST(StatusPage, SP3_WhoLooksAtAPageKeepsItWhenAnotherTakesItsName) {
  const TestFolder folder;
  const ActorId actor{"stage/r0.s1", 3};
  std::unique_ptr<StatusPage> page = StatusPage::open(folder.path(), actor).value();
  page->publish(numbered_snapshot(1));
  const int descriptor = ::open((folder.path() / "stage_r0.s1.3.status").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  struct stat before {};
  ASSERT_EQ(::fstat(descriptor, &before), 0);
  std::vector<char> old_bytes(static_cast<std::size_t>(before.st_size));
  ASSERT_EQ(::pread(descriptor, old_bytes.data(), old_bytes.size(), 0), before.st_size);
  page = StatusPage::open(folder.path(), actor).value();
  std::vector<char> bytes(old_bytes.size());
  EXPECT_EQ(::pread(descriptor, bytes.data(), bytes.size(), 0), before.st_size);
  EXPECT_EQ(bytes, old_bytes) << "the page under a reader was emptied";
  ::close(descriptor);
  page->publish(numbered_snapshot(2));
  const std::vector<Snapshot> read = read_status_pages(folder.path());
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].handled, 2U);
  EXPECT_EQ(folder.entries(), 1U) << "nothing is left beside it";
}

TEST(StatusPage, SP3_PagesOfOneNameThatAreMadeAtTheSameTimeAreAllMadeAndOneIsSeenWhole) {
  const TestFolder folder;
  const auto make_often = [&folder] {
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const Result<std::unique_ptr<StatusPage>> page = StatusPage::open(folder.path(), {"stage/r0.s1", 3});
      ASSERT_TRUE(page) << page.failure().describe();
      (*page)->publish(numbered_snapshot(i));
    }
  };
  std::thread other(make_often);
  make_often();
  other.join();
  const std::vector<Snapshot> read = read_status_pages(folder.path());
  ASSERT_EQ(read.size(), 1U);
  EXPECT_TRUE(is_whole(read[0]));
  EXPECT_EQ(folder.entries(), 1U) << "nothing is left beside it";
}

TEST(StatusPage, SP3_AReaderOutlivesPagesThatAreMadeAnew) {
  const TestFolder folder;
  const ActorId actor{"stage/r0.s1", 3};
  StatusPage::open(folder.path(), actor).value()->publish(numbered_snapshot(1));
  constexpr int kReads = 5000;
  Child reader([&folder](const ChildEnd& end) {
    bool whole = true;
    for (int i = 0; i < kReads; ++i) {
      for (const Snapshot& snapshot : read_status_pages(folder.path())) whole = whole && is_whole(snapshot);
    }
    end.tell(whole ? 'w' : 'm');
    ChildEnd::wait_to_be_killed();
  });
  std::atomic<bool> go_on = true;
  std::thread writer([&] {
    while (go_on) StatusPage::open(folder.path(), actor).value()->publish(numbered_snapshot(2));
  });
  EXPECT_EQ(reader.next(), 'w') << "m = a mixture was read, otherwise the reader died";
  go_on = false;
  writer.join();
}

}  // namespace
}  // namespace troupe::runtime
