#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/clock.hpp"
#include "runtime/directory.hpp"
#include "runtime/failure.hpp"
#include "runtime/job_protocol.hpp"

#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What the head, the node agents and the member actors of worker processes say to each other.
namespace troupe::scheduler {

using runtime::Ack;
using runtime::ActorLost;
using runtime::AllUp;
using runtime::JobFailed;
using runtime::kHeadName;
using runtime::KillActor;
using runtime::RecordEvent;

[[nodiscard]] inline std::string agent_name(std::string_view node) {
  return "node/" + std::string(node);
}
/// So long does what was placed go on without a head. One that returns is back within a second; one that does not come
/// back must not leave machines computing for nobody.
inline constexpr runtime::Duration kHeadLease = std::chrono::seconds(10);

/// The actor in each worker process that keeps its directory up to date.
[[nodiscard]] inline std::string member_name(std::string_view actor) {
  return "member/" + std::string(actor);
}

// ---- to the head ----

/// An agent saw an actor's process end, with the true cause.
struct ActorExited {
  static constexpr std::string_view kName = "head.actor_exited";
  runtime::ActorId actor;
  runtime::Failure cause;
  std::int64_t process = 0;
  std::uint32_t term = 0;  ///< of the head that had it started
  runtime::Doing doing = {};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, cause, process, term, doing);
  }
};

/// A node agent reports for work (request; answered with Registered or a failure). It may have worked before: for a
/// head that died since, or for this one, to which it has lost its link.
struct RegisterNode {
  static constexpr std::string_view kName = "head.register_node";
  /// A process of an actor that runs at this node.
  struct Held {
    runtime::ActorId actor;
    std::int64_t process = 0;
    std::uint32_t term = 0;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(actor, process, term);
    }
  };
  std::string node;
  runtime::DirectoryEntry agent;
  std::uint32_t slots = 0;         ///< actors it can hold; 0 = any number
  std::vector<Held> held;          ///< what runs
  std::vector<ActorExited> ended;  ///< what ended while there was nobody to report it to

  template <class Archive>
  void serialize(Archive& archive) {
    archive(node, agent, slots, held, ended);
  }
};

struct Registered {
  static constexpr std::string_view kName = "head.registered";
  std::uint32_t term = 0;
  std::uint64_t job = 0;
  std::uint64_t heartbeat_ms = 0;
  runtime::DirectoryEntry head;
  std::vector<runtime::ActorId> adopted;  ///< of what the agent holds; the rest is no part of the job any more

  template <class Archive>
  void serialize(Archive& archive) {
    archive(term, job, heartbeat_ms, head, adopted);
  }
};

/// A worker process has its actor running (request; answered with Ack).
struct WorkerReady {
  static constexpr std::string_view kName = "head.worker_ready";
  runtime::DirectoryEntry actor;
  runtime::DirectoryEntry member;
  std::int64_t process = 0;
  std::uint32_t term = 0;  ///< of the head that had it started

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, member, process, term);
  }
};

/// A worker process has lost its link to another one: messages between them may be gone, and both may live and wait for
/// them.
struct PeerLost {
  static constexpr std::string_view kName = "head.peer_lost";
  runtime::ActorId reporter;
  runtime::ActorId peer;
  runtime::Failure cause;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(reporter, peer, cause);
  }
};

struct NodeHeartbeat {
  static constexpr std::string_view kName = "head.node_heartbeat";
  std::string node;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(node);
  }
};

/// A member has lost the head: is there one, and does the member's actor belong to its job (request; answered with
/// Leader)?
struct WhoLeads {
  static constexpr std::string_view kName = "head.who_leads";
  runtime::ActorId actor;
  std::uint32_t term = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, term);
  }
};

struct Leader {
  static constexpr std::string_view kName = "head.leader";
  enum class Asker : unsigned char { belongs = 1, does_not_belong = 2 };
  runtime::DirectoryEntry head;
  runtime::DirectoryEntry driver;
  Asker asker = Asker::does_not_belong;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(head, driver, asker);
  }
};

/// The job is over (or must not go on): stop every process.
struct EndJob {
  static constexpr std::string_view kName = "head.end_job";
  std::string reason;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(reason);
  }
};

// ---- to a node agent ----

/// Start a process for one incarnation of an actor (request; answered with Ack once the process runs).
struct SpawnActor {
  static constexpr std::string_view kName = "agent.spawn_actor";
  runtime::ActorId actor;
  std::uint64_t job = 0;
  std::uint32_t term = 0;
  std::string head_endpoint;
  std::string run_directory;
  std::string job_text;  ///< the resolved job, handed through unread
  std::uint32_t head_incarnation = 1;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, job, term, head_endpoint, run_directory, job_text, head_incarnation);
  }
};

/// Kill the process of one incarnation with SIGKILL.
struct KillProcess {
  static constexpr std::string_view kName = "agent.kill_process";
  runtime::ActorId actor;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor);
  }
};

/// The head does not know this node, or gave it up as lost, and it is alive after all: register again, with what runs.
struct JoinAgain {
  static constexpr std::string_view kName = "agent.join_again";
  template <class Archive>
  void serialize(Archive&) {}
};

/// End all processes of this agent: SIGTERM, then SIGKILL after a grace period (request; answered with Ack).
struct StopAll {
  static constexpr std::string_view kName = "agent.stop_all";
  template <class Archive>
  void serialize(Archive&) {}
};

// ---- to every member ----

/// Who lives where, and who died since (request; answered with Ack once the directory says so).
struct DirectoryUpdate {
  static constexpr std::string_view kName = "member.directory_update";
  struct Death {
    runtime::ActorId actor;
    runtime::Failure cause;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(actor, cause);
    }
  };
  std::vector<runtime::DirectoryEntry> alive;  ///< the head and the driver among them
  std::vector<Death> dead;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(alive, dead);
  }
};

}  // namespace troupe::scheduler
