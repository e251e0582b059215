#include "runtime/supervision/supervisor.hpp"

#include "runtime/node.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace troupe::runtime {
namespace {

/// The next of a sequence that looks random (SplitMix64).
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t mixed = state += 0x9e3779b97f4a7c15ULL;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

}  // namespace

/// To itself: the delay is over.
struct Supervisor::StartWaiting {
  static constexpr std::string_view kName = "supervisor.start_waiting";
  template <class Archive>
  void serialize(Archive&) {}
};

Supervisor::Supervisor(SupervisorSpec spec) : spec_(std::move(spec)), random_(spec_.seed) {
  for (const ChildSpec& child : spec_.children) children_.push_back({child});
}

Supervisor::~Supervisor() {
  std::for_each(children_.rbegin(), children_.rend(), [this](Child& child) { ask_to_stop(child); });
}

Behavior Supervisor::behavior() {
  return {on(this, &Supervisor::hear_end), on(this, &Supervisor::start_waiting)};
}

void Supervisor::on_start(Context& context) {
  node_ = &context.node();
  for (Child& child : children_) start(child, context);
}

void Supervisor::start(Child& child, Context& context) {
  child.wish = Child::Wish::stay;
  SpawnOptions options;
  options.placement = child.spec.placement;
  options.incarnation = node_->directory().next_incarnation(name_hash(child.spec.name));
  const Result<ActorId> spawned = node_->spawn_later(child.spec.name, child.spec.make(), options);
  if (spawned) {
    child.id = *spawned;
    child.state = State::up;
    return context.watch(child.id);
  }
  if (spawned.failure().kind == FailureKind::disconnected) return;  // the node ends, and this actor with it
  throw std::runtime_error("cannot start " + child.spec.name + ": " + spawned.failure().text);
}

void Supervisor::hear_end(const ActorDown& message, Context& context) {
  const auto child = std::ranges::find(children_, message.actor, &Child::id);
  if (child == children_.end() || child->state == State::down) return;
  const bool was_asked = std::exchange(child->state, State::down) == State::stopping;
  if (was_asked) return start_those_who_wait(context);
  const bool is_over = child->spec.restart == Restart::temporary ||
                       (child->spec.restart == Restart::transient && is_orderly_end(message.cause));
  if (is_over) return;
  const TimePoint now = context.now();
  std::erase_if(failures_, [&](TimePoint failure) { return now - failure > spec_.limits.window; });
  failures_.push_back(now);
  const RestartDecision decision = decide_restart(failures_, now, spec_.limits);
  if (!decision.restart_after) {
    throw std::runtime_error("gave up on " + child->id.describe() + ": " + decision.reason +
                             "; last: " + message.cause.text);
  }
  mark_for_restart(static_cast<std::size_t>(child - children_.begin()));
  // A delay that runs already is for all who wait.
  if (delay_ == Delay::runs) return;
  delay_ = Delay::runs;
  (void)context.after(jittered(*decision.restart_after), StartWaiting{});
}

void Supervisor::mark_for_restart(std::size_t failed) {
  const std::size_t first = spec_.scope == RestartScope::one_for_all ? 0 : failed;
  const std::size_t end = spec_.scope == RestartScope::one_for_one ? failed + 1 : children_.size();
  for (std::size_t at = end; at-- > first;) {
    Child& child = children_[at];
    const bool was_up = child.state != State::down || at == failed;
    if (was_up && child.spec.restart != Restart::temporary) child.wish = Child::Wish::start;
    ask_to_stop(child);
  }
}

void Supervisor::ask_to_stop(Child& child) {
  if (child.state != State::up) return;
  child.state = State::stopping;
  node_->stop_later(child.id, StopMode::now);
}

bool Supervisor::is_anybody_stopping() const {
  return std::ranges::any_of(children_, [](const Child& child) { return child.state == State::stopping; });
}

void Supervisor::start_waiting(const StartWaiting&, Context& context) {
  delay_ = Delay::over;
  start_those_who_wait(context);
}

void Supervisor::start_those_who_wait(Context& context) {
  if (delay_ != Delay::over || is_anybody_stopping()) return;
  delay_ = Delay::none;
  for (Child& child : children_) {
    if (child.wish == Child::Wish::start) start(child, context);
  }
}

Duration Supervisor::jittered(Duration delay) {
  constexpr double kRange = 18446744073709551616.0;  // 2^64
  const double chance = static_cast<double>(next_random(random_)) / kRange;
  return Duration(
      static_cast<Duration::rep>(static_cast<double>(delay.count()) * (1.0 + spec_.jitter * (2.0 * chance - 1.0))));
}

}  // namespace troupe::runtime
