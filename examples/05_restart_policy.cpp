// Shows: restarting. A supervisor watches an actor and starts its next incarnation, later each time, until the policy
//        says that it will not help.
// Run:   build/release/examples/05_restart_policy
#include "runtime/node.hpp"
#include "runtime/supervision/restart_policy.hpp"
#include "runtime/watch.hpp"

#include <future>
#include <iostream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

struct StartNext {
  static constexpr std::string_view kName = "supervisor.start_next";
  template <class Archive>
  void serialize(Archive&) {}
};

/// Fails whenever it is started.
class Flaky final : public Actor {
public:
  Behavior behavior() override { return {}; }
  void on_start(Context&) override { throw std::runtime_error("disk on fire"); }
};

class Supervisor final : public Actor {
public:
  Supervisor(RestartLimits limits, std::promise<std::string> verdict)
      : limits_(std::move(limits)), verdict_(std::move(verdict)) {}

  Behavior behavior() override { return {on(this, &Supervisor::start_next), on(this, &Supervisor::hear)}; }
  void on_start(Context& context) override { start_next({}, context); }

private:
  void start_next(const StartNext&, Context& context) {
    SpawnOptions options;
    options.incarnation = ++incarnation_;  // a name is used again, an incarnation never
    const Result<ActorId> flaky = context.node().spawn_later("flaky", std::make_unique<Flaky>(), options);
    context.watch(flaky.value());
  }

  void hear(const ActorDown& message, Context& context) {
    failures_.push_back(context.now());
    const RestartDecision decision = decide_restart(failures_, context.now(), limits_);
    std::cout << message.actor.describe() << ": " << message.cause.text << "; " << decision.reason << "\n";
    if (!decision.restart_after) return verdict_.set_value(decision.reason);
    context.after(*decision.restart_after, StartNext{});
  }

  const RestartLimits limits_;
  std::promise<std::string> verdict_;
  std::uint32_t incarnation_ = 0;
  std::vector<TimePoint> failures_;
};

}  // namespace

int main() {
  Node node({}, make_local_parts(2));
  node.start().value();

  RestartLimits limits;
  limits.max_restarts = 3;
  limits.window = 60s;
  limits.backoff = {0ms, 10ms, 40ms};
  std::promise<std::string> verdict;
  std::future<std::string> reason = verdict.get_future();
  node.spawn("supervisor", std::make_unique<Supervisor>(limits, std::move(verdict))).value();
  const std::string end = reason.get();  // the supervisor prints until then
  std::cout << "The end: " << end << "\n";
}
