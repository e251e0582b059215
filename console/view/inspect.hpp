#pragma once

#include "console/run_folder.hpp"
#include "runtime/observe/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe::console {

/// One life of an actor, as events.jsonl tells it. Times are seconds of the head's clock.
struct Incarnation {
  std::uint32_t number = 0;
  std::string node;
  std::int64_t process = 0;
  std::optional<double> up;    ///< absent: died before it was up
  std::optional<double> down;  ///< absent: not seen to die
  std::string cause;
  std::string post_mortem = {};  ///< its file, in the run folder; empty = it has none
};

/// A message that an actor took, from its flight recorder.
struct HeardMessage {
  double age_seconds = 0;  ///< since its turn began
  std::string name;
  std::string sender;  ///< empty: nobody with a name, or an actor without a page here
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
};

/// One actor of a run, live or dead.
struct ActorView {
  std::string name;
  std::optional<runtime::Snapshot> page;  ///< of its newest incarnation; absent: its host shares no folder with us
  std::string status;                     ///< the page's, or "dead", or "frozen" (stopped by a signal)
  double age_seconds = -1.0;              ///< since the page changed; below 0 = unknown
  double busy_seconds = -1.0;             ///< since the turn now running began; below 0 = between turns
  std::vector<Incarnation> history;       ///< oldest first
  std::vector<HeardMessage> heard;        ///< the last ones, oldest first; filled by look_at_messages() alone
  bool is_former = false;                 ///< of an earlier layout: the run was resumed without it
};

/// What an observer at one moment knows besides the files.
struct Observer {
  std::int64_t now_ns = 0;  ///< CLOCK_MONOTONIC
  enum class Head { alive, gone } head = Head::gone;
  std::function<ProcessState(int process, std::int64_t updated_ns)> process_state;
};

/// Puts status pages and events together, sorted by name. Asks no process, so it works on stuck and dead ones.
///
/// IN-1  An actor whose page says running and whose process is gone is "dead".
/// IN-2  Of several pages of one actor the one of a living process counts, else the one written last.
/// IN-4  An actor that had its lives in the run and is not among those of the newest start of the job is a former one.
/// IN-3  A process of another node is judged by events and by the head, never by its pid here.
[[nodiscard]] std::vector<ActorView> assemble_actors(const std::vector<runtime::Snapshot>& pages,
                                                     const std::vector<nlohmann::json>& events,
                                                     const Observer& observer);

/// assemble_actors() over the files of a run folder, now.
[[nodiscard]] std::vector<ActorView> look_at_run(const RunFolder& folder);

/// Fills `heard` of those that have a page in `folder`, also of dead ones; `all` = whose names a sender may have.
void look_at_messages(const RunFolder& folder, const std::vector<ActorView>& all, std::vector<ActorView>& actors);

/// The actor with this name. Throws CommandError (not_found) with the names that exist.
[[nodiscard]] const ActorView& find_actor(const std::vector<ActorView>& actors, const std::string& name);

/// Actors of the job as it is now, without former ones and those that the runtime itself adds (head, node/...,
/// member/...).
[[nodiscard]] std::vector<ActorView> only_job_actors(std::vector<ActorView> actors);

}  // namespace troupe::console
