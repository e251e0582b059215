#include "scheduler/member_actor.hpp"

#include "tests/support/one_thread_world.hpp"
#include "tests/support/scripted_actor.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace troupe::member_actor_test {
namespace {

using runtime::ActorDown;
using runtime::ActorId;
using runtime::Failure;
using runtime::FailureKind;
using runtime::Node;
using scheduler::DirectoryUpdate;
using scheduler::Leader;
using scheduler::PeerLost;
using scheduler::WhoLeads;
using test::hears;
using test::ScriptedActor;

constexpr std::uint32_t kIncarnation = 4;
constexpr std::uint32_t kTerm = 9;
constexpr std::uint32_t kHead = 2;  // the incarnation of the head

/// A worker's node with its actor and its member, and a head elsewhere.
class MemberActor : public testing::Test {
protected:
  MemberActor() {
    EXPECT_TRUE(head_node_.start());
    EXPECT_TRUE(node_.start());
    const auto tell = [this](const WhoLeads& question, runtime::Context& context) {
      EXPECT_EQ(question.actor, (ActorId{"stage/r0.s0", kIncarnation}));
      EXPECT_EQ(question.term, kTerm);
      if (silent_ == Silent::yes) return (void)context.defer_reply();
      context.reply(Leader{{{"head", kHead}, "memory://head"}, {{"driver", kHead}, "memory://head"}, asker_});
    };
    spawn_head(tell);
    node_.announce({{"head", kHead}, "memory://head"});
    EXPECT_TRUE(node_.spawn("stage/r0.s0", std::make_unique<ScriptedActor>(runtime::Behavior{}),
                            {.incarnation = kIncarnation}));
    const auto on_end = [this](const Failure& why) { ends_.push_back(why); };
    EXPECT_TRUE(node_.spawn("member/stage/r0.s0",
                            std::make_unique<scheduler::MemberActor>(ActorId{"stage/r0.s0", kIncarnation}, kTerm,
                                                                     on_end, std::chrono::seconds(10)),
                            {.incarnation = kIncarnation}));
  }

  void spawn_head(const std::function<void(const WhoLeads&, runtime::Context&)>& tell) {
    EXPECT_TRUE(head_node_.spawn("head",
                                 std::make_unique<ScriptedActor>(
                                     runtime::Behavior{hears<PeerLost>(reports_), hears<WhoLeads>(questions_, tell)}),
                                 {.incarnation = kHead}));
  }
  Leader::Asker asker_ = Leader::Asker::belongs;
  enum class Silent { no, yes } silent_ = Silent::no;
  test::Heard<WhoLeads> questions_;
  test::Heard<PeerLost> reports_;
  test::OneThreadWorld world_;
  Node head_node_{{.name = "head"}, world_.parts("head")};
  Node node_{{.name = "worker"}, world_.parts("worker")};
  std::vector<Failure> ends_;
};

TEST_F(MemberActor, AnnouncesWhoLivesWhere) {
  const DirectoryUpdate update{{{{"stage/r0.s1", 2}, "memory://b"}, {{"data/r0", 1}, "memory://c"}}, {}};
  ASSERT_TRUE(node_.send("member/stage/r0.s0", update));
  const auto found = node_.directory().find(runtime::name_hash("stage/r0.s1"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->actor.incarnation, 2U);
  EXPECT_EQ(found->endpoint, "memory://b");
  EXPECT_TRUE(node_.directory().find(runtime::name_hash("data/r0")));
  EXPECT_TRUE(ends_.empty());
}

TEST_F(MemberActor, ME1_DeathsAreDeclaredBeforePlacementsAreAnnounced) {
  ASSERT_TRUE(node_.send("member/stage/r0.s0", DirectoryUpdate{{{{"stage/r0.s1", 2}, "memory://b"}}, {}}));
  std::vector<std::uint32_t> living_at_death;
  test::Heard<ActorDown> downs;
  const auto look = [&](const ActorDown&, runtime::Context& context) {
    const auto row = context.node().directory().find(runtime::name_hash("stage/r0.s1"));
    living_at_death.push_back(row ? row->actor.incarnation : 0);
  };
  Node peer({.name = "b"}, world_.parts("b"));
  ASSERT_TRUE(peer.start());
  ASSERT_TRUE(peer.spawn("stage/r0.s1", std::make_unique<ScriptedActor>(runtime::Behavior{}), {.incarnation = 2}));
  ASSERT_TRUE(node_.spawn("watcher", std::make_unique<ScriptedActor>(runtime::Behavior{hears<ActorDown>(downs, look)},
                                                                     [](runtime::Context& context) {
                                                                       context.watch({"stage/r0.s1", 2});
                                                                     })));
  ASSERT_EQ(downs.count(), 0U);
  // One update: the old incarnation's death and the new one's place.
  const Failure cause{FailureKind::faulted, "killed by signal 9 (SIGKILL)"};
  ASSERT_TRUE(node_.send("member/stage/r0.s0",
                         DirectoryUpdate{{{{"stage/r0.s1", 3}, "memory://b2"}}, {{{"stage/r0.s1", 2}, cause}}}));
  ASSERT_EQ(downs.count(), 1U);
  EXPECT_EQ(downs.last().actor, (ActorId{"stage/r0.s1", 2}));
  EXPECT_EQ(downs.last().cause.text, cause.text);
  EXPECT_EQ(living_at_death, std::vector<std::uint32_t>{3}) << "the watcher's turn comes after the whole update";
  EXPECT_TRUE(node_.directory().is_stale(runtime::name_hash("stage/r0.s1"), 2));
  EXPECT_FALSE(node_.directory().is_stale(runtime::name_hash("stage/r0.s1"), 3));
  // A death and a placement of the same incarnation: the dead are never revived, which shows which came first.
  ASSERT_TRUE(
      node_.send("member/stage/r0.s0", DirectoryUpdate{{{{"data/r9", 1}, "memory://c"}}, {{{"data/r9", 1}, cause}}}));
  EXPECT_FALSE(node_.directory().find(runtime::name_hash("data/r9"))) << "announced before it was declared dead";
}

TEST_F(MemberActor, EndsOnceWhenItsOwnActorIsGone) {
  ASSERT_TRUE(node_.stop("stage/r0.s0", std::chrono::seconds(1)));
  ASSERT_EQ(ends_.size(), 1U);
  EXPECT_NE(ends_[0].text.find("stopped"), std::string::npos) << ends_[0].text;
  world_.network.cut("memory://head", "memory://worker");
  EXPECT_EQ(ends_.size(), 1U) << "the head's loss as well is no second end";
}

TEST_F(MemberActor, ME3_ALostHeadThatLeadsOnIsFollowed) {
  world_.network.cut("memory://head", "memory://worker");
  world_.advance(std::chrono::seconds(1));
  EXPECT_EQ(questions_.count(), 1U);
  EXPECT_TRUE(ends_.empty());
  const auto head = node_.directory().find(runtime::name_hash("head"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->actor, (ActorId{"head", kHead}));
  const auto driver = node_.directory().find(runtime::name_hash("driver"));
  ASSERT_TRUE(driver);
  EXPECT_EQ(driver->actor, (ActorId{"driver", kHead}));
  world_.advance(std::chrono::seconds(60));
  EXPECT_TRUE(ends_.empty());
}

TEST_F(MemberActor, ME3_ALostHeadIsLookedForUntilTheLeaseIsOver) {
  silent_ = Silent::yes;
  world_.network.cut("memory://head", "memory://worker");
  world_.advance(std::chrono::seconds(9));
  EXPECT_TRUE(ends_.empty());
  EXPECT_GE(questions_.count(), 5U);
  world_.advance(std::chrono::seconds(3));
  ASSERT_EQ(ends_.size(), 1U);
  EXPECT_EQ(ends_[0].kind, FailureKind::disconnected);
  EXPECT_TRUE(ends_[0].text.starts_with("head: ")) << ends_[0].text;
}

TEST_F(MemberActor, ME3_AHeadThatDoesNotKnowTheActorEndsTheProcessAtOnce) {
  asker_ = Leader::Asker::does_not_belong;
  world_.network.cut("memory://head", "memory://worker");
  world_.advance(std::chrono::seconds(1));
  ASSERT_EQ(ends_.size(), 1U);
  EXPECT_TRUE(ends_[0].text.starts_with("the head that leads now does not know this actor: head: ")) << ends_[0].text;
}

TEST_F(MemberActor, ME3_AHeadThatEndsInGoodOrderTakesTheProcessAlong) {
  ASSERT_TRUE(head_node_.stop("head", std::chrono::seconds(1)));
  ASSERT_EQ(ends_.size(), 1U);
  EXPECT_EQ(questions_.count(), 0U);
}

TEST_F(MemberActor, HearsOfOthersDeathsWithoutEnding) {
  const Failure cause{FailureKind::faulted, "x"};
  ASSERT_TRUE(node_.send("member/stage/r0.s0", DirectoryUpdate{{}, {{{"data/r0", 1}, cause}}}));
  EXPECT_TRUE(ends_.empty());
}

TEST_F(MemberActor, ME2_ALostLinkIsReportedForWhoLivesAtItsOtherEnd) {
  const Failure cause{FailureKind::faulted, "killed by signal 9 (SIGKILL)"};
  const DirectoryUpdate update{
      {{{"stage/r0.s1", 2}, "memory://b"}, {{"stage/r1.s1", 5}, "memory://b"}, {{"data/r0", 1}, "memory://c"}}, {}};
  ASSERT_TRUE(node_.send("member/stage/r0.s0", update));
  world_.network.cut("memory://worker", "memory://b");
  ASSERT_EQ(reports_.count(), 2U);
  const PeerLost first = reports_.all()[0];
  EXPECT_EQ(first.reporter, (ActorId{"stage/r0.s0", kIncarnation}));
  EXPECT_EQ(first.peer, (ActorId{"stage/r0.s1", 2}));
  EXPECT_NE(first.cause.text.find("the wire was cut"), std::string::npos) << first.cause.text;
  EXPECT_EQ(reports_.last().peer, (ActorId{"stage/r1.s1", 5}));
  // Whose death is known is not lost.
  ASSERT_TRUE(node_.send("member/stage/r0.s0", DirectoryUpdate{{}, {{{"data/r0", 1}, cause}}}));
  world_.network.cut("memory://worker", "memory://c");
  EXPECT_EQ(reports_.count(), 2U);
  EXPECT_TRUE(ends_.empty()) << "this process goes on";
}

}  // namespace
}  // namespace troupe::member_actor_test
