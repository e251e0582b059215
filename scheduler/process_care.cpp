#include "scheduler/process_care.hpp"

#include "runtime/observe/status_page.hpp"
#include "scheduler/process_sight.hpp"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

namespace troupe::scheduler {
namespace {

/// Nothing before the actor's page is there.
std::optional<ActorSight> sight_of(const runtime::ActorId& actor, const std::filesystem::path& run_directory,
                                   pid_t pid) {
  const auto page = runtime::read_status_page(run_directory / "actors", actor);
  if (!page || page->process != pid) return std::nullopt;
  const std::optional<ProcessSight> process = look_at_process(pid);
  if (!process) return std::nullopt;
  ActorSight sight;
  sight.actor = actor;
  sight.phase = page->phase;
  sight.step = page->step;
  sight.micro_batch = page->micro_batch;
  sight.busy_since_ns = page->busy_since_ns;
  sight.updated_ns = page->updated_ns;
  sight.processor_time = process->processor_time;
  if (process->state == 'T') sight.process = ActorSight::Process::stopped;
  if (process->state == 't') sight.process = ActorSight::Process::traced;
  return sight;
}

}  // namespace

void ProcessCare::started(pid_t process, const runtime::ActorId& actor, const std::filesystem::path& run_directory,
                          runtime::TimePoint now) {
  patients_[process] = Patient{actor, run_directory, now, "", {}};
}

std::vector<pid_t> ProcessCare::look(runtime::TimePoint now) {
  if (limits_.floor <= runtime::Duration(0) || now - last_look_ < limits_.every) return {};
  last_look_ = now;
  std::vector<ActorSight> sights;
  for (const auto& [pid, patient] : patients_) {
    if (auto sight = sight_of(patient.actor, patient.run_directory, pid)) sights.push_back(std::move(*sight));
  }
  std::vector<pid_t> hung;
  for (Hang& hang : detector_.look(now, sights)) {
    for (auto& [pid, patient] : patients_) {
      if (patient.actor != hang.actor) continue;
      spdlog::warn("event=actor_hangs actor={} pid={} cause=\"{}\"", hang.actor.describe(), pid, hang.why);
      patient.hang = std::move(hang.why);
      patient.threads = describe_threads(pid);
      hung.push_back(pid);
      break;
    }
  }
  return hung;
}

runtime::Failure ProcessCare::whole_cause(pid_t process, runtime::Failure cause) const {
  const auto found = patients_.find(process);
  if (found == patients_.end() || found->second.hang.empty()) return cause;
  cause.text = found->second.hang + " (" + cause.text + ")";
  return cause;
}

runtime::Result<std::filesystem::path> ProcessCare::bury(pid_t process, const runtime::Failure& cause,
                                                         runtime::TimePoint now) {
  const auto found = patients_.find(process);
  if (found == patients_.end()) {
    return runtime::Failure{runtime::FailureKind::unknown, "process " + std::to_string(process) + " is not known"};
  }
  const Patient patient = std::move(found->second);
  patients_.erase(found);
  const double lived = std::chrono::duration<double>(now - patient.started).count();
  const auto written =
      write_post_mortem({patient.actor, process, node_, patient.run_directory, cause, patient.threads, lived});
  if (!written) return written.failure();
  return post_mortem_file(patient.actor);
}

}  // namespace troupe::scheduler
