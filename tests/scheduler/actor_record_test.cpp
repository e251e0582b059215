#include "scheduler/actor_record.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::scheduler {
namespace {

using runtime::Failure;
using runtime::FailureKind;
using runtime::TimePoint;

const Failure kKilled{FailureKind::faulted, "killed by signal 9 (SIGKILL)"};

/// A record brought into a state by legal transitions.
ActorRecord in_state(ActorState state) {
  ActorRecord record("stage/r0.s1");
  if (state == ActorState::waiting) return record;
  record.start_on("a");
  if (state == ActorState::starting) return record;
  record.ready(42, "ipc:///x");
  if (state == ActorState::up) return record;
  record.went_down(TimePoint{}, kKilled);
  if (state == ActorState::down) return record;
  record.give_up();
  return record;
}

struct Move {
  std::string name;
  std::function<void(ActorRecord&)> make;
  std::map<ActorState, ActorState> legal;
};

const std::vector<Move>& moves() {
  using S = ActorState;
  static const std::vector<Move> all = {
      {"start_on", [](ActorRecord& r) { r.start_on("b"); }, {{S::waiting, S::starting}}},
      {"ready", [](ActorRecord& r) { r.ready(7, "ipc:///y"); }, {{S::starting, S::up}}},
      {"went_down",
       [](ActorRecord& r) { r.went_down(TimePoint{}, kKilled); },
       {{S::starting, S::down}, {S::up, S::down}}},
      {"wait_again", [](ActorRecord& r) { r.wait_again(); }, {{S::down, S::waiting}}},
      {"give_up", [](ActorRecord& r) { r.give_up(); }, {{S::down, S::given_up}}},
  };
  return all;
}

TEST(ActorRecord, AR1_OnlyTheNumberedTransitionsArePossible) {
  int legal = 0;
  for (const Move& move : moves()) {
    for (const ActorState from :
         {ActorState::waiting, ActorState::starting, ActorState::up, ActorState::down, ActorState::given_up}) {
      SCOPED_TRACE(move.name + " from " + std::string(to_string(from)));
      ActorRecord record = in_state(from);
      ASSERT_EQ(record.state(), from);
      const auto to = move.legal.find(from);
      if (to != move.legal.end()) {
        ++legal;
        move.make(record);
        EXPECT_EQ(record.state(), to->second);
        continue;
      }
      try {
        move.make(record);
        ADD_FAILURE() << "it was allowed";
      } catch (const std::logic_error& refused) {
        EXPECT_NE(std::string(refused.what()).find("stage/r0.s1 is " + std::string(to_string(from))), std::string::npos)
            << refused.what();
      }
      EXPECT_EQ(record.state(), from);
      EXPECT_EQ(record.id().incarnation, from == ActorState::waiting ? 0U : 1U);
    }
  }
  EXPECT_EQ(legal, 6);
}

TEST(ActorRecord, AR2_EachStartHasAHigherIncarnation) {
  ActorRecord record("data/r0");
  EXPECT_EQ(record.id().incarnation, 0U);
  for (std::uint32_t start = 1; start <= 5; ++start) {
    EXPECT_EQ(record.start_on("n"), (runtime::ActorId{"data/r0", start}));
    EXPECT_EQ(record.id().incarnation, start);
    if (start % 2 == 0) record.ready(1, "e");  // died while starting, and when up
    record.went_down(TimePoint{}, kKilled);
    EXPECT_EQ(record.id().incarnation, start) << "the dead one keeps its number";
    record.wait_again();
  }
}

TEST(ActorRecord, KeepsWhatItIsToldAndForgetsWhatDied) {
  ActorRecord record = in_state(ActorState::up);
  EXPECT_EQ(record.node(), "a");
  EXPECT_EQ(record.process(), 42);
  EXPECT_EQ(record.endpoint(), "ipc:///x");
  const TimePoint now{std::chrono::seconds(5)};
  record.went_down(now, kKilled);
  EXPECT_EQ(record.process(), 0);
  EXPECT_EQ(record.endpoint(), "");
  EXPECT_EQ(record.node(), "a") << "where its logs are, and where it is started again by preference";
  EXPECT_EQ(record.failures(), std::vector<TimePoint>{now});
  EXPECT_EQ(record.last_failure().text, kKilled.text);
}

}  // namespace
}  // namespace troupe::scheduler
