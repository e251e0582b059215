#include "runtime/node.hpp"

#include "runtime/node_core.hpp"
#include "runtime/transport/memory_transport.hpp"

#include <future>
#include <utility>

namespace troupe::runtime {

NodeParts make_threaded_parts(int workers, std::unique_ptr<Transport> transport) {
  return {std::make_unique<SteadyClock>(),
          make_threaded_dispatcher(workers),
          make_threaded_timers(),
          std::move(transport),
          {}};
}

NodeParts make_local_parts(int workers) {
  return make_threaded_parts(workers, make_local_transport());
}

Node::Node(NodeOptions options, NodeParts parts)
    : core_(std::make_unique<NodeCore>(*this, std::move(options), std::move(parts))) {}

Node::~Node() = default;

Result<Done> Node::start() {
  return core_->start();
}

Result<ActorId> Node::spawn_later(std::string name, std::unique_ptr<Actor> actor, SpawnOptions options) {
  const Result<std::shared_ptr<ActorCell>> cell = core_->make_cell(std::move(name), std::move(actor), options);
  if (!cell) return cell.failure();
  (*cell)->start([](const Result<Done>&) {});
  return (*cell)->id();
}

Result<ActorId> Node::spawn(std::string name, std::unique_ptr<Actor> actor, SpawnOptions options) {
  const Result<std::shared_ptr<ActorCell>> cell = core_->make_cell(std::move(name), std::move(actor), options);
  if (!cell) return cell.failure();
  const auto started = std::make_shared<std::promise<Result<Done>>>();  // shared with a start that comes too late
  std::future<Result<Done>> outcome = started->get_future();
  (*cell)->start([started](Result<Done> result) { started->set_value(std::move(result)); });
  if (outcome.wait_for(options.deadline) != std::future_status::ready) {
    (*cell)->ask_to_stop([] {});
    return Failure{FailureKind::disconnected, (*cell)->id().describe() + " did not start within its deadline"};
  }
  const Result<Done> result = outcome.get();
  if (!result) return result.failure().within((*cell)->id().describe());
  return (*cell)->id();
}

Result<Done> Node::stop(std::string_view name, Duration deadline, StopMode mode) {
  const std::shared_ptr<ActorCell> cell = core_->find_cell(name_hash(name));
  if (!cell) return Failure{FailureKind::unknown, "no actor named " + std::string(name)};
  const auto stopped = std::make_shared<std::promise<void>>();  // shared with a stop that comes too late
  std::future<void> outcome = stopped->get_future();
  cell->ask_to_stop([stopped] { stopped->set_value(); }, mode);
  if (outcome.wait_for(deadline) == std::future_status::ready) return Done{};
  return Failure{FailureKind::disconnected, cell->id().describe() + " is still busy after its deadline"};
}

void Node::stop_later(const ActorId& actor, StopMode mode) {
  const std::shared_ptr<ActorCell> cell = core_->find_cell(name_hash(actor.name));
  if (cell && cell->id() == actor) cell->ask_to_stop([] {}, mode);
}

Directory& Node::directory() {
  return core_->directory;
}
const std::string& Node::endpoint() const {
  return core_->parts.transport->endpoint();
}
TimePoint Node::now() const {
  return core_->parts.clock->now();
}
const NodeOptions& Node::options() const {
  return core_->options;
}
void Node::announce(const DirectoryEntry& entry) {
  core_->directory.announce(entry);
}
void Node::declare_down(const ActorId& actor, const Failure& cause) {
  core_->declare_down(actor, cause);
}
std::vector<FlightRecord> Node::flight(std::string_view actor) const {
  return core_->flight(actor);
}

std::vector<Snapshot> Node::snapshots() const {
  return core_->snapshots();
}
TransportCounters Node::transport_counters() const {
  return core_->parts.transport->counters();
}
void Node::shutdown(Duration deadline) {
  core_->shutdown(deadline);
}

Result<Done> Node::send_mail(const ActorId& to, MailPtr mail) {
  mail->header.cause = core_->next_id();
  return core_->route(to, mail, core_->options.name);
}

Result<MailPtr> Node::ask_mail(const ActorId& to, MailPtr mail, Duration deadline) {
  mail->header.cause = core_->next_id();
  const auto answered = std::make_shared<std::promise<Result<MailPtr>>>();  // shared with an answer that comes too late
  std::future<Result<MailPtr>> outcome = answered->get_future();
  core_->ask(to, std::move(mail), deadline,
             [answered](Result<MailPtr> answer) { answered->set_value(std::move(answer)); });
  return outcome.get();  // the deadline's timer completes it at the latest
}

}  // namespace troupe::runtime
