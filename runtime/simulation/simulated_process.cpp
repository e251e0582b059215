#include "runtime/simulation/simulated_process.hpp"

#include "runtime/simulation/process_loop.hpp"
#include "runtime/simulation/simulated_transport.hpp"

#include <utility>

namespace troupe::runtime::simulation {

namespace {

constexpr std::size_t kMailboxCapacity = 64;

/// A process's clock, as its node sees it.
///
/// Thread-safety: one thread.
/// Ownership:     shares the loop.
/// Errors:        none.
/// Restart:       made new.
class NodeClock final : public Clock {
public:
  explicit NodeClock(std::shared_ptr<ProcessLoop> loop) : loop_(std::move(loop)) {}
  [[nodiscard]] TimePoint now() const override { return loop_->now(); }

private:
  const std::shared_ptr<ProcessLoop> loop_;
};

/// Thread-safety: one thread.
/// Ownership:     shares the loop with the strands it makes: it is all of them.
/// Errors:        as Dispatcher.
/// Restart:       as Dispatcher.
class LoopDispatcher final : public Dispatcher {
public:
  explicit LoopDispatcher(std::shared_ptr<ProcessLoop> loop) : loop_(std::move(loop)) {}
  std::shared_ptr<Strand> make_strand(Placement) override { return loop_; }
  void stop() override { loop_->resume_to_the_end(); }

private:
  const std::shared_ptr<ProcessLoop> loop_;
};

/// Thread-safety: one thread.
/// Ownership:     shares the loop.
/// Errors:        as Timers.
/// Restart:       as Timers.
class LoopTimers final : public Timers {
public:
  explicit LoopTimers(std::shared_ptr<ProcessLoop> loop) : loop_(std::move(loop)) {}
  std::uint64_t run_at(TimePoint due, std::function<void()> task) override {
    return loop_->add_timer(due, std::move(task));
  }
  void cancel(std::uint64_t id) override { loop_->cancel_timer(id); }
  void stop() override {}

private:
  const std::shared_ptr<ProcessLoop> loop_;
};

}  // namespace

SimulatedProcess::SimulatedProcess(World& world, std::uint64_t number, ProcessOptions options, Random random)
    : world_(world),
      number_(number),
      options_(std::move(options)),
      endpoint_(endpoint_of(options_.name)),
      loop_(std::make_shared<ProcessLoop>(world.events, random, options_.clock_ppm)) {
  NodeOptions node;
  node.name = options_.name;
  node.job = 1;
  node.mailbox_capacity = kMailboxCapacity;
  NodeParts parts;
  parts.clock = std::make_unique<NodeClock>(loop_);
  parts.dispatcher = std::make_unique<LoopDispatcher>(loop_);
  parts.timers = std::make_unique<LoopTimers>(loop_);
  parts.transport = make_simulated_transport(world, number, options_, loop_);
  parts.checks = options_.checks;
  node_ = std::make_unique<Node>(std::move(node), std::move(parts));
  if (const Result<Done> started = node_->start(); !started)
    world.trace.violate(world.events.now(), started.failure().text);
}

SimulatedProcess::~SimulatedProcess() {
  crash();
}

bool SimulatedProcess::is_alive() const {
  return loop_->is_alive();
}

void SimulatedProcess::crash() {
  if (!loop_->is_alive()) return;
  loop_->die();
  world_.network.crash(endpoint_);
  world_.ledger.crashed(number_);
  node_->shutdown(Duration{0});
  node_.reset();
}

void SimulatedProcess::pause(Duration length) {
  loop_->pause(length);
}

void SimulatedProcess::be_slow(Duration length) {
  loop_->be_slow(length);
}

bool SimulatedProcess::was_held_up(TimePoint since) const {
  return loop_->held_up_until() > since;
}

}  // namespace troupe::runtime::simulation
