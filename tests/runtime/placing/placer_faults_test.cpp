#include "tests/runtime/placing/placing_job.hpp"

#include <random>
#include <set>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kRoom = 3;  // workers that a node can hold

/// A job in which things happen by a seed, also between the mails that make one placing.
class RandomJob {
public:
  explicit RandomJob(std::uint32_t seed) : random_(seed) {
    for (const char* name : {"a", "b", "c"}) nodes_.push_back(&job_.add(name, "cpu=" + std::to_string(kRoom)));
  }

  void one_event() {
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        ask();
        break;
      case 3:
        stop_one();
        break;
      case 4:
        (void)any_node().node().send(any_name(), Number{1});  // dies, when it lives there
        break;
      case 5:
        if (random_() % 4 == 0) job_.network.wire().cut(any_node().endpoint(), job_.head.endpoint());
        break;
      default:
        job_.network.advance(milliseconds(random_() % 400));
    }
    for (std::size_t mails = random_() % 12; mails > 0; --mails) {
      job_.network.run_turns();
      (void)job_.network.wire().release_next();
    }
    job_.network.run_turns();
    for (DeterministicNode* const node : nodes_) {
      ASSERT_LE(PlacingJob::living_on(*node), kRoom) << "PC-2";
    }
  }

  /// Everything comes to its outcome.
  void settle() {
    for (int second = 0; second < 40; ++second) {
      job_.network.deliver_all();
      job_.network.advance(seconds(1));
    }
    job_.network.deliver_all();
    EXPECT_EQ(job_.outcomes.size(), asked_) << "each group has one answer";
    std::set<std::string> living;
    for (DeterministicNode* const node : nodes_) {
      for (const Snapshot& each : node->node().snapshots()) {
        if (each.status != ActorStatus::running || !each.actor.name.starts_with("w/")) continue;
        EXPECT_TRUE(living.insert(each.actor.name).second) << each.actor.name << " lives twice";
        const std::string where = " runs on node " + node->node().options().name;
        EXPECT_NE(job_.ask_why(each.actor.name).find(where), std::string::npos) << job_.ask_why(each.actor.name);
      }
    }
    for (std::uint32_t i = 0; i < kNames; ++i) {
      const std::string name = "w/" + std::to_string(i);
      EXPECT_EQ(job_.ask_why(name).find(" runs on node ") != std::string::npos, living.contains(name)) << name;
    }
  }
  [[nodiscard]] std::size_t started() const { return job_.log.size(); }

private:
  static constexpr std::uint32_t kNames = 12;

  DeterministicNode& any_node() { return *nodes_[random_() % nodes_.size()]; }
  std::string any_name() { return "w/" + std::to_string(random_() % kNames); }

  void ask() {
    std::set<std::string> names;
    for (std::size_t i = 0; i < random_() % 3 + 1; ++i) names.insert(any_name());
    std::vector<WantedActor> wanted;
    for (const std::string& each : names) {
      wanted.push_back({random_() % 12 == 0 ? "broken" : "worker", each, Resources::of("cpu=1")});
    }
    GroupOptions options;
    options.strategy = random_() % 2 == 0 ? Strategy::pack : Strategy::spread;
    options.lifetime = random_() % 2 == 0 ? Lifetime::owned : Lifetime::detached;
    ++asked_;
    job_.begin(job_.head, "user", job_.placing("g", wanted, options, seconds(2)));
  }
  void stop_one() {
    job_.begin(job_.head, "user", [name = any_name()](Context& context) {
      stop_placed(context, name, seconds(1), [](const Result<Ack>&, Context&) {});
    });
  }

  std::mt19937 random_;
  PlacingJob job_;
  std::vector<DeterministicNode*> nodes_;
  std::size_t asked_ = 0;
};

TEST(PlacerFaults, PC1_PC2_PC6_HoldForRandomEndsAndLostLinks) {
  std::size_t started = 0;
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomJob job(seed);
    for (int event = 0; event < 60; ++event) job.one_event();
    job.settle();
    started += job.started();
  }
  EXPECT_GT(started, 300U);
}

}  // namespace
}  // namespace troupe::runtime
