#include "runtime/simulation/simulated_transport.hpp"

#include "runtime/transport/zmq_post_office.hpp"

#include <optional>
#include <utility>

namespace troupe::runtime::simulation {

namespace {

constexpr Duration kStepLeast = std::chrono::microseconds(1);
constexpr Duration kStepMost = std::chrono::microseconds(30);
constexpr Duration kHeartbeat = std::chrono::milliseconds(100);
constexpr Duration kPeerTimeout = std::chrono::milliseconds(800);

/// The clock of a process.
///
/// Thread-safety: one thread.
/// Ownership:     shares the loop.
/// Errors:        none.
/// Restart:       made new.
class LoopClock final : public Clock {
public:
  explicit LoopClock(std::shared_ptr<ProcessLoop> loop) : loop_(std::move(loop)) {}
  [[nodiscard]] TimePoint now() const override { return loop_->now(); }

private:
  const std::shared_ptr<ProcessLoop> loop_;
};

/// Tells the ledger what the post office hands up, and hands it on.
///
/// Thread-safety: one thread.
/// Ownership:     borrows all.
/// Errors:        as the sink it hands on to.
/// Restart:       made new with its transport.
class ObservedSink final : public TransportSink {
public:
  ObservedSink(World& world, std::uint64_t process, std::string endpoint, WireMode wire)
      : world_(world), process_(process), endpoint_(std::move(endpoint)), wire_(wire) {}
  void hand_on_to(TransportSink& sink) { sink_ = &sink; }

  void on_envelope(Envelope envelope) override {
    world_.ledger.arrived(process_, endpoint_, envelope, world_.events.now());
    sink_->on_envelope(std::move(envelope));
  }
  void on_peer_down(const std::string& endpoint, const Failure& why) override {
    const TimePoint now = world_.events.now();
    world_.trace.add(now, process_, [&] { return endpoint_ + " hears the end of " + endpoint + ": " + why.text; });
    const auto says = [&why](const char* what) { return why.text.find(what) != std::string::npos; };
    if (wire_ != WireMode::hostile && (says("than its window") || says("lost on the way") || says("lost track"))) {
      world_.trace.violate(now, "the link from or to " + endpoint_ + " was ended: " + why.text);
    }
    world_.ledger.end_told(process_, endpoint);
    sink_->on_peer_down(endpoint, why);
  }
  void on_undeliverable(Envelope envelope, const Failure& why) override {
    world_.ledger.came_back(envelope, world_.events.now());
    sink_->on_undeliverable(std::move(envelope), why);
  }
  void on_room(const std::string& endpoint) override { sink_->on_room(endpoint); }

private:
  World& world_;
  const std::uint64_t process_;
  const std::string endpoint_;
  const WireMode wire_;
  TransportSink* sink_ = nullptr;
};

/// Thread-safety: one thread.
/// Ownership:     owns the post office; shares the loop with its process.
/// Errors:        as Transport.
/// Restart:       as Transport.
class SimulatedTransport final : public Transport {
public:
  SimulatedTransport(World& world, std::uint64_t process, const ProcessOptions& options,
                     std::shared_ptr<ProcessLoop> loop)
      : world_(world),
        process_(process),
        options_(options),
        endpoint_(endpoint_of(options.name)),
        loop_(std::move(loop)),
        clock_(loop_),
        waker_(std::make_shared<Waker>()),
        outbox_(std::make_shared<ZmqOutbox>(LinkCost{options.window_messages, options.window_bytes}, waker_)),
        sink_(world, process, endpoint_, options.wire) {}

  Result<Done> start(TransportSink& sink) override;
  [[nodiscard]] const std::string& endpoint() const override { return endpoint_; }
  Result<Done> send(const std::string& endpoint, Envelope envelope) override;
  void forget(const std::string& endpoint, const Failure& why) override { outbox_->forget(endpoint, why); }
  [[nodiscard]] TransportCounters counters() const override { return tally_.read(); }
  void stop(Duration) override {
    outbox_->close();
    office_.reset();
  }

private:
  void step();
  void step_within(Duration delay);
  void check_bounds();

  World& world_;
  const std::uint64_t process_;
  const ProcessOptions options_;
  const std::string endpoint_;
  const std::shared_ptr<ProcessLoop> loop_;
  const LoopClock clock_;
  const std::shared_ptr<Waker> waker_;
  const std::shared_ptr<ZmqOutbox> outbox_;
  TransportTally tally_;
  StopRequest stop_;
  ObservedSink sink_;
  std::optional<ZmqPostOffice> office_;
  TimePoint next_step_ = TimePoint::max();
};

Result<Done> SimulatedTransport::start(TransportSink& sink) {
  sink_.hand_on_to(sink);
  PostOfficeParts parts;
  parts.options.node_name = options_.name;
  parts.options.incarnation = options_.incarnation;
  parts.options.job = 1;
  parts.options.arena_bytes = 0;
  parts.options.window_messages = options_.window_messages;
  parts.options.window_bytes = options_.window_bytes;
  parts.options.heartbeat = kHeartbeat;
  parts.options.peer_timeout = kPeerTimeout;
  parts.self.node_name = options_.name;
  parts.self.incarnation = options_.incarnation;
  parts.self.job = 1;
  parts.self.instance = loop_->random().next() | 1;
  parts.self.endpoint = endpoint_;
  parts.checks = options_.checks;
  parts.sockets = world_.network.open(endpoint_, [this, loop = loop_] {
    if (loop->is_alive()) step_within(loop_->random().between(kStepLeast, kStepMost));
  });
  outbox_->open();
  office_.emplace(std::move(parts), ZmqPostOffice::Surroundings{outbox_, waker_, sink_, tally_, stop_, clock_});
  // A turn may have sent something, or given back credit: so the post office is woken.
  loop_->on_turn([this] { step_within(kStepMost); });
  step_within(kStepMost);
  return Done{};
}

Result<Done> SimulatedTransport::send(const std::string& endpoint, Envelope envelope) {
  if (!loop_->is_alive()) return Failure{FailureKind::disconnected, "the process is dead"};
  world_.ledger.mark(process_, endpoint, envelope, world_.events.now());
  Envelope mark;
  mark.header.epoch = envelope.header.epoch;
  Result<Done> accepted = outbox_->accept(endpoint, std::move(envelope));
  if (!accepted) world_.ledger.refused(mark);
  if (accepted) step_within(kStepMost);
  return accepted;
}

void SimulatedTransport::step_within(Duration delay) {
  const TimePoint due = world_.events.now() + delay;
  if (due >= next_step_) return;
  next_step_ = due;
  loop_->after(delay, [this, due] {
    if (next_step_ == due) step();
  });
}

void SimulatedTransport::step() {
  next_step_ = TimePoint::max();
  office_->step(loop_->now());
  check_bounds();
  step_within(std::max(kStepLeast, office_->plan_wait()));
}

// What a link holds is bounded by its windows: TR-3, and nothing is kept that was confirmed.
void SimulatedTransport::check_bounds() {
  const std::uint64_t kept = office_->most_unconfirmed();
  const std::uint64_t most = 2 * kMaxWindowShare * options_.window_messages;
  if (kept > most) {
    world_.trace.violate(world_.events.now(), endpoint_ + " keeps " + std::to_string(kept) +
                                                  " unconfirmed messages on a link, more than " + std::to_string(most));
  }
}

}  // namespace

std::string endpoint_of(const std::string& name) {
  return "tcp://" + name + ":1";
}

std::unique_ptr<Transport> make_simulated_transport(World& world, std::uint64_t process, const ProcessOptions& options,
                                                    std::shared_ptr<ProcessLoop> loop) {
  return std::make_unique<SimulatedTransport>(world, process, options, std::move(loop));
}

}  // namespace troupe::runtime::simulation
