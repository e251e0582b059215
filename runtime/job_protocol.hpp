#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/failure.hpp"
#include "runtime/message/ack.hpp"
#include "runtime/message/envelope.hpp"
#include "runtime/message/span_archive.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Where the one who places a job's actors (the head) and the one who drives the job (the trainer) meet: they know each
/// other's messages, not each other.
namespace troupe::runtime {

inline constexpr std::string_view kHeadName = "head";
/// Of the first head of a job, and of the driver beside it. A head that is started again has the next, and so has its
/// driver.
inline constexpr std::uint32_t kHeadIncarnation = 1;

// ---- to the driver ----

/// Every actor of the job is up: `actors` are the incarnations to work with.
struct AllUp {
  static constexpr std::string_view kName = "driver.all_up";
  std::vector<ActorId> actors;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actors);
  }
};

/// What an actor was doing last: what it told by Context::note().
struct Doing {
  Phase phase = Phase::none;      ///< none: nobody knows
  std::uint32_t step = 0;         ///< from 1
  std::uint32_t micro_batch = 0;  ///< numbered over all replicas

  /// Of all three.
  bool operator==(const Doing&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(phase, step, micro_batch);
  }
};

/// An actor died and is being started again; AllUp follows when the job is whole.
struct ActorLost {
  static constexpr std::string_view kName = "driver.actor_lost";
  ActorId actor;
  Failure cause;
  Doing doing = {};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, cause, doing);
  }
};

/// Actors are not started for lack of a place; told once for each reason that lasts.
struct PlacementWaits {
  static constexpr std::string_view kName = "driver.placement_waits";
  std::string why;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(why);
  }
};

/// The head gives up: restarting did not help. `report` is the root-cause block, many lines.
struct JobFailed {
  static constexpr std::string_view kName = "driver.job_failed";
  std::string report;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(report);
  }
};

// ---- to the head ----

/// Somebody wants an actor's process killed: a person at the console, a driver that waits for it in vain, or a fault on
/// purpose (request; answered with Ack).
struct KillActor {
  static constexpr std::string_view kName = "head.kill_actor";
  std::string name;
  std::uint32_t incarnation = 0;  ///< no other is killed; 0 = whoever holds the name now

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, incarnation);
  }
};

/// A line for events.jsonl from another actor: `fields` is a JSON object as text.
struct RecordEvent {
  static constexpr std::string_view kName = "head.record_event";
  std::string event;
  std::string fields;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(event, fields);
  }
};

}  // namespace troupe::runtime
