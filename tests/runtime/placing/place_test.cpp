#include "runtime/placing/place.hpp"

#include "runtime/placing/node_host.hpp"
#include "runtime/placing/placer.hpp"
#include "tests/runtime/test_actors.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

#include <future>
#include <memory>

/// The same over real sockets and threads: what users write, against nodes that talk by ZeroMQ.
namespace troupe::runtime {
namespace {

using std::chrono::seconds;
using Echo = Protocol<Answers<Ask, Answer>>;

constexpr seconds kLong{60};  // reached only by a test that fails

/// A node of the job in this process, with a transport of its own.
class RealNode {
public:
  RealNode(const TestFolder& folder, const std::string& name) : node_({.name = name, .job = 7}, parts(folder, name)) {
    node_.start().value();
  }
  ~RealNode() { node_.shutdown(seconds(5)); }
  RealNode(const RealNode&) = delete;
  RealNode& operator=(const RealNode&) = delete;

  Node* operator->() { return &node_; }
  Node& operator*() { return node_; }

private:
  static NodeParts parts(const TestFolder& folder, const std::string& name) {
    return make_threaded_parts(2, make_zmq_transport(test_options(folder, folder.ipc(name))));
  }
  Node node_;
};

/// Does what it was made for in its first turn.
class Acting final : public Actor {
public:
  explicit Acting(std::function<void(Context&)> act) : act_(std::move(act)) {}
  Behavior behavior() override { return {}; }
  void on_start(Context& context) override { act_(context); }

private:
  const std::function<void(Context&)> act_;
};

/// A placer on "head", and nodes with echoes to place.
struct RealJob {
  TestFolder folder;
  RealNode head{folder, "head"};
  RealNode a{folder, "a"};
  RealNode b{folder, "b"};

  RealJob() {
    head->spawn(std::string(kPlacerName), std::make_unique<Placer>()).value();
    for (RealNode* const node : {&a, &b}) host(*node);
  }
  void host(RealNode& node) const {
    ActorClasses classes;
    classes.add("echo", [](const Arguments&) { return hooked(answering()); });
    HostOptions options;
    options.resources = Resources::of("cpu=2");
    options.join_again_after = std::chrono::milliseconds(20);
    spawn_host(*node, std::move(classes), options, {{std::string(kPlacerName), 1}, folder.ipc("head")}).value();
  }
};

TEST(Place, PC1_PC7_GroupsOverRealNodesAreTypedOwnedAndFound) {
  RealJob job;
  std::promise<std::string> said;
  const auto owner = job.a->spawn(
      "owner", std::make_unique<Acting>([&said](Context& context) {
        place<Echo>(context, PlaceActor{"echo", "echo/b", {}, {.resources = Resources::of("cpu=1"), .on_node = "b"}},
                    kLong, [&said](const Result<ActorRef<Echo>>& echo, Context& turn) {
                      if (!echo) return said.set_value(echo.failure().describe());
                      turn.request(*echo, Ask{8}, kLong, [&said](const Result<Answer>& answer, Context&) {
                        said.set_value(answer ? "echo " + std::to_string(answer->value) : answer.failure().describe());
                      });
                    });
      }));
  ASSERT_TRUE(owner);
  EXPECT_EQ(said.get_future().get(), "echo 8");

  // Found from a node that has not placed it, and gone with its owner.
  const auto found = find(*job.head, "echo/b", kLong);
  ASSERT_TRUE(found) << found.failure().text;
  const auto answer = job.head->request<Answer>("echo/b", Ask{9}, kLong);
  ASSERT_TRUE(answer) << answer.failure().text;
  EXPECT_EQ(answer->value, 9U);
  std::promise<void> gone;
  HookedActor::Hooks hooks;
  hooks.start = [&found](Context& context) { context.watch(*found); };
  hooks.down = [&gone](const ActorDown&, Context&) { gone.set_value(); };
  job.head->spawn("watcher", hooked(std::move(hooks))).value();
  ASSERT_TRUE(job.a->stop("owner", kLong));
  EXPECT_EQ(gone.get_future().wait_for(kLong), std::future_status::ready);
}

TEST(Place, PC1_PC3_FromAMainFunctionWhatWaitsIsPlacedWhenRoomIsMade) {
  RealJob job;
  const GroupOptions spread{.strategy = Strategy::spread, .lifetime = Lifetime::detached};
  const std::vector<WantedActor> pair = {{"echo", "echo/0", Resources::of("cpu=2")},
                                         {"echo", "echo/1", Resources::of("cpu=2")}};
  const auto ids = place_all(*job.a, {"pair", pair, spread}, kLong);
  ASSERT_TRUE(ids) << ids.failure().text;
  EXPECT_EQ(job.a->request<Answer>("echo/0", Ask{1}, kLong)->value, 1U);
  EXPECT_EQ(job.a->request<Answer>("echo/1", Ask{2}, kLong)->value, 2U);
  const PlaceActor third{"echo", "echo/2", {}, {.resources = Resources::of("cpu=1"), .lifetime = Lifetime::detached}};
  const auto refused = place(*job.b, third, std::chrono::milliseconds(1));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.failure().text.find("a has cpu=0 free of 2 (echo/"), std::string::npos) << refused.failure().text;
  auto later = std::async(std::launch::async, [&job, &third] { return place(*job.b, third, kLong); });
  // Stopped once the other waits, or before: both ways there is room in the end.
  ASSERT_TRUE(job.head->request<Ack>(kPlacerName, StopPlaced{"echo/1"}, kLong));
  const auto placed = later.get();
  ASSERT_TRUE(placed) << placed.failure().text;
  EXPECT_EQ(job.b->request<Answer>("echo/2", Ask{3}, kLong)->value, 3U);
}

TEST(Place, PC6_ARealNodeThatEndsIsLostAndItsNameIsFree) {
  RealJob job;
  auto third = std::make_unique<RealNode>(job.folder, "c");
  job.host(*third);
  const PlaceActor wanted{"echo", "echo/c", {}, {.on_node = "c", .lifetime = Lifetime::detached}};
  ASSERT_TRUE(place(*job.a, wanted, kLong));
  third.reset();
  // It is placed again when a node of that name is back; until the loss is known the name is taken.
  third = std::make_unique<RealNode>(job.folder, "c");
  job.host(*third);
  const auto give_up = std::chrono::steady_clock::now() + kLong;
  Result<ActorId> again = place(*job.a, wanted, kLong);
  while (!again && std::chrono::steady_clock::now() < give_up) again = place(*job.a, wanted, kLong);
  ASSERT_TRUE(again) << again.failure().text;
  EXPECT_GT(again->incarnation, 1U);
  EXPECT_TRUE(job.a->request<Answer>("echo/c", Ask{4}, kLong));
}

}  // namespace
}  // namespace troupe::runtime
