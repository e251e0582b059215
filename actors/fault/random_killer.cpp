#include "actors/fault/random_killer.hpp"

#include "runtime/job_protocol.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <utility>

namespace troupe::actors {
namespace {

// The head is in the same process; when it is busy for longer, the next kill comes instead.
constexpr runtime::Duration kAnswerDeadline = std::chrono::seconds(5);

/// Above 0 and at most 1, from the upper 53 bits: the same on every machine, which standard distributions are not.
double draw_share(std::mt19937_64& random) {
  return static_cast<double>((random() >> 11) + 1) * 0x1p-53;
}

}  // namespace

RandomKiller::RandomKiller(FaultRule rule, FaultJournal journal, std::vector<std::string> actors)
    : rule_(std::move(rule)), journal_(std::move(journal)), actors_(std::move(actors)), random_(rule_.seed) {}

runtime::Behavior RandomKiller::behavior() {
  return {runtime::on(this, &RandomKiller::kill_somebody)};
}

void RandomKiller::on_start(runtime::Context& context) {
  if (!actors_.empty()) wait(context);
}

void RandomKiller::wait(runtime::Context& context) {
  const std::chrono::duration<double> mean = rule_.every;
  const auto gap = std::chrono::duration_cast<runtime::Duration>(-std::log(draw_share(random_)) * mean);
  context.after(gap, KillSomebody{});
}

void RandomKiller::kill_somebody(const KillSomebody&, runtime::Context& context) {
  const std::string& victim = actors_[random_() % actors_.size()];
  context.request<runtime::Ack>({std::string(runtime::kHeadName), 0}, runtime::KillActor{victim}, kAnswerDeadline,
                                [this, victim](runtime::Result<runtime::Ack> answer, runtime::Context& turn) {
                                  if (answer) killed(victim, turn);  // else it was down already
                                });
  wait(context);
}

void RandomKiller::killed(const std::string& victim, runtime::Context& context) {
  ++kills_;
  journal_.note(rule_, {victim, 0, 0, "random", std::nullopt});
  const nlohmann::ordered_json fields{{"rule", rule_.text}, {"actor", victim}, {"kills", kills_}};
  (void)context.send_when_room(runtime::kHeadName,
                               runtime::RecordEvent{"fault_injected", fields.dump()});  // the head is in this process
}

}  // namespace troupe::actors
