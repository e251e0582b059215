#include "console/job/job_end.hpp"

#include "console/exit_codes.hpp"
#include "console/report.hpp"
#include "gpt2/store/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include <exception>
#include <iostream>

namespace troupe::console {
namespace {

using actors::TrainingEnd;

/// The command that goes on with the run; a head over several machines waits for its nodes at the same address again.
std::string resume_command(const JobOptions& options) {
  const std::string where = "--resume --run-dir " + options.folder.root.string();
  if (options.agent == JobOptions::Agent::embedded) return "troupe train " + where;
  return "troupe head " + where + " --listen " + options.listen + " --nodes " + std::to_string(options.nodes_wanted);
}

}  // namespace

std::string state_word(TrainingEnd::Kind kind) {
  switch (kind) {
    case TrainingEnd::Kind::finished:
      return "finished";
    case TrainingEnd::Kind::stopped:
      return "stopped";
    case TrainingEnd::Kind::failed:
      return "failed";
  }
  return "failed";
}

void warn_if_failing(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& problem) {
    std::cerr << "troupe: warning: " << problem.what() << "\n";
  }
}

void record_end(const JobOptions& options, const TrainingEnd& end, HeadInfo head, scheduler::EventLog& events) {
  nlohmann::ordered_json how{{"step", end.step}};
  if (!end.text.empty()) how["cause"] = end.text;
  events.record("job_" + state_word(end.kind), how);
  head.endpoint.clear();
  head.state = state_word(end.kind);
  warn_if_failing([&options, &head] { write_head_info(options.folder, head); });
}

int tell_end(const JobOptions& options, const TrainingEnd& end) {
  std::filesystem::path report;
  warn_if_failing([&report, &options] { report = write_report(options.folder); });
  const std::filesystem::path checkpoint = gpt2::find_newest_checkpoint(options.folder.checkpoints()).folder;
  if (options.output == JobOptions::Output::json) {
    nlohmann::ordered_json json;
    json["state"] = state_word(end.kind);
    json["step"] = end.step;
    json["run_directory"] = options.folder.root.string();
    if (!checkpoint.empty()) json["checkpoint"] = checkpoint.string();
    if (!report.empty()) json["report"] = report.string();
    if (!end.text.empty()) json["reason"] = end.text;
    std::cout << json.dump() << std::endl;
  } else if (end.kind != TrainingEnd::Kind::failed) {
    std::cout << "run folder:  " << options.folder.root.string()
              << "\ncheckpoint:  " << (checkpoint.empty() ? "none yet" : checkpoint.string())
              << "\nloss curve:  " << (report.empty() ? "not written" : report.string()) << std::endl;
  }
  if (end.kind == TrainingEnd::Kind::finished) return to_int(ExitCode::ok);
  if (end.kind == TrainingEnd::Kind::stopped) {
    std::cerr << "stopped at step " << end.step << " (" << end.text << "); go on with: " << resume_command(options)
              << "\n";
    return to_int(ExitCode::stopped);
  }
  std::cerr << "troupe: " << end.text << "\n";
  return to_int(ExitCode::failed);
}

}  // namespace troupe::console
