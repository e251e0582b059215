#include "runtime/node_core.hpp"

#include "runtime/dead_letter.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <utility>

namespace troupe::runtime {
namespace {

constexpr std::size_t kDeadKept = 256;

Failure has_been_before(const ActorId& id) {
  return {FailureKind::unknown, id.describe() + " has been before, or a newer incarnation: pass a higher one"};
}

}  // namespace

NodeCore::NodeCore(Node& node, NodeOptions node_options, NodeParts node_parts)
    : options(std::move(node_options)), parts(std::move(node_parts)), node_(node) {}

NodeCore::~NodeCore() {
  shutdown(std::chrono::seconds(2));
}

Result<Done> NodeCore::start() {
  return parts.transport->start(*this);
}

Result<std::shared_ptr<ActorCell>> NodeCore::make_cell(std::string name, std::unique_ptr<Actor> actor,
                                                       const SpawnOptions& spawn) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return Failure{FailureKind::unknown, "an actor's name has 1 to " + std::to_string(kMaxNameBytes) + " letters"};
  }
  const ActorId id{std::move(name), spawn.incarnation};
  ActorCell::Parts cell_parts;
  cell_parts.id = id;
  cell_parts.actor = std::move(actor);
  cell_parts.mailbox_capacity = options.mailbox_capacity;
  cell_parts.flight_records = options.flight_records;
  // One lock around all of it: a refused name must not touch the status page of the actor that has it.
  const std::lock_guard lock(mutex_);
  if (over_) return Failure{FailureKind::disconnected, "node " + options.name + " is shutting down"};
  const std::uint64_t key = name_hash(id.name);
  if (cells_.contains(key)) {
    return Failure{FailureKind::unknown, "there is already an actor named " + id.name + " on node " + options.name};
  }
  if (!options.status_directory.empty()) {
    if (directory.is_stale(key, id.incarnation)) return has_been_before(id);
    Result<std::unique_ptr<StatusPage>> page = StatusPage::open(options.status_directory, id);
    if (!page) return page.failure();
    cell_parts.page = std::move(page).value();
  }
  if (!directory.announce({id, parts.transport->endpoint()})) return has_been_before(id);
  cell_parts.strand = parts.dispatcher->make_strand(spawn.placement);
  auto cell = std::make_shared<ActorCell>(node_, *this, std::move(cell_parts));
  cells_.emplace(key, cell);
  return cell;
}

std::shared_ptr<ActorCell> NodeCore::find_cell(std::uint64_t name) const {
  const std::lock_guard lock(mutex_);
  const auto found = cells_.find(name);
  return found == cells_.end() ? nullptr : found->second;
}

void NodeCore::shutdown(Duration deadline) {
  const auto give_up = std::chrono::steady_clock::now() + deadline;
  std::vector<std::shared_ptr<ActorCell>> cells;
  {
    const std::lock_guard lock(mutex_);
    if (over_.exchange(true)) return;
    for (const auto& [key, cell] : cells_) cells.push_back(cell);
  }
  struct Countdown {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t left = 0;
  };
  const auto countdown = std::make_shared<Countdown>();  // shared with cells that stop after the deadline
  countdown->left = cells.size();
  for (const auto& cell : cells) {
    cell->ask_to_stop([countdown] {
      const std::lock_guard lock(countdown->mutex);
      if (--countdown->left == 0) countdown->done.notify_all();
    });
  }
  {
    std::unique_lock lock(countdown->mutex);
    countdown->done.wait_until(lock, give_up, [&countdown] { return countdown->left == 0; });
  }
  const Failure closing{FailureKind::disconnected, "node " + options.name + " is shutting down"};
  for (const auto& cell : cells) cell->abandon(closing);
  pending_.close(closing);
  parts.transport->stop(std::max(Duration{0}, Duration{give_up - std::chrono::steady_clock::now()}));
  parts.timers->stop();
  parts.dispatcher->stop();
  for (const auto& cell : cells) cell->let_go();  // of those that could not end
}

std::vector<Snapshot> NodeCore::snapshots() const {
  const std::lock_guard lock(mutex_);
  std::vector<Snapshot> all(dead_.begin(), dead_.end());
  for (const auto& [key, cell] : cells_) all.push_back(cell->snapshot());
  return all;
}

std::vector<FlightRecord> NodeCore::flight(std::string_view name) const {
  if (const std::shared_ptr<ActorCell> cell = find_cell(name_hash(name))) return cell->flight();
  const std::lock_guard lock(mutex_);
  const auto dead =
      std::find_if(dead_.rbegin(), dead_.rend(), [name](const Dead& each) { return each.actor.name == name; });
  return dead == dead_.rend() ? std::vector<FlightRecord>{} : dead->flight;
}

void NodeCore::cell_ended(const ActorCell& cell, const Failure& cause) {
  const ActorId id = cell.id();
  directory.bury(id);
  watches_.remove_watcher(name_hash(id.name));
  std::shared_ptr<ActorCell> last;  // released outside the lock: its destructor runs the actor's
  {
    const std::lock_guard lock(mutex_);
    std::erase(link_watchers_, Watcher{name_hash(id.name), id.incarnation, ""});
    const auto found = cells_.find(name_hash(id.name));
    if (found != cells_.end() && found->second.get() == &cell) {
      dead_.push_back({cell.snapshot(), cell.flight()});
      if (dead_.size() > kDeadKept) dead_.pop_front();
      last = std::move(found->second);
      cells_.erase(found);
    }
  }
  // What it had not answered, it has answered at its end, but for what it was made to forget.
  const Failure seen_outside = cause.within(id.describe());
  pending_.fail_target(name_hash(id.name), id.incarnation, seen_outside);
  if (cell.has_forgotten()) fail_target(id, seen_outside);
  tell_watchers(id, cause);
}

Failure NodeCore::cause_of_death(const ActorId& actor) const {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(dead_.rbegin(), dead_.rend(), [&actor](const Snapshot& dead) {
      return dead.actor.name == actor.name && (actor.incarnation == 0 || dead.actor.incarnation == actor.incarnation);
    });
    if (found != dead_.rend()) {
      if (found->status == ActorStatus::failed) return {FailureKind::faulted, found->failure};
      return orderly_end();
    }
  }
  const bool dead = actor.incarnation != 0 && directory.is_stale(name_hash(actor.name), actor.incarnation);
  if (dead) return {FailureKind::disconnected, actor.describe() + " is dead"};
  return {FailureKind::unknown, "no actor named " + actor.name};
}

void NodeCore::remember_waiting(std::weak_ptr<ActorCell> cell) {
  const std::lock_guard lock(mutex_);
  if (wait_for_room_.size() > 2 * cells_.size() + kDeadKept) {
    std::erase_if(wait_for_room_, [](const std::weak_ptr<ActorCell>& each) { return each.expired(); });
  }
  wait_for_room_.push_back(std::move(cell));
}

void NodeCore::on_room(const std::string&) {
  std::vector<std::weak_ptr<ActorCell>> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(wait_for_room_);
  }
  for (const auto& each : waiting) {
    if (const std::shared_ptr<ActorCell> cell = each.lock()) cell->try_kept_again();
  }
}

void NodeCore::count_stale(std::uint64_t receiver) {
  if (const std::shared_ptr<ActorCell> cell = find_cell(receiver)) return cell->count_stale();
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(dead_.rbegin(), dead_.rend(),
                                  [receiver](const Snapshot& dead) { return name_hash(dead.actor.name) == receiver; });
  if (found != dead_.rend()) ++found->stale_rejected;
}

void NodeCore::fail_requests(const ActorCell::Pick& pick, const Failure& why) {
  std::vector<std::shared_ptr<ActorCell>> askers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, cell] : cells_) {
      if (cell->has_open_requests()) askers.push_back(cell);
    }
  }
  for (const auto& asker : askers) asker->fail_requests(pick, why);
}

void NodeCore::fail_target(const ActorId& actor, const Failure& why) {
  const std::uint64_t key = name_hash(actor.name);
  pending_.fail_target(key, actor.incarnation, why);
  fail_requests([key, incarnation = actor.incarnation](
                    const OpenRequests& open, std::uint64_t asked) { return open.of_target(key, incarnation, asked); },
                why);
}

void NodeCore::end_streams(const std::function<bool(const ReplyTo&)>& matches, const Failure& why) {
  std::vector<std::shared_ptr<ActorCell>> producers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, cell] : cells_) {
      if (cell->has_streams()) producers.push_back(cell);
    }
  }
  for (const auto& producer : producers) producer->end_streams(matches, why);
}

void NodeCore::declare_down(const ActorId& actor, const Failure& cause) {
  directory.bury(actor);
  end_streams(
      [key = name_hash(actor.name), actor](const ReplyTo& reader) {
        return reader.asker == key && reader.asker_incarnation <= actor.incarnation;
      },
      {FailureKind::disconnected, actor.describe() + ": " + cause.text});
  fail_target(actor, {FailureKind::disconnected, actor.describe() + ": " + cause.text});
  tell_watchers(actor, cause);
}

void NodeCore::on_peer_down(const std::string& endpoint, const Failure& why) {
  const Failure cause{FailureKind::disconnected, "connection to " + endpoint + " lost: " + why.text};
  pending_.fail_endpoint(endpoint, cause);
  fail_requests([endpoint](const OpenRequests& open, std::uint64_t asked) { return open.of_endpoint(endpoint, asked); },
                cause);
  end_streams([endpoint](const ReplyTo& reader) { return reader.endpoint == endpoint; }, cause);
  watches_.remove_endpoint(endpoint);
  for (const ActorId& actor : directory.living_at(endpoint)) tell_watchers(actor, cause);
  tell_of_lost_link(endpoint, cause);
}

void NodeCore::tell_of_loss(const Mail& lost, const Failure& why) {
  const Envelope* const bytes = lost.bytes();
  tell_of_loss(lost.header, lost.name(), std::string(bytes != nullptr ? bytes->from_endpoint() : ""), why);
}

void NodeCore::tell_of_loss(const Header& lost, std::string_view message, const std::string& from, const Failure& why) {
  if (lost.kind != EnvelopeKind::message || lost.if_lost != IfLost::tell_sender || lost.sender == 0) return;
  DeadLetter letter;
  letter.receiver = {directory.name_of(lost.receiver), lost.receiver_incarnation};
  letter.message = message;
  letter.reason = why.within("node " + options.name).shortened();
  MailPtr mail = make_mail(std::move(letter));
  address(*mail, lost.sender, lost.sender_incarnation);
  // A dead letter is nobody's message: what becomes of it is no concern of anybody.
  if (!from.empty()) return (void)hand_over(from, *mail, options.name);
  const std::shared_ptr<ActorCell> sender = find_cell(lost.sender);
  if (sender && deliver_local(*sender, mail)) sender->count_dead_letter();
}

void NodeCore::log_dead_letter(const Mail& mail, const Failure& why) const {
  if (const Envelope* const bytes = mail.bytes()) return log_dead_letter(*bytes, why);
  if (!spdlog::should_log(spdlog::level::debug)) return;
  const std::shared_ptr<ActorCell> sender = find_cell(mail.header.sender);
  spdlog::debug("event=dead_letter node={} message={} sender={} cause=\"{}\"", options.name, mail.name(),
                sender ? sender->id().name : options.name, why.text);
}

void NodeCore::log_dead_letter(const Envelope& envelope, const Failure& why) const {
  spdlog::debug("event=dead_letter node={} message={} sender={} cause=\"{}\"", options.name, envelope.message,
                envelope.sender_name, why.text);
}

}  // namespace troupe::runtime
