#pragma once

#include "runtime/node.hpp"
#include "runtime/transport/memory_transport.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Nodes without threads and without time of their own: a test decides which message arrives next, and when it is
/// later.
///
///     DeterministicNetwork network;
///     DeterministicNode& left = network.add_node("left");
///     DeterministicNode& right = network.add_node("right");
///     right.spawn<Greeter>("greeter");
///     left.spawn<Guest>("guest");
///     network.expect("hello.greet").from(left).to(right);
///     network.expect("hello.greeting").from(right).to(left);
///     network.expect_no_mail();
namespace troupe::runtime {

/// A clock whose hands the test turns, and what is due by it.
///
/// Thread-safety: the test's thread only.
/// Ownership:     owns the tasks until they ran or were cancelled.
/// Errors:        none.
/// Restart:       lives for one test.
class ManualTime {
public:
  [[nodiscard]] TimePoint now() const { return now_; }
  std::uint64_t run_at(TimePoint due, std::function<void()> task);
  void cancel(std::uint64_t id);
  /// Moves on by `step`, stopping at each task that is due on the way; `after_each` runs after every task.
  void advance(Duration step, const std::function<void()>& after_each);
  [[nodiscard]] std::size_t waiting() const { return tasks_.size(); }

private:
  TimePoint now_{std::chrono::seconds(1000)};
  std::map<std::pair<TimePoint, std::uint64_t>, std::function<void()>> tasks_;
  std::uint64_t next_ = 1;
};

/// The turns posted on one node, run by the test one by one.
///
/// Thread-safety: the test's thread only.
/// Ownership:     owns the tasks until they ran.
/// Errors:        none.
/// Restart:       lives for one test.
class ManualTurns {
public:
  /// A turn, or everything in order at once while somebody waits for the outcome (spawn, stop, request, shutdown).
  void post(std::function<void()> task);
  bool run_one();
  void run_all();
  [[nodiscard]] std::size_t waiting() const { return tasks_.size(); }

  /// Runs `work`, which waits for turns: they run as they are posted.
  template <class Work>
  auto while_running(const Work& work) {
    run_all();
    mode_ = Mode::at_once;
    auto outcome = work();
    mode_ = Mode::when_told;
    return outcome;
  }

private:
  std::deque<std::function<void()>> tasks_;
  enum class Mode { when_told, at_once } mode_ = Mode::when_told;
  enum class Loop { idle, running } loop_ = Loop::idle;
};

class DeterministicNetwork;

/// A Node whose turns, timers and mail a test runs by hand.
///
/// Thread-safety: the test's thread only.
/// Ownership:     owned by its network.
/// Errors:        what a test cannot go on without throws std::runtime_error.
/// Restart:       lives for one test.
class DeterministicNode final {
public:
  DeterministicNode(DeterministicNetwork& network, NodeOptions options);
  ~DeterministicNode();
  DeterministicNode(const DeterministicNode&) = delete;
  DeterministicNode& operator=(const DeterministicNode&) = delete;

  [[nodiscard]] Node& node() { return *node_; }
  [[nodiscard]] ManualTurns& turns() { return *turns_; }
  [[nodiscard]] const std::string& endpoint() const { return node_->endpoint(); }

  /// Runs the turns before it, then the actor's first.
  [[nodiscard]] Result<ActorId> try_spawn(const std::string& name, std::unique_ptr<Actor> actor,
                                          std::uint32_t incarnation);
  /// The same for an actor that must start, and that the test wants to look into while it lives.
  template <class A, class... Arguments>
  A& spawn(const std::string& name, Arguments&&... arguments) {
    auto actor = std::make_unique<A>(std::forward<Arguments>(arguments)...);
    A& inside = *actor;
    (void)try_spawn(name, std::move(actor), 1).value();
    return inside;
  }
  Result<Done> stop(std::string_view name);
  /// Asks an actor of this node and runs turns until it has answered.
  template <Message Reply, Message M>
  Result<Reply> request(std::string_view to, const M& message) {
    return turns_->while_running([&] { return node_->request<Reply>(to, message, std::chrono::seconds(1)); });
  }
  void shutdown();

  [[nodiscard]] Snapshot snapshot_of(std::string_view actor) const;

private:
  std::shared_ptr<ManualTurns> turns_;  // shared with the node's dispatcher and strands
  std::unique_ptr<Node> node_;
};

/// One scripted delivery: network.expect("hello.greet").from(left).to(right).
class Delivery {
public:
  enum class Kind { expect, allow, drop, duplicate };
  Delivery(DeterministicNetwork& network, Kind kind, std::string message)
      : network_(network), kind_(kind), message_(std::move(message)) {}
  Delivery& from(const DeterministicNode& node) {
    from_ = node.endpoint();
    return *this;
  }
  /// Does it; false when there is no such mail, which for all kinds but allow() is also a failure of the test.
  bool to(const DeterministicNode& node);

private:
  DeterministicNetwork& network_;
  const Kind kind_;
  const std::string message_;
  std::string from_;
};

/// Deterministic nodes, the wire between them, and their common time. All mail waits until the test lets it through.
///
/// Thread-safety: the test's thread only.
/// Ownership:     owns the nodes.
/// Errors:        a delivery that is not possible is a failure of the test.
/// Restart:       lives for one test.
class DeterministicNetwork final {
public:
  DeterministicNetwork() { wire_.hold(); }

  DeterministicNode& add_node(const std::string& name);
  DeterministicNode& add_node(NodeOptions options);

  /// Every node learns where every living actor is, as a head would tell them.
  void announce_all();
  /// Every node learns that the actor is dead, as a head would tell them.
  void declare_down(const ActorId& actor, const Failure& cause);

  [[nodiscard]] Delivery expect(std::string message) { return {*this, Delivery::Kind::expect, std::move(message)}; }
  [[nodiscard]] Delivery allow(std::string message) { return {*this, Delivery::Kind::allow, std::move(message)}; }
  [[nodiscard]] Delivery drop(std::string message) { return {*this, Delivery::Kind::drop, std::move(message)}; }
  [[nodiscard]] Delivery duplicate(std::string message) {
    return {*this, Delivery::Kind::duplicate, std::move(message)};
  }
  /// Delivers everything, also what is sent meanwhile.
  void deliver_all();
  /// Runs the turns that are posted, on all nodes, until there are none.
  void run_turns();
  /// Moves the common clock; what is due on the way happens in order.
  void advance(Duration step);
  void expect_no_mail();

  [[nodiscard]] MemoryNetwork& wire() { return wire_; }
  [[nodiscard]] ManualTime& time() { return *time_; }
  [[nodiscard]] const std::shared_ptr<ManualTime>& shared_time() const { return time_; }

private:
  MemoryNetwork wire_;
  std::shared_ptr<ManualTime> time_ = std::make_shared<ManualTime>();  // shared with the nodes' clocks and timers
  std::vector<std::unique_ptr<DeterministicNode>> nodes_;              // last: they leave the wire first
};

}  // namespace troupe::runtime
