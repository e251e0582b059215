#include "tests/support/deterministic_node.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace troupe::runtime {
namespace {

class ManualClock final : public Clock {
public:
  explicit ManualClock(std::shared_ptr<ManualTime> time) : time_(std::move(time)) {}
  TimePoint now() const override { return time_->now(); }

private:
  const std::shared_ptr<ManualTime> time_;  // shared with the network
};

class ManualTimers final : public Timers {
public:
  explicit ManualTimers(std::shared_ptr<ManualTime> time) : time_(std::move(time)) {}
  std::uint64_t run_at(TimePoint due, std::function<void()> task) override {
    ids_.push_back(time_->run_at(due, std::move(task)));
    return ids_.back();
  }
  void cancel(std::uint64_t id) override { time_->cancel(id); }
  void stop() override {
    for (const std::uint64_t id : ids_) time_->cancel(id);
  }

private:
  const std::shared_ptr<ManualTime> time_;  // shared with the network
  std::vector<std::uint64_t> ids_;          // a stopped node's tasks must not run: they refer to it
};

/// One turn, and behind those posted meanwhile the next.
void post_turn(const std::shared_ptr<ManualTurns>& turns, std::shared_ptr<Resumable> awake) {
  turns->post([weak = std::weak_ptr(turns), awake = std::move(awake)] {
    if (awake->resume(1)) post_turn(weak.lock(), awake);
  });
}

class ManualStrand final : public Strand {
public:
  explicit ManualStrand(std::shared_ptr<ManualTurns> turns) : turns_(std::move(turns)) {}
  void wake(std::shared_ptr<Resumable> sleeper) override { post_turn(turns_, std::move(sleeper)); }

private:
  const std::shared_ptr<ManualTurns> turns_;  // shared with the node
};

class ManualDispatcher final : public Dispatcher {
public:
  explicit ManualDispatcher(std::shared_ptr<ManualTurns> turns) : turns_(std::move(turns)) {}
  std::shared_ptr<Strand> make_strand(Placement) override { return std::make_shared<ManualStrand>(turns_); }
  void stop() override { turns_->run_all(); }

private:
  const std::shared_ptr<ManualTurns> turns_;  // shared with the node
};

}  // namespace

std::uint64_t ManualTime::run_at(TimePoint due, std::function<void()> task) {
  tasks_.emplace(std::pair{due, next_}, std::move(task));
  return next_++;
}

void ManualTime::cancel(std::uint64_t id) {
  std::erase_if(tasks_, [id](const auto& task) { return task.first.second == id; });
}

void ManualTime::advance(Duration step, const std::function<void()>& after_each) {
  const TimePoint end = now_ + step;
  while (!tasks_.empty() && tasks_.begin()->first.first <= end) {
    const auto first = tasks_.begin();
    now_ = std::max(now_, first->first.first);
    const std::function<void()> task = std::move(first->second);
    tasks_.erase(first);
    task();
    after_each();
  }
  now_ = end;
}

void ManualTurns::post(std::function<void()> task) {
  tasks_.push_back(std::move(task));
  if (mode_ == Mode::at_once && loop_ == Loop::idle) run_all();
}

bool ManualTurns::run_one() {
  if (tasks_.empty()) return false;
  const std::function<void()> task = std::move(tasks_.front());
  tasks_.pop_front();
  task();
  return true;
}

void ManualTurns::run_all() {
  loop_ = Loop::running;
  while (run_one()) {
  }
  loop_ = Loop::idle;
}

DeterministicNode::DeterministicNode(DeterministicNetwork& network, NodeOptions options)
    : turns_(std::make_shared<ManualTurns>()) {
  NodeParts parts;
  parts.clock = std::make_unique<ManualClock>(network.shared_time());
  parts.timers = std::make_unique<ManualTimers>(network.shared_time());
  parts.dispatcher = std::make_unique<ManualDispatcher>(turns_);
  parts.transport = make_memory_transport(network.wire(), options.name);
  node_ = std::make_unique<Node>(std::move(options), std::move(parts));
  (void)node_->start().value();
}

DeterministicNode::~DeterministicNode() {
  shutdown();
}

Result<ActorId> DeterministicNode::try_spawn(const std::string& name, std::unique_ptr<Actor> actor,
                                             std::uint32_t incarnation) {
  SpawnOptions options;
  options.incarnation = incarnation;
  return turns_->while_running([&] { return node_->spawn(name, std::move(actor), options); });
}

Result<Done> DeterministicNode::stop(std::string_view name) {
  return turns_->while_running([&] { return node_->stop(name, std::chrono::seconds(1)); });
}

void DeterministicNode::shutdown() {
  turns_->while_running([this] {
    node_->shutdown(std::chrono::seconds(1));
    return Done{};
  });
}

Snapshot DeterministicNode::snapshot_of(std::string_view actor) const {
  const std::vector<Snapshot> all = node_->snapshots();
  const auto found =
      std::find_if(all.rbegin(), all.rend(), [actor](const Snapshot& row) { return row.actor.name == actor; });
  if (found == all.rend()) throw std::runtime_error("no snapshot of " + std::string(actor));
  return *found;
}

bool Delivery::to(const DeterministicNode& node) {
  const MemoryNetwork::Link link{from_, node.endpoint()};
  MemoryNetwork& wire = network_.wire();
  const bool done = kind_ == Kind::drop        ? wire.drop_one(link, message_)
                    : kind_ == Kind::duplicate ? wire.duplicate_one(link, message_)
                                               : wire.release_one(link, message_);
  if (!done && kind_ != Kind::allow) {
    ADD_FAILURE() << "no " << message_ << " on its way from " << link.first << " to " << link.second;
  }
  network_.run_turns();
  return done;
}

DeterministicNode& DeterministicNetwork::add_node(const std::string& name) {
  NodeOptions options;
  options.name = name;
  return add_node(std::move(options));
}

DeterministicNode& DeterministicNetwork::add_node(NodeOptions options) {
  nodes_.push_back(std::make_unique<DeterministicNode>(*this, std::move(options)));
  return *nodes_.back();
}

void DeterministicNetwork::announce_all() {
  for (const auto& teller : nodes_) {
    for (const DirectoryEntry& entry : teller->node().directory().all()) {
      for (const auto& hearer : nodes_) hearer->node().announce(entry);
    }
  }
}

void DeterministicNetwork::declare_down(const ActorId& actor, const Failure& cause) {
  for (const auto& node : nodes_) node->node().declare_down(actor, cause);
  run_turns();
}

void DeterministicNetwork::deliver_all() {
  run_turns();
  while (wire_.release_next()) run_turns();
}

void DeterministicNetwork::run_turns() {
  bool ran = true;
  while (ran) {
    ran = false;
    for (const auto& node : nodes_) {
      if (node->turns().waiting() == 0) continue;
      node->turns().run_all();
      ran = true;
    }
  }
}

void DeterministicNetwork::advance(Duration step) {
  run_turns();
  time_->advance(step, [this] { run_turns(); });
}

void DeterministicNetwork::expect_no_mail() {
  run_turns();
  EXPECT_EQ(wire_.held(), 0U) << "mail is left on the wire";
}

}  // namespace troupe::runtime
