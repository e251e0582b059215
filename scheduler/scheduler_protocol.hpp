#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/directory.hpp"
#include "runtime/failure.hpp"
#include "runtime/job_protocol.hpp"

#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

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
/// The actor in each worker process that keeps its directory up to date.
[[nodiscard]] inline std::string member_name(std::string_view actor) {
  return "member/" + std::string(actor);
}

// ---- to the head ----

/// A node agent reports for work (request; answered with Registered or a failure).
struct RegisterNode {
  static constexpr std::string_view kName = "head.register_node";
  std::string node;
  runtime::DirectoryEntry agent;
  std::uint32_t slots = 0;  ///< actors it can hold; 0 = any number

  template <class Archive>
  void serialize(Archive& archive) {
    archive(node, agent, slots);
  }
};

struct Registered {
  static constexpr std::string_view kName = "head.registered";
  std::uint32_t term = 0;
  std::uint64_t job = 0;
  std::uint64_t heartbeat_ms = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(term, job, heartbeat_ms);
  }
};

/// A worker process has its actor running (request; answered with Ack).
struct WorkerReady {
  static constexpr std::string_view kName = "head.worker_ready";
  runtime::DirectoryEntry actor;
  runtime::DirectoryEntry member;
  std::int64_t process = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, member, process);
  }
};

/// An agent saw an actor's process end, with the true cause.
struct ActorExited {
  static constexpr std::string_view kName = "head.actor_exited";
  runtime::ActorId actor;
  runtime::Failure cause;
  std::int64_t process = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, cause, process);
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

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, job, term, head_endpoint, run_directory, job_text);
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

/// The head gave this node up as lost, and it is alive after all: what it runs has been placed anew. End it, register
/// again.
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
  std::vector<runtime::DirectoryEntry> alive;
  std::vector<Death> dead;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(alive, dead);
  }
};

}  // namespace troupe::scheduler
