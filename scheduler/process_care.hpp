#pragma once

#include "scheduler/hang_detector.hpp"
#include "scheduler/post_mortem.hpp"

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// What a node's agent does for the processes of its actors besides starting and reaping them: looks whether they get
/// on, says which have to be killed because they hang, and writes a post-mortem of each that has ended.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns what it knows of each process, from started() to bury() or forget().
/// Errors:        bury() says why a post-mortem cannot be written; the run goes on.
/// Restart:       starts with the agent, which then holds no processes.
///
/// PC-1  A hung process is named once by look(), with where its threads were written down before.
/// PC-2  The cause of a death that look() asked for begins with why.
class ProcessCare final {
public:
  /// `node`: its name, for people.
  ProcessCare(std::string node, HangLimits limits) : node_(std::move(node)), limits_(limits), detector_(limits) {}

  void started(pid_t process, const runtime::ActorId& actor, const std::filesystem::path& run_directory,
               runtime::TimePoint now);
  /// Those to be killed now; looks when it is time to.
  [[nodiscard]] std::vector<pid_t> look(runtime::TimePoint now);
  /// The kernel's account of its end, behind why it was to be killed, if it was.
  [[nodiscard]] runtime::Failure whole_cause(pid_t process, runtime::Failure cause) const;
  /// It is gone, for that reason: writes its post-mortem, whose path in the run folder it returns, or why there is
  /// none.
  runtime::Result<std::filesystem::path> bury(pid_t process, const runtime::Failure& cause, runtime::TimePoint now);
  /// It is gone, as it should.
  void forget(pid_t process) { patients_.erase(process); }

private:
  struct Patient {
    runtime::ActorId actor;
    std::filesystem::path run_directory;
    runtime::TimePoint started;
    std::string hang;                  // why it was named by look(); empty = it was not
    std::vector<std::string> threads;  // then, where they were
  };

  const std::string node_;
  const HangLimits limits_;
  HangDetector detector_;
  std::map<pid_t, Patient> patients_;
  runtime::TimePoint last_look_{};
};

}  // namespace troupe::scheduler
