#include "runtime/simulation/workload.hpp"

#include <utility>

namespace troupe::runtime::simulation {

namespace {

constexpr Duration kTickLeast = std::chrono::milliseconds(2);
constexpr Duration kTickMost = std::chrono::milliseconds(30);
constexpr Duration kShortDeadline = std::chrono::milliseconds(15);
constexpr Duration kLongDeadline = std::chrono::milliseconds(600);
constexpr std::uint64_t kLongestText = 1500;
constexpr std::uint64_t kBurst = 40;

struct PeerTick {
  static constexpr std::string_view kName = "simulation.tick";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Tell {
  static constexpr std::string_view kName = "simulation.tell";
  std::uint64_t number = 0;
  std::uint32_t order = 0;
  std::string text;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, order, text);
  }
};

struct Ask {
  static constexpr std::string_view kName = "simulation.ask";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

struct Answer {
  static constexpr std::string_view kName = "simulation.answer";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

/// One actor that asks and tells, and is asked and told.
///
/// Thread-safety: as any actor.
/// Ownership:     borrows witness and process.
/// Errors:        tells the witness.
/// Restart:       begins anew.
class Peer final : public Actor {
public:
  Peer(Witness& witness, const SimulatedProcess& process, std::vector<std::string> others)
      : witness_(witness), process_(process), others_(std::move(others)) {}

  Behavior behavior() override {
    return {on(this, &Peer::tick), on(this, &Peer::hear), on(this, &Peer::be_asked), on(this, &Peer::answer_late)};
  }
  void on_start(Context& context) override { (void)context.after(next_delay(), PeerTick{}); }

private:
  Duration next_delay() { return witness_.random().between(kTickLeast, kTickMost); }

  void tick(const PeerTick&, Context& context) {
    if (!witness_.is_active()) return;
    Random& random = witness_.random();
    const ActorId to = choose(context);
    switch (random.below(5)) {
      case 0:
        for (std::uint64_t i = random.below(kBurst); i > 0; --i) tell(to, Witness::Order::sent, context);
        break;
      case 1:
        tell(to, Witness::Order::urgent, context);
        break;
      case 2:
        for (std::uint64_t i = random.below(kBurst); i > 0; --i) tell(to, Witness::Order::when_room, context);
        break;
      default:
        for (std::uint64_t i = random.below(4) + 1; i > 0; --i) ask(to, context);
    }
    (void)context.after(next_delay(), PeerTick{});
  }

  // Whoever holds the name, or the incarnation that is known.
  ActorId choose(Context& context) {
    ActorId to{others_[witness_.random().below(others_.size())], 0};
    const auto entry = context.node().directory().find(name_hash(to.name));
    if (entry && !witness_.random().one_in(3)) to.incarnation = entry->actor.incarnation;
    return to;
  }

  void tell(const ActorId& to, Witness::Order order, Context& context) {
    Tell message{witness_.next_number(), static_cast<std::uint32_t>(order), {}};
    message.text.assign(witness_.random().below(kLongestText), 'x');
    switch (order) {
      case Witness::Order::sent:
        return (void)context.send(to, std::move(message));
      case Witness::Order::urgent:
        return (void)context.send_urgent(to, std::move(message));
      case Witness::Order::when_room:
        return (void)context.send_when_room(to, std::move(message));
    }
  }

  void ask(const ActorId& to, Context& context) {
    const std::uint64_t number = witness_.next_number();
    const Duration deadline = witness_.random().between(kShortDeadline, kLongDeadline);
    const std::string what =
        "request " + std::to_string(number) + " from " + context.self().describe() + " to " + to.describe();
    const std::uint64_t request = witness_.asks(process_, what, deadline);
    context.request<Answer>(to, Ask{number}, deadline, [this, request, number, what](Result<Answer> answer, Context&) {
      witness_.ended(request);
      if (answer && answer->number != number) witness_.violate("the answer to another request came to " + what);
    });
  }

  void hear(const Tell& message, Context& context) {
    witness_.handles(context, static_cast<Witness::Order>(message.order), message.number);
  }

  void be_asked(const Ask& message, Context& context) {
    witness_.handles(context, Witness::Order::sent, message.number);
    switch (witness_.random().below(12)) {
      case 0:
        return;  // no answer: the runtime's failure
      case 1:
        return context.reply_failure({FailureKind::faulted, "on purpose"});
      case 2:
      case 3:
        late_.emplace_back(context.defer_reply(), message.number);
        return (void)context.after(witness_.random().between(Duration{0}, kLongDeadline), Answer{message.number});
      default:
        return context.reply(Answer{message.number});
    }
  }

  void answer_late(const Answer& message, Context& context) {
    for (auto each = late_.begin(); each != late_.end(); ++each) {
      if (each->second != message.number) continue;
      context.reply_to(each->first, Answer{message.number});
      late_.erase(each);
      return;
    }
  }

  Witness& witness_;
  const SimulatedProcess& process_;
  const std::vector<std::string> others_;
  std::vector<std::pair<ReplyTo, std::uint64_t>> late_;
};

/// Thread-safety: as Workload.
/// Ownership:     as Workload.
/// Errors:        as Workload.
/// Restart:       as Workload.
class RequestsWorkload final : public Workload {
public:
  RequestsWorkload(Witness& witness, std::vector<std::string> processes)
      : witness_(witness), processes_(std::move(processes)) {}

  std::vector<Placed> actors_of(SimulatedProcess& process) override {
    std::vector<Placed> placed;
    for (const char* each : {"a", "b"}) {
      const std::string name = process.options().name + "/" + each;
      std::vector<std::string> others;
      for (const std::string& other : processes_) {
        for (const char* its : {"a", "b"}) {
          if (other + "/" + its != name) others.push_back(other + "/" + its);
        }
      }
      placed.push_back({name, std::make_unique<Peer>(witness_, process, std::move(others))});
    }
    return placed;
  }

private:
  Witness& witness_;
  const std::vector<std::string> processes_;
};

}  // namespace

std::unique_ptr<Workload> make_requests_workload(Witness& witness, std::vector<std::string> processes) {
  return std::make_unique<RequestsWorkload>(witness, std::move(processes));
}

}  // namespace troupe::runtime::simulation
