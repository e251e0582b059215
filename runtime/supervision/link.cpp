#include "runtime/supervision/link.hpp"

#include "runtime/node_core.hpp"

#include <utility>

/// Watches and links: who is told of an end, and who ends with it.
namespace troupe::runtime {

void Context::watch(const ActorId& actor) {
  node_.core_->watch(actor, self(), NodeCore::Watch::one_way);
}

void Context::unwatch(const ActorId& actor) {
  node_.core_->unwatch(actor, self());
}

void Context::link(const ActorId& actor) {
  if (actor.name != self().name) node_.core_->link(actor, self());
}

void Context::unlink(const ActorId& actor) {
  node_.core_->unlink(actor, self());
}

void ActorCell::break_link(const ActorId& other, const Failure& cause) {
  if (is_orderly_end(cause)) return;
  push_task([why = Failure{FailureKind::faulted, "its link " + other.describe() + " ended because " + cause.text}](
                ActorCell& cell) { cell.fail(why); },
            Lane::urgent);
}

bool NodeCore::lives_elsewhere(const ActorId& actor) const {
  const std::uint64_t key = name_hash(actor.name);
  const std::optional<DirectoryEntry> entry = directory.find(key);
  return !find_cell(key) && entry && entry->endpoint != parts.transport->endpoint();
}

void NodeCore::watch(const ActorId& target, const ActorId& watcher, Watch how) {
  const std::uint64_t key = name_hash(target.name);
  const Watcher::Tie tie = how == Watch::one_way ? Watcher::Tie::watch : Watcher::Tie::link;
  const Watcher row{name_hash(watcher.name), watcher.incarnation, "", tie};
  if (!lives_elsewhere(target)) return add_local_watch(target, row);
  const ActorId watched = resolved(target);
  watches_.add(watched, row);
  // Asked after adding: a death declared in between has found the row, or is found here.
  if (directory.is_stale(key, watched.incarnation)) return tell_watchers(watched, cause_of_death(watched));
  MailPtr mail = how == Watch::both_ways ? make_mail(LinkBody{watched, watcher}) : make_mail(WatchBody{watched});
  const Result<Done> sent = send_watch(EnvelopeKind::watch, watched, watcher, std::move(mail));
  if (!sent) tell_watchers(watched, sent.failure());
}

ActorId NodeCore::resolved(const ActorId& target) const {
  const std::optional<DirectoryEntry> entry = directory.find(name_hash(target.name));
  return target.incarnation == 0 && entry ? entry->actor : target;
}

Result<Done> NodeCore::send_watch(EnvelopeKind kind, const ActorId& target, const ActorId& watcher, MailPtr mail) {
  mail->header.kind = kind;
  mail->header.sender = name_hash(watcher.name);
  mail->header.sender_incarnation = watcher.incarnation;
  return route(target, mail, watcher.name);
}

void NodeCore::unwatch(const ActorId& target, const ActorId& watcher) {
  watches_.remove(name_hash(target.name), {name_hash(watcher.name), watcher.incarnation, ""});
}

void NodeCore::link(const ActorId& target, const ActorId& watcher) {
  watch(target, watcher, Watch::both_ways);
  if (const std::shared_ptr<ActorCell> cell = find_cell(name_hash(target.name))) link_back(*cell, target, watcher);
}

/// The other half of a link with an actor of this node.
void NodeCore::link_back(const ActorCell& cell, const ActorId& target, const ActorId& watcher) {
  if (target.incarnation == 0 || target.incarnation == cell.id().incarnation) watch(watcher, cell.id(), Watch::back);
}

void NodeCore::unlink(const ActorId& target, const ActorId& watcher) {
  const ActorId linked = resolved(target);
  remove_link(linked, watcher);
  remove_link(watcher, linked);
  // Whoever cannot be reached hears of the end of this node, and so of the link's.
  if (lives_elsewhere(linked)) {
    (void)send_watch(EnvelopeKind::unwatch, linked, watcher, make_mail(LinkBody{linked, watcher}));
  }
}

void NodeCore::remove_link(const ActorId& target, const ActorId& watcher) {
  watches_.remove(name_hash(target.name), {name_hash(watcher.name), watcher.incarnation, "", Watcher::Tie::link});
}

void NodeCore::receive_watch(const Envelope& envelope) {
  if (envelope.message == LinkBody::kName) return receive_link(envelope);
  const Result<WatchBody> body = decode_message<WatchBody>(envelope);
  if (!body) return log_dead_letter(envelope, body.failure());
  const Watcher watcher{envelope.header.sender, envelope.header.sender_incarnation,
                        std::string(envelope.from_endpoint())};
  if (envelope.header.kind == EnvelopeKind::unwatch) return watches_.remove(name_hash(body->target.name), watcher);
  add_local_watch(body->target, watcher);
}

void NodeCore::receive_link(const Envelope& envelope) {
  const Result<LinkBody> body = decode_message<LinkBody>(envelope);
  if (!body) return log_dead_letter(envelope, body.failure());
  const Watcher watcher{envelope.header.sender, envelope.header.sender_incarnation,
                        std::string(envelope.from_endpoint())};
  const bool is_own = name_hash(body->watcher.name) == watcher.name && body->watcher.incarnation == watcher.incarnation;
  if (!is_own) return log_dead_letter(envelope, {FailureKind::unknown, "a link in the name of another"});
  if (envelope.header.kind == EnvelopeKind::unwatch) return remove_link(body->watcher, body->target);
  add_local_watch(body->target, watcher);
  const std::shared_ptr<ActorCell> cell = find_cell(name_hash(body->target.name));
  if (!cell) return;
  // Who links from there lives there, also when nobody has told this node of it yet.
  if (!directory.find(watcher.name)) directory.announce({body->watcher, watcher.endpoint});
  link_back(*cell, body->target, body->watcher);
}

void NodeCore::watch_came_back(const Envelope& envelope, const Failure& why) {
  ActorId target;
  if (const Result<LinkBody> link = decode_message<LinkBody>(envelope)) {
    target = link->target;
  } else if (const Result<WatchBody> watch = decode_message<WatchBody>(envelope)) {
    target = watch->target;
  } else {
    return;
  }
  tell_watchers(target, {FailureKind::disconnected, "cannot reach the node of " + target.describe() + ": " + why.text});
}

void NodeCore::tell(const Watcher& watcher, const ActorId& actor, const Failure& cause) {
  if (watcher.tie == Watcher::Tie::watch) return hand_news(watcher, make_mail(ActorDown{actor, cause.shortened()}));
  const std::shared_ptr<ActorCell> cell = find_cell(watcher.name);
  if (cell && cell->id().incarnation == watcher.incarnation) cell->break_link(actor, cause);
}

}  // namespace troupe::runtime
