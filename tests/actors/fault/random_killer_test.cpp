#include "actors/fault/random_killer.hpp"

#include "runtime/job_protocol.hpp"
#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using runtime::Ack;
using runtime::KillActor;
using runtime::RecordEvent;

const std::vector<std::string> kActors = {"data/r0", "stage/r0.s0", "stage/r0.s1"};

/// A head that agrees to every kill but those of one name, and a killer of the rule beside it.
struct KillerBench {
  explicit KillerBench(std::string_view rule, std::string refused = "") {
    auto head = std::make_unique<test::ScriptedActor>(
        runtime::Behavior{test::hears<KillActor>(kills,
                                                 [refused](const KillActor& order, runtime::Context& context) {
                                                   if (order.name != refused) return context.reply(Ack{});
                                                   context.reply_failure({runtime::FailureKind::disconnected, "down"});
                                                 }),
                          test::hears(events)});
    (void)node.try_spawn(std::string(runtime::kHeadName), std::move(head), 1).value();
    node.spawn<RandomKiller>("faults/1", parse_fault_rule(rule).value(), FaultJournal{folder.path() / "f.jsonl", 0},
                             kActors);
  }

  std::vector<std::string> after(std::chrono::seconds time) {
    network.advance(time);
    network.run_turns();
    std::vector<std::string> names;
    for (const KillActor& order : kills.all()) names.push_back(order.name);
    return names;
  }

  test::Heard<KillActor> kills;
  test::Heard<RecordEvent> events;
  test::TemporaryFolder folder;
  runtime::DeterministicNetwork network;
  runtime::DeterministicNode& node = network.add_node("head");
};

TEST(RandomKiller, RK1_TheSameSeedKillsTheSame) {
  KillerBench first("kill9 random every=3s seed=5");
  KillerBench second("kill9 random every=3s seed=5");
  KillerBench other("kill9 random every=3s seed=6");
  const auto names = first.after(std::chrono::seconds(60));
  EXPECT_EQ(names, second.after(std::chrono::seconds(60)));
  EXPECT_NE(names, other.after(std::chrono::seconds(60)));
}

TEST(RandomKiller, KillsEverybodyInTurnsOfThatMean) {
  KillerBench bench("kill9 random every=3s seed=5");
  const auto names = bench.after(std::chrono::seconds(3000));
  EXPECT_NEAR(static_cast<double>(names.size()), 1000.0, 100.0);  // three standard deviations
  for (const std::string& actor : kActors) EXPECT_GT(std::ranges::count(names, actor), 250) << actor;
}

TEST(RandomKiller, TellsOfThoseThatWereThereToBeKilled) {
  KillerBench bench("kill9 random every=1s seed=5", "data/r0");
  const auto names = bench.after(std::chrono::seconds(20));
  const auto down = std::ranges::count(names, "data/r0");
  ASSERT_GT(down, 0);
  EXPECT_EQ(bench.events.count(), names.size() - static_cast<std::size_t>(down));
  EXPECT_EQ(bench.events.last().event, "fault_injected");
  EXPECT_NE(bench.events.last().fields.find("kill9 random every=1s seed=5"), std::string::npos);
  const FaultJournal journal{bench.folder.path() / "f.jsonl", 0};
  EXPECT_TRUE(journal.has_fired(parse_fault_rule("kill9 random every=1s seed=5").value()));
}

}  // namespace
}  // namespace troupe::actors
