#include "scheduler/hang_detector.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <set>
#include <stdexcept>

namespace troupe::scheduler {
namespace {

using runtime::Duration;
using runtime::Phase;

// A phase whose turns become shorter is trusted less long after so many of them.
constexpr double kForget = 0.98;
// By its second step an actor has been through all that a step consists of.
constexpr std::uint32_t kStepsToKnow = 2;

Duration scaled(Duration duration, double factor) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(duration) * factor);
}

std::string in_seconds(Duration duration) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f s", std::chrono::duration<double>(duration).count());
  return text.data();
}

/// Phases that every step has; the others come when they come.
bool is_of_every_step(Phase phase) {
  return phase != Phase::checkpoint && phase != Phase::evaluate && phase != Phase::load && phase != Phase::none;
}

std::string describe_place(const ActorSight& sight) {
  std::string text = "phase " + std::string(runtime::to_string(sight.phase)) + ", step " + std::to_string(sight.step);
  const bool has_batch = sight.phase == Phase::forward || sight.phase == Phase::backward;
  if (has_batch) text += ", micro-batch " + std::to_string(sight.micro_batch);
  return text;
}

}  // namespace

HangLimits parse_hang_limits(const char* text) {
  HangLimits limits;
  if (text == nullptr || *text == '\0') return limits;
  double seconds = -1;
  const char* const end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, seconds);
  if (error != std::errc() || rest != end || !(seconds >= 0 && seconds <= 1e6)) {
    throw std::runtime_error("TROUPE_HANG_SECONDS is \"" + std::string(text) +
                             "\": it is a number of seconds, or 0 so that nobody is killed for a hang");
  }
  limits.floor = scaled(std::chrono::seconds(1), seconds);
  return limits;
}

std::vector<Hang> HangDetector::look(runtime::TimePoint now, std::span<const ActorSight> sights) {
  const bool is_first = last_look_ == runtime::TimePoint{};
  const Duration elapsed = is_first ? limits_.every : now - last_look_;
  last_look_ = now;
  const double late = std::max(1.0, std::chrono::duration<double>(elapsed) / limits_.every);
  lateness_ = 0.8 * lateness_ + 0.2 * late;
  const Duration credit = std::min(elapsed, 2 * limits_.every);
  std::vector<Hang> hangs;
  std::set<std::string> seen;
  for (const ActorSight& sight : sights) {
    seen.insert(sight.actor.name);
    Watched& watched = watched_[sight.actor.name];
    if (watched.incarnation != sight.actor.incarnation) {
      watched = {};
      watched.incarnation = sight.actor.incarnation;
      watched.first_step = sight.step;
    }
    const std::string why = judge(watched, sight, credit);
    if (why.empty() || watched.told == Watched::Told::yes || limits_.floor <= Duration(0)) continue;
    watched.told = Watched::Told::yes;
    hangs.push_back({sight.actor, why});
  }
  std::erase_if(watched_, [&seen](const auto& entry) { return !seen.contains(entry.first); });
  return hangs;
}

std::string HangDetector::judge_stop(Watched& watched, Duration credit) const {
  watched.stopped_for += credit;
  if (watched.stopped_for <= scaled(limits_.stopped, lateness_)) return "";
  return "stopped: a signal has stopped the process for " + in_seconds(watched.stopped_for);
}

std::string HangDetector::judge(Watched& watched, const ActorSight& sight, Duration credit) {
  if (sight.process == ActorSight::Process::traced) {  // somebody looks at it with a debugger
    watched.stopped_for = Duration(0);
    watched.age = Duration(0);
    return "";
  }
  if (sight.process == ActorSight::Process::stopped) return judge_stop(watched, credit);
  watched.stopped_for = Duration(0);
  if (sight.busy_since_ns == 0 || sight.updated_ns != watched.updated_ns) {
    end_part(watched, sight.actor.name);
    watched.updated_ns = sight.updated_ns;
    watched.phase = sight.phase;
    watched.age = Duration(0);
    watched.processor_before = sight.processor_time;
    return "";
  }
  watched.age += credit;
  const Duration allowed = deadline(watched, sight);
  if (watched.age <= allowed) return "";
  return "hang: no progress for " + in_seconds(watched.age) + " in " + describe_place(sight) + " (deadline " +
         in_seconds(allowed) + ")";
}

void HangDetector::end_part(const Watched& watched, const std::string& name) {
  if (watched.age <= Duration(0)) return;
  Duration& longest = longest_[name][watched.phase];
  longest = std::max(watched.age, scaled(longest, kForget));
}

Duration HangDetector::deadline(const Watched& watched, const ActorSight& sight) const {
  Duration allowed = std::max(limits_.first, limits_.floor);
  const auto actor = longest_.find(sight.actor.name);
  const bool has_seen = actor != longest_.end() && actor->second.contains(sight.phase);
  const bool has_stepped = is_of_every_step(sight.phase) && sight.step >= watched.first_step + kStepsToKnow;
  if (has_seen) {
    allowed = std::max(limits_.floor, scaled(actor->second.at(sight.phase), limits_.factor));
  } else if (has_stepped) {
    allowed = limits_.floor;  // it has been there between two looks
  }
  const Duration used = sight.processor_time - watched.processor_before;
  if (used > watched.age / 4) allowed = scaled(allowed, limits_.computing);
  return scaled(allowed, lateness_);
}

}  // namespace troupe::scheduler
