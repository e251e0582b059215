#include "runtime/transport/zmq_inbox.hpp"

#include "runtime/directory.hpp"
#include "runtime/message/message.hpp"
#include "runtime/transport/zmq_seal.hpp"

#include <algorithm>

namespace troupe::runtime {

namespace {

constexpr std::size_t kBatch = 256;  // messages read before other sockets get their turn
constexpr std::size_t kMaxSenders = 1000;
constexpr std::size_t kMaxEnded = 4096;
constexpr int kSilenceFactor = 2;  // the sender gives a broken connection up first, so it never resumes in vain

template <Message M>
Envelope control(EnvelopeKind kind, const M& message) {
  Envelope envelope = encode_message(message);
  envelope.header.kind = kind;
  return envelope;
}

}  // namespace

bool ZmqInbox::read(std::size_t listener, TimePoint now) {
  std::vector<Frame> frames;
  for (std::size_t i = 0; i < kBatch; ++i) {
    if (parts_.sockets.receive(listener, frames) == Received::nothing) return false;
    accept(listener, frames, now);
  }
  return true;
}

void ZmqInbox::accept(std::size_t listener, std::vector<Frame>& frames, TimePoint now) {
  constexpr std::size_t kPayloadsFrom = 2;  // after the routing id and the front
  if (frames.size() < kPayloadsFrom || frames.size() > kMaxFrames + 1) {
    ++parts_.tally.malformed;
    return;
  }
  const Route route{listener, frames[0].to_string()};
  const Result<std::span<const std::byte>> bytes = open_frame(bytes_of(frames[1]), parts_.checks);
  if (!bytes) return on_damage(route, bytes_of(frames[1]));
  if (frames.size() == kPayloadsFrom && is_batch(*bytes)) return accept_batch(route, *bytes, now);
  Result<Front> front = decode_front(*bytes);
  if (!front) {
    ++parts_.tally.malformed;
    return;
  }
  const std::span<Frame> payload_frames = std::span(frames).subspan(kPayloadsFrom);
  if (parts_.checks.checksum && !are_intact(front->places, payload_frames)) return on_damage(route, {});
  const EnvelopeKind kind = front->envelope.header.kind;
  if (kind == EnvelopeKind::hello) return on_hello(route, front->envelope, now);
  Sender* const known = sender_at(route);
  if (known == nullptr) {
    ++parts_.tally.malformed;
    return;
  }
  Sender& sender = *known;
  sender.last_heard = now;
  if (kind == EnvelopeKind::credit) return on_sent_note(route, sender, front->envelope);
  if (kind == EnvelopeKind::bye) {
    (void)send_back(route, control(EnvelopeKind::bye, LinkBye{0, confirmed(sender), "goodbye"}));
    return remove(sender.key, {FailureKind::disconnected, "the node at " + sender.endpoint + " said goodbye"});
  }
  std::size_t size = 0;
  for (const Frame& frame : frames) size += frame.size();
  const Standing standing = on_sequenced(sender, std::move(front).value(), payload_frames);
  if (standing == Standing::open) confirm_bytes(sender, size, now);
}

// All that was sent before the note has come before it, or never will: after the last message there is no gap to see.
void ZmqInbox::on_sent_note(const Route& route, const Sender& sender, const Envelope& envelope) {
  const Result<LinkNote> note = decode_message<LinkNote>(envelope);
  if (note && note->received > sender.received && parts_.checks.gap) on_damage(route, {});
}

ZmqInbox::Sender* ZmqInbox::sender_at(const Route& route) {
  const auto known = routes_.find(route);
  if (known == routes_.end()) return nullptr;
  const auto found = senders_.find(known->second);
  return found == senders_.end() ? nullptr : &found->second;
}

// Only messages of a link are sent in a batch, none of the link's own.
void ZmqInbox::accept_batch(const Route& route, std::span<const std::byte> frame, TimePoint now) {
  Sender* const sender = sender_at(route);
  const Result<std::vector<std::span<const std::byte>>> fronts = split_batch(frame);
  if (sender == nullptr || !fronts) {
    ++parts_.tally.malformed;
    return;
  }
  sender->last_heard = now;
  for (const std::span<const std::byte> bytes : *fronts) {
    Result<Front> front = decode_front(bytes);
    const bool is_own = front && (front->envelope.header.kind == EnvelopeKind::hello ||
                                  front->envelope.header.kind == EnvelopeKind::credit ||
                                  front->envelope.header.kind == EnvelopeKind::bye);
    if (!front || is_own) {
      ++parts_.tally.malformed;
      return;
    }
    if (on_sequenced(*sender, std::move(front).value(), {}) == Standing::ended) return;
  }
  confirm_bytes(*sender, frame.size(), now);
}

// The sender holds ordinary mail back until it hears.
void ZmqInbox::confirm_bytes(Sender& sender, std::size_t bytes, TimePoint now) {
  sender.untold_bytes += bytes;
  if (sender.untold_bytes >= kConfirmBytes) send_note(sender, now);
}

// Nothing that comes after it on that connection can be in sequence; a hello that was damaged is sent again as well.
void ZmqInbox::on_damage(const Route& route, std::span<const std::byte> frame) {
  ++parts_.tally.malformed;
  const Result<Front> front = decode_front(frame);
  if (front && front->envelope.header.kind == EnvelopeKind::hello) {
    // Of a version that knows no seals: it hears why in its own language.
    std::vector<Frame> frames;
    frames.emplace_back(route.second.data(), route.second.size());
    const LinkBye bye{
        1, 0, "another link protocol than " + std::to_string(kLinkProtocol) + ": run the same version everywhere"};
    frames.push_back(encode_front(control(EnvelopeKind::bye, bye), {}));
    (void)parts_.sockets.send(route.first, frames);
    return;
  }
  Sender* const sender = sender_at(route);
  const std::uint64_t received = sender == nullptr ? 0 : confirmed(*sender);
  if (sender != nullptr) sender->route = {};  // until its next hello
  routes_.erase(route);
  (void)send_back(route, control(EnvelopeKind::bye, LinkBye{kDamaged, received, "what came was damaged on the way"}));
}

std::string ZmqInbox::reason_to_refuse(const LinkHello& hello) const {
  if (hello.protocol != kLinkProtocol) {
    return "link protocol " + std::to_string(hello.protocol) + ", this node speaks " + std::to_string(kLinkProtocol) +
           ": run the same version everywhere";
  }
  if (hello.job != parts_.self.job) {
    return "the node belongs to job " + std::to_string(parts_.self.job) + ", not to " + std::to_string(hello.job);
  }
  if (hello.node_name.size() > kMaxNameBytes || hello.dialed.size() > kMaxEndpointBytes || hello.instance == 0 ||
      !is_sane_endpoint(hello.endpoint)) {
    return "the hello makes no sense";
  }
  const bool has_newer = std::any_of(senders_.begin(), senders_.end(), [&](const auto& entry) {
    return entry.first.first == hello.instance && entry.first.second > hello.link &&
           entry.second.dialed == hello.dialed;
  });
  if (has_newer) return "a newer link of the same node is open";
  if (senders_.contains({hello.instance, hello.link})) return {};
  const bool has_ended = std::find(ended_.begin(), ended_.end(), Key{hello.instance, hello.link}) != ended_.end();
  if (has_ended || hello.next_sequence != 1) return "the link is not known here any more";
  if (senders_.size() >= kMaxSenders) return "links from " + std::to_string(kMaxSenders) + " senders are open already";
  return {};
}

void ZmqInbox::on_hello(const Route& route, const Envelope& envelope, TimePoint now) {
  const Result<LinkHello> hello = decode_message<LinkHello>(envelope);
  if (!hello) {
    ++parts_.tally.malformed;
    return;
  }
  if (const std::string reason = reason_to_refuse(*hello); !reason.empty()) {
    ++parts_.tally.malformed;
    (void)send_back(route, control(EnvelopeKind::bye, LinkBye{1, 0, reason}));
    return;
  }
  drop_older(*hello);
  const Key key{hello->instance, hello->link};
  // One connection is one link's: or one caller could take up the room of all.
  if (const auto at = routes_.find(route); at != routes_.end() && at->second != key) {
    const Key before = at->second;
    remove(before, {FailureKind::disconnected, "its connection was taken for another link"});
  }
  const auto [found, is_new] = senders_.try_emplace(key);
  Sender& sender = found->second;
  if (is_new) {
    const LinkCost window{parts_.options.window_messages, parts_.options.window_bytes};
    sender.key = key;
    sender.endpoint = hello->endpoint;
    sender.dialed = hello->dialed;
    sender.ledger = std::make_shared<CreditLedger>(hello->endpoint, window, parts_.waker);
    open_arena(sender, *hello);
  } else {
    routes_.erase(sender.route);
  }
  sender.route = route;
  sender.last_heard = now;
  sender.last_told = now;
  routes_[route] = key;
  LinkWelcome welcome;
  welcome.instance = parts_.self.instance;
  welcome.link = hello->link;
  welcome.received = confirmed(sender);
  welcome.window_messages = parts_.options.window_messages;
  welcome.window_bytes = parts_.options.window_bytes;
  welcome.arena_open = sender.arena ? 1 : 0;
  welcome.process = parts_.self.process;
  (void)send_back(route, control(EnvelopeKind::hello, welcome));
}

// Links of an earlier process at that endpoint, and those that this one has given up: it dials a new link only then,
// but what was under way on the old connection may still come.
void ZmqInbox::drop_older(const LinkHello& hello) {
  std::vector<std::pair<Key, std::string>> older;
  for (const auto& [key, sender] : senders_) {
    if (sender.endpoint == hello.endpoint && key.first != hello.instance) {
      older.emplace_back(key, "was restarted");
    } else if (key.first == hello.instance && key.second < hello.link && sender.dialed == hello.dialed) {
      older.emplace_back(key, "has given up the link, and begun another");
    }
  }
  for (const auto& [key, why] : older) {
    remove(key, {FailureKind::disconnected, "the node at " + hello.endpoint + " " + why});
  }
}

void ZmqInbox::open_arena(Sender& sender, const LinkHello& hello) const {
  if (hello.arena.empty() || hello.machine.empty() || hello.machine != parts_.self.machine) return;
  Result<std::shared_ptr<ArenaView>> view =
      ArenaView::open(parts_.options.arena_directory, hello.arena, hello.arena_cookie);
  if (view) sender.arena = *view;  // otherwise the welcome says so and payloads come by wire
}

ZmqInbox::Standing ZmqInbox::on_sequenced(Sender& sender, Front front, std::span<Frame> payload_frames) {
  Envelope& envelope = front.envelope;
  const std::uint64_t sequence = envelope.header.sequence;
  const bool is_repeat = sequence <= sender.received;  // sent again after a broken connection, but it had arrived
  if (is_repeat && parts_.checks.dedup) return Standing::open;
  if (sequence > sender.received + 1 && parts_.checks.gap) {
    on_damage(Route(sender.route), {});  // what is missing was lost on the way, and is sent again with all after it
    return Standing::ended;
  }
  const LinkCost released = sender.ledger->released();
  if (sender.delivered.messages - released.messages >= kMaxWindowShare * parts_.options.window_messages ||
      sender.delivered.bytes - released.bytes > kMaxWindowShare * parts_.options.window_bytes + kMaxEnvelopeBytes) {
    return send_off(sender, "it sends more than its window allows");
  }
  if (const Result<Done> attached = attach_payloads(sender, front, payload_frames); !attached) {
    return send_off(sender, attached.failure().text);
  }
  const std::uint64_t cost = wire_cost(envelope);
  sender.received = std::max(sender.received, sequence);
  sender.delivered += LinkCost{1, cost};
  envelope.arrival = Arrival(sender.ledger, cost);
  ++parts_.tally.received;
  parts_.tally.bytes_received += cost;
  parts_.sink.on_envelope(std::move(envelope));
  return Standing::open;
}

Result<Done> ZmqInbox::attach_payloads(const Sender& sender, Front& front, std::span<Frame> payload_frames) const {
  for (const PayloadPlace& place : front.places) {
    if (place.way == PayloadWay::arena) {
      if (!sender.arena) return Failure{FailureKind::unknown, "payload in an arena that is not open"};
      Result<Payload> payload = sender.arena->borrow(place.block);
      if (!payload) return payload.failure();
      front.envelope.payloads.push_back(*payload);
      continue;
    }
    const std::size_t count = frames_of(place.block.length);
    if (count > payload_frames.size()) return Failure{FailureKind::unknown, "payload frames are missing"};
    Result<Payload> payload = join_frames(payload_frames.first(count), place.block.length);
    if (!payload) return payload.failure();
    front.envelope.payloads.push_back(*payload);
    payload_frames = payload_frames.subspan(count);
  }
  if (!payload_frames.empty()) return Failure{FailureKind::unknown, "more frames than payloads"};
  return Done{};
}

// The sender hears why on the way back, so that it gives up the link instead of filling it.
ZmqInbox::Standing ZmqInbox::send_off(Sender& sender, const std::string& why) {
  ++parts_.tally.malformed;
  (void)send_back(sender.route, control(EnvelopeKind::bye, LinkBye{0, confirmed(sender), why}));
  remove(sender.key, {FailureKind::disconnected, "link from " + sender.endpoint + " broken: " + why});
  return Standing::ended;
}

void ZmqInbox::remove(const Key& key, Failure why) {
  const auto found = senders_.find(key);
  if (found == senders_.end()) return;
  gone_.push_back({found->second.endpoint, key.first, std::move(why)});
  ended_.push_back(key);  // before the sender goes, whose key it may be
  if (ended_.size() > kMaxEnded) ended_.pop_front();
  routes_.erase(found->second.route);
  senders_.erase(found);
}

bool ZmqInbox::owes_note(const Sender& sender) const {
  return sender.received != sender.told_received || sender.ledger->released() != sender.told;
}

bool ZmqInbox::owes_notes() const {
  // Also while messages are in somebody's hands: their credit comes back without waking anyone.
  return std::any_of(senders_.begin(), senders_.end(), [this](const auto& entry) {
    return owes_note(entry.second) || entry.second.delivered != entry.second.told;
  });
}

void ZmqInbox::tick(TimePoint now) {
  std::vector<Key> silent;
  for (auto& [key, sender] : senders_) {
    const Duration since = now - sender.last_told;
    const bool is_due = since >= parts_.options.heartbeat || (owes_note(sender) && since >= kNoteDelay) ||
                        sender.ledger->is_worth_telling(sender.told);
    if (is_due) send_note(sender, now);
    if (now - sender.last_heard > kSilenceFactor * parts_.options.peer_timeout) silent.push_back(key);
  }
  for (const Key& key : silent) {
    remove(key, {FailureKind::disconnected, "no sign of life from the sender any more"});
  }
}

void ZmqInbox::send_note(Sender& sender, TimePoint now) {
  const LinkCost released = sender.ledger->released();
  sender.last_told = now;
  const LinkNote note{confirmed(sender), released.messages, released.bytes};
  // A note that finds no room stays owed, and is written anew in kNoteDelay.
  if (send_back(sender.route, control(EnvelopeKind::credit, note)) == Sent::no) return;
  sender.told = released;
  sender.told_received = sender.received;
  sender.untold_bytes = 0;
  sender.ledger->note_told(released);
}

std::uint64_t ZmqInbox::received_from(const std::string& endpoint) const {
  std::uint64_t highest = 0;
  for (const auto& [key, sender] : senders_) {
    if (sender.endpoint == endpoint) highest = std::max(highest, sender.received);
  }
  return highest;
}

void ZmqInbox::excuse(Duration lateness) {
  for (auto& [key, sender] : senders_) sender.last_heard += lateness;
}

void ZmqInbox::say_bye() {
  for (const auto& [key, sender] : senders_) {
    (void)send_back(sender.route, control(EnvelopeKind::bye, LinkBye{0, confirmed(sender), "the node stops"}));
  }
}

// Not sent when the connection is gone, or its reader has left too many answers unread. Only notes are sent again: a
// dialer without its welcome dials anew, and who misses a goodbye finds the link silent.
ZmqInbox::Sent ZmqInbox::send_back(const Route& route, Envelope envelope) {
  envelope.header.job = parts_.self.job;
  std::vector<Frame> frames;
  frames.emplace_back(route.second.data(), route.second.size());
  frames.push_back(encode_sealed_front(envelope, {}));
  return parts_.sockets.send(route.first, frames) ? Sent::yes : Sent::no;
}

}  // namespace troupe::runtime
