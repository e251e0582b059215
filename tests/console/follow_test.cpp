#include "console/view/follow.hpp"

#include "tests/console/scratch_folder.hpp"

#include <csignal>
#include <vector>

namespace troupe::console {
namespace {

using Lines = std::vector<std::string>;

FollowOptions following(std::function<bool()> is_run_over) {
  FollowOptions options;
  options.until = FollowOptions::Until::run_over;
  options.is_run_over = std::move(is_run_over);
  return options;
}

TEST(Follow, FO1_LinesComeWholeAndALastOneWithoutNewlineAtTheEnd) {
  const ScratchFolder folder("follow");
  folder.write("a.log", "one\n\nthree\ntor");
  Lines seen;
  EXPECT_EQ(follow_file(folder.path() / "a.log", {}, [&](const std::string& line) { seen.push_back(line); }),
            FollowEnd::done);
  EXPECT_EQ(seen, (Lines{"one", "", "three", "tor"}));
}

TEST(Follow, FO1_ALineWrittenInTwoPiecesComesOnce) {
  const ScratchFolder folder("follow_pieces");
  folder.write("a.log", "first half, ");
  Lines seen;
  int looks = 0;
  const auto is_over = [&] {
    if (looks == 0) folder.write("a.log", "second half\n");
    return looks++ == 2;
  };
  follow_file(folder.path() / "a.log", following(is_over), [&](const std::string& line) { seen.push_back(line); });
  EXPECT_EQ(seen, Lines{"first half, second half"});
}

TEST(Follow, OnlyTheLastLinesWhenAskedFor) {
  const ScratchFolder folder("follow_last");
  for (int i = 0; i < 100; ++i) folder.write("a.log", std::to_string(i) + "\n");
  FollowOptions options;
  options.last_lines = 2;
  Lines seen;
  follow_file(folder.path() / "a.log", options, [&](const std::string& line) { seen.push_back(line); });
  EXPECT_EQ(seen, (Lines{"98", "99"}));
  options.last_lines = 0;
  follow_file(folder.path() / "a.log", options, [&](const std::string& line) { seen.push_back(line); });
  EXPECT_EQ(seen.size(), 2U);
}

TEST(Follow, FO2_EverythingWrittenBeforeTheRunEndedIsSeen) {
  const ScratchFolder folder("follow_end");
  Lines seen;
  int looks = 0;
  const auto is_over = [&] {
    folder.write("later/a.log", std::to_string(looks) + "\n");
    return looks++ == 3;
  };
  std::filesystem::create_directories(folder.path() / "later");
  EXPECT_EQ(follow_file(folder.path() / "later/a.log", following(is_over),
                        [&](const std::string& line) { seen.push_back(line); }),
            FollowEnd::done);
  EXPECT_EQ(seen, (Lines{"0", "1", "2", "3"}));
}

TEST(Follow, FO3_AFileThatWasCutIsReadAgain) {
  const ScratchFolder folder("follow_cut");
  folder.write("a.log", "a long first line\n");
  Lines seen;
  int looks = 0;
  const auto is_over = [&] {
    if (looks == 0) std::ofstream(folder.path() / "a.log", std::ios::trunc) << "new\n";
    return looks++ == 1;
  };
  follow_file(folder.path() / "a.log", following(is_over), [&](const std::string& line) { seen.push_back(line); });
  EXPECT_EQ(seen, (Lines{"a long first line", "new"}));
}

TEST(Follow, AnInterruptEndsItAndTheSignalMaskIsPutBack) {
  const ScratchFolder folder("follow_interrupt");
  folder.write("a.log", "one\n");
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Lines seen;
  const auto interrupt = [] {
    // Blocked here by then, so that it waits for the follower instead of ending the test.
    pthread_kill(pthread_self(), SIGINT);
    return false;
  };
  EXPECT_EQ(follow_file(folder.path() / "a.log", following(interrupt),
                        [&](const std::string& line) { seen.push_back(line); }),
            FollowEnd::interrupted);
  EXPECT_EQ(seen, Lines{"one"});
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
}

TEST(Follow, AFolderThatIsNotThereIsAnError) {
  EXPECT_THROW(follow_file("/nonexistent/folder/a.log", following([] { return false; }), [](const std::string&) {}),
               std::runtime_error);
}

}  // namespace
}  // namespace troupe::console
