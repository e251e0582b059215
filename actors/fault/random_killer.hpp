#pragma once

#include "actors/fault/fault_journal.hpp"
#include "actors/fault/fault_rule.hpp"
#include "runtime/actor.hpp"
#include "runtime/context.hpp"

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors {

/// It is time to kill somebody.
struct KillSomebody {
  static constexpr std::string_view kName = "faults.kill_somebody";
  template <class Archive>
  void serialize(Archive&) {}
};

/// Carries out a rule of random kills ("kill9 random every=3s"): asks the head to kill one of the job's actors, drawn
/// evenly, with exponentially distributed times between, until its node ends. The event `fault_injected` and a line of
/// the journal tell of each actor that was there to be killed.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the rule and the names.
/// Errors:        an actor that is down already is not killed again; the next is drawn in its time.
/// Restart:       begins again with the first draw of its seed.
///
/// RK-1  Two with the same seed and actors draw the same victims after the same times.
class RandomKiller final : public runtime::Actor {
public:
  RandomKiller(FaultRule rule, FaultJournal journal, std::vector<std::string> actors);

  runtime::Behavior behavior() override;
  void on_start(runtime::Context& context) override;

private:
  void kill_somebody(const KillSomebody& message, runtime::Context& context);
  void killed(const std::string& victim, runtime::Context& context);
  void wait(runtime::Context& context);

  const FaultRule rule_;
  const FaultJournal journal_;
  const std::vector<std::string> actors_;
  std::mt19937_64 random_;
  std::uint32_t kills_ = 0;
};

/// What the actor above is called.
inline constexpr std::string_view kRandomKillerName = "faults";

}  // namespace troupe::actors
