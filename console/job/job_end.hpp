#pragma once

#include "actors/trainer_actor.hpp"
#include "console/job_runner.hpp"
#include "scheduler/event_log.hpp"

#include <functional>
#include <string>

namespace troupe::console {

/// "finished", "stopped" or "failed", as head.json and the events say it.
[[nodiscard]] std::string state_word(actors::TrainingEnd::Kind kind);

/// Calls `work`, whose failure is a warning only: what is written after the end is for people, and a full disk does not
/// change how the job ended.
void warn_if_failing(const std::function<void()>& work);

/// Writes the end into events.jsonl and head.json, of which `head` is the rest.
void record_end(const JobOptions& options, const actors::TrainingEnd& end, HeadInfo head, scheduler::EventLog& events);

/// Writes the report, and tells the user how the job ended and where its results are. Returns the exit status.
[[nodiscard]] int tell_end(const JobOptions& options, const actors::TrainingEnd& end);

}  // namespace troupe::console
