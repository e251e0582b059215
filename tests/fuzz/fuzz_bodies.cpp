#include "actors/collective/collective_protocol.hpp"
#include "actors/data_protocol.hpp"
#include "actors/server_protocol.hpp"
#include "actors/stage_protocol.hpp"
#include "actors/trainer_protocol.hpp"
#include "runtime/actor_ref.hpp"
#include "runtime/dead_letter.hpp"
#include "runtime/group/group.hpp"
#include "runtime/job_protocol.hpp"
#include "runtime/message/message.hpp"
#include "runtime/stream/stream_protocol.hpp"
#include "runtime/supervision/link.hpp"
#include "runtime/transport/zmq_handshake.hpp"
#include "runtime/watch.hpp"
#include "scheduler/head_log.hpp"
#include "scheduler/member_actor.hpp"
#include "scheduler/node_agent.hpp"
#include "scheduler/scheduler_protocol.hpp"
#include "tests/fuzz/fuzz_target.hpp"

#include <array>
#include <map>
#include <optional>
#include <utility>

namespace troupe::runtime {

namespace {

/// Every shape that a field of a message has, or could have.
struct Shapes {
  static constexpr std::string_view kName = "fuzz.shapes";
  struct Inner {
    std::string text;
    std::vector<std::string> words;
    std::array<std::int16_t, 3> three{};
    template <class Archive>
    void serialize(Archive& archive) {
      archive(text, words, three);
    }
  };
  bool flag = false;
  double real = 0;
  std::vector<float> numbers;
  std::vector<bool> flags;
  std::vector<Inner> inners;
  std::vector<std::vector<std::uint32_t>> nested;
  std::map<std::string, std::vector<std::string>> words;
  std::optional<std::string> maybe;
  std::pair<std::uint32_t, std::string> pair;
  Payload one;
  std::vector<Payload> several;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(flag, real, numbers, flags, inners, nested, words, maybe, pair, one, several);
  }
};

/// Whom to ask, as an actor tells another one.
struct Addresses {
  static constexpr std::string_view kName = "fuzz.addresses";
  Group group;
  std::vector<ActorRef<Protocol<Ack>>> actors;
  Failure why;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(group, actors, why);
  }
};

void look_into(const Addresses& addresses) {
  const Group& group = addresses.group;
  if (group.size() > Group::kMaxActors) throw FuzzFinding("GR-4: a group beyond the limits");
  if (group == Group{}) return;
  const Result<Group> same = group.select(group.describe());
  if (!same || !(*same == group)) throw FuzzFinding("GR-3: " + group.describe() + " is not what it says");
}
template <class M>
void look_into(const M&) {}

/// What was read can be written, and reads back as the same bytes.
template <class M>
void read_as(Envelope& envelope) {
  envelope.message = M::kName;
  const Result<M> first = decode_message<M>(envelope);
  if (!first) {
    if (first.failure().text.empty()) throw FuzzFinding("a refusal without a reason");
    return;
  }
  look_into(*first);
  const Result<Envelope> written = try_encode_message(*first);
  if (!written) throw FuzzFinding("what was read cannot be written: " + written.failure().text);
  const Result<M> second = decode_message<M>(*written);
  if (!second) throw FuzzFinding("what was written cannot be read: " + second.failure().text);
  const Result<Envelope> again = try_encode_message(*second);
  if (!again || again->body != written->body || again->payloads.size() != written->payloads.size()) {
    throw FuzzFinding(std::string(M::kName) + " changes when it is passed on");
  }
}

using Reader = void (*)(Envelope&);

template <class... Messages>
constexpr std::array<Reader, sizeof...(Messages)> readers_of() {
  return {&read_as<Messages>...};
}

// Only ever added to, at the end: the corpus names them by number.
constexpr auto kReaders = readers_of<
    Shapes, LinkHello, LinkWelcome, LinkNote, LinkBye, ActorDown, LinkLost, Ack, AllUp, ActorLost, PlacementWaits,
    JobFailed, KillActor, RecordEvent, scheduler::RegisterNode, scheduler::Registered, scheduler::WorkerReady,
    scheduler::ActorExited, scheduler::PeerLost, scheduler::NodeHeartbeat, scheduler::EndJob, scheduler::WhoLeads,
    scheduler::Leader, scheduler::SeekHead, scheduler::HeadRecord, scheduler::SpawnActor, scheduler::KillProcess,
    scheduler::JoinAgain, scheduler::StopAll, scheduler::DirectoryUpdate, scheduler::ProcessEnded, scheduler::AgentTick,
    actors::ServeSteps, actors::StepBegun, actors::ServeEvaluation, actors::PushGradients, actors::ShareWeights,
    actors::LoadState, actors::StateLoaded, actors::RunSteps, actors::BatchInputs, actors::BatchTargets,
    actors::ForwardActivations, actors::BackwardGradients, actors::TiedGradient, actors::Commit, actors::FreshWeights,
    actors::BorderWeights, actors::SaveShard, actors::ShardSaved, actors::Continue, actors::StepVote,
    actors::ServerVote, actors::AsyncApplied, actors::EvaluationPart, actors::StopTraining, actors::SliceSums,
    actors::SliceTotal, actors::GatherOffer, actors::CommunicatorId, actors::CommunicatorEntered,
    actors::PollCollective, StreamOpened, StreamEnd, StreamGrant, WatchBody, LinkBody, DeadLetter, Addresses>();

}  // namespace

std::size_t fuzz_bodies(FuzzBytes& bytes) {
  const Reader read = kReaders.at(bytes.byte() % kReaders.size());
  Envelope envelope;
  for (unsigned count = bytes.byte() % 8U; count > 0; --count) {
    envelope.payloads.push_back(Payload::copy_of(bytes.take(bytes.byte())));
  }
  envelope.body = text_of(bytes.rest());
  read(envelope);
  return 0;
}

}  // namespace troupe::runtime
