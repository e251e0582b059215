#include "runtime/placing/placer.hpp"

#include "runtime/node.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe::runtime {
namespace {

constexpr Duration kStartGrace = std::chrono::seconds(1);     // beyond the deadline, for what got its place late
constexpr Duration kStopDeadline = std::chrono::seconds(10);  // then the host is asked again
constexpr Duration kStopAgainAfter = std::chrono::seconds(1);
constexpr int kTellings = 10;  // of a host that was given up; who hears none for so long has lost the placer itself
constexpr std::uint64_t kMostPatienceMs = 1000ULL * 3600 * 24 * 365;

/// Where the sender of the message in hand can be written to.
std::string endpoint_of_sender(Context& context) {
  const Envelope* const bytes = context.current().bytes();
  return bytes != nullptr ? std::string(bytes->from_endpoint()) : context.node().endpoint();
}

std::string list_names(const std::vector<std::string>& names) {
  if (names.size() == 1) return names.front();
  return names.front() + " and " + std::to_string(names.size() - 1) + " others";
}

}  // namespace

/// To itself: the deadline of what was asked.
struct Placer::PatienceOver {
  static constexpr std::string_view kName = "placer.patience_over";
  std::uint64_t ticket = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(ticket);
  }
};

/// To itself: a host has not answered whether the actor is gone.
struct Placer::StopAgain {
  static constexpr std::string_view kName = "placer.stop_again";
  std::string name;
  std::uint64_t ticket = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, ticket);
  }
};

/// To itself: a host that was given up may not know it.
struct Placer::GiveUpAgain {
  static constexpr std::string_view kName = "placer.give_up_again";
  ActorId host;
  int tellings = 0;  ///< left
  template <class Archive>
  void serialize(Archive& archive) {
    archive(host, tellings);
  }
};

std::uint32_t first_incarnation_at(std::chrono::system_clock::time_point now) {
  constexpr std::chrono::sys_days kBegin{std::chrono::year{2025} / 1 / 1};
  const std::int64_t passed = std::chrono::duration_cast<std::chrono::seconds>(now - kBegin).count();
  constexpr std::int64_t kHighest = std::numeric_limits<std::uint32_t>::max() / 2;  // leaves room for starts
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(passed, 1, kHighest));
}

Placer::Placer(std::uint32_t first_incarnation) : first_incarnation_(first_incarnation) {}
Placer::~Placer() = default;

Behavior Placer::behavior() {
  return {
      on(this, &Placer::place_actors), on(this, &Placer::find_placed),   on(this, &Placer::hear_end),
      on(this, &Placer::join_node),    on(this, &Placer::stop_placed),   on(this, &Placer::explain),
      on(this, &Placer::stop_again),   on(this, &Placer::patience_over), on(this, &Placer::give_up_again),
  };
}

void Placer::watch_once(const ActorId& actor, Context& context) {
  if (watched_.emplace(actor.name, actor.incarnation).second) context.watch(actor);
}

// ---- nodes ---------------------------------------------------------------------------------------------------------

void Placer::join_node(const JoinNode& message, Context& context) {
  if (message.host.name != std::string(kHostNames) + message.node) {
    return context.reply_failure({FailureKind::unknown, message.host.name + " is not the host of " + message.node});
  }
  const std::string endpoint = endpoint_of_sender(context);
  if (const NodeRow* const known = book_.find_node(message.node)) {
    if (known->endpoint != endpoint) {
      return context.reply_failure({FailureKind::unknown, "a node named " + message.node + " is here already, at " +
                                                              known->endpoint +
                                                              ": give the nodes of a job different names"});
    }
    // Its host begins anew, which it does with no actor.
    lose_node(NodeRow(*known), {FailureKind::disconnected, "node " + message.node + " has joined anew"}, context);
  }
  context.node().announce({message.host, endpoint});
  book_.add_node({message.node, message.host, endpoint, message.total, message.classes});
  context.reply(NodeJoined{context.self()});
  watch_once(message.host, context);
  spdlog::info("event=node_joined node={} endpoint={} resources={}", message.node, endpoint, message.total.describe());
  place_those_who_can(context);
}

void Placer::lose_node(const NodeRow& node, const Failure& cause, Context& context) {
  const Failure lost{FailureKind::disconnected, "node " + node.name + " is lost: " + cause.text};
  const std::vector<PlacedRow> rows = book_.remove_node(node.name, lost);
  if (watched_.erase({node.host.name, node.host.incarnation}) > 0) context.unwatch(node.host);
  const auto level = is_orderly_end(cause) ? spdlog::level::info : spdlog::level::warn;
  spdlog::log(level, "event=node_lost node={} actors={} cause=\"{}\"", node.name, rows.size(), cause.text);
  for (const PlacedRow& each : rows) release(each, lost, context);
}

/// It may live, behind a link that does not.
void Placer::give_up_again(const GiveUpAgain& message, Context& context) {
  if (message.tellings == 0 || book_.find_host(message.host) != nullptr) return;  // it has joined anew
  // Not kept for want of room: it could come after the answer to the host's next join.
  context.request<Ack>(message.host, GivenUp{}, kStopAgainAfter, [message](const Result<Ack>& heard, Context& turn) {
    if (!heard) (void)turn.after(kStopAgainAfter, GiveUpAgain{message.host, message.tellings - 1});
  });
}

// ---- groups --------------------------------------------------------------------------------------------------------

void Placer::place_actors(const PlaceActors& message, Context& context) {
  if (message.lifetime == Lifetime::owned) {
    const Header& header = context.current().header;
    const bool is_own =
        name_hash(message.owner.name) == header.sender && message.owner.incarnation == header.sender_incarnation;
    if (!is_own || message.owner.name.empty()) {
      return context.reply_failure(
          {FailureKind::unknown, "what an actor owns it has to ask for itself: others can place detached actors only"});
    }
  }
  if (const Result<Done> possible = book_.check(message); !possible) return context.reply_failure(possible.failure());
  const std::uint64_t ticket = next_ticket_++;
  const Duration patience = std::chrono::milliseconds(std::min(message.patience_ms, kMostPatienceMs));
  Asked asked{context.defer_reply(), context.now() + patience, message.group, {}};
  for (const WantedActor& each : message.actors) asked.names.push_back(each.name);
  asked_.emplace(ticket, std::move(asked));
  book_.add_waiting({ticket, message});
  if (message.lifetime == Lifetime::owned) {
    (void)context.node().directory().announce({message.owner, endpoint_of_sender(context)});
    watch_once(message.owner, context);
  }
  place_those_who_can(context);
  const auto unanswered = asked_.find(ticket);
  if (unanswered != asked_.end()) unanswered->second.patience = context.after(patience, PatienceOver{ticket});
}

void Placer::place_those_who_can(Context& context) {
  while (const std::optional<DecidedGroup> decided = book_.decide_next()) start_group(*decided, context);
}

void Placer::start_group(const DecidedGroup& decided, Context& context) {
  const std::uint64_t ticket = decided.group.ticket;
  Asked& asked = asked_.at(ticket);
  asked.starting = decided.places.size();
  const Duration left = std::max(Duration{0}, Duration{asked.due - context.now()}) + kStartGrace;
  for (std::size_t at = 0; at < decided.places.size(); ++at) {
    const WantedActor& wanted = decided.group.wish.actors[at];
    PlacedRow& row = *book_.find(wanted.name);
    row.actor.incarnation =
        std::max(first_incarnation_, context.node().directory().next_incarnation(name_hash(wanted.name)));
    context.request_when_room<StartedActor>(
        book_.find_node(row.node)->host, StartActor{row.actor, row.class_name, wanted.arguments}, left,
        [this, name = wanted.name, ticket](const Result<StartedActor>& started, Context& turn) {
          heard_start(name, ticket, started, turn);
        });
  }
}

void Placer::heard_start(const std::string& name, std::uint64_t ticket, const Result<StartedActor>& answer,
                         Context& context) {
  const bool is_other = answer && answer->actor.name != name;
  const Result<StartedActor> started =
      is_other ? Result<StartedActor>(Failure{FailureKind::unknown, "its host has started " + answer->actor.describe()})
               : answer;
  PlacedRow* const row = book_.find(name);
  const bool is_here = row != nullptr && row->ticket == ticket;  // not so when its node is lost
  const auto found = asked_.find(ticket);
  if (found == asked_.end()) return;
  Asked& asked = found->second;
  --asked.starting;
  if (!started && !asked.failure) {
    asked.failure = started.failure().within(name + (is_here ? " on node " + row->node : ""));
  }
  if (is_here && started) {
    row->actor = started->actor;
    context.node().announce({row->actor, book_.find_node(row->node)->endpoint});
    if (row->state == PlacedRow::State::starting) row->state = PlacedRow::State::up;
    watch_once(row->actor, context);
  }
  if (is_here && !started) stop_row(*row, context);
  if (asked.starting == 0) finish_group(ticket, context);
}

/// All have an outcome.
void Placer::finish_group(std::uint64_t ticket, Context& context) {
  Asked& asked = asked_.at(ticket);
  const std::vector<PlacedRow> rows = book_.placed_of(ticket);
  if (!asked.failure && rows.size() < asked.names.size()) {
    asked.failure = Failure{FailureKind::faulted, "one of " + list_names(asked.names) + " ended before all were up"};
  }
  if (!asked.failure) {
    PlacedActors placed;
    for (const std::string& name : asked.names) {
      const PlacedRow& row = *book_.find(name);
      placed.actors.push_back({row.actor, book_.find_node(row.node)->endpoint});
      placed.nodes.push_back(row.node);
    }
    spdlog::info("event=placed group={} actors={}", asked.group, placed.actors.size());
    context.reply_to(asked.asker, placed);
    forget_asked(ticket, context);
    return;
  }
  for (const PlacedRow& each : rows) stop_row(*book_.find(each.actor.name), context);
  // Who hears of it finds the names free again; not when one of them does not end.
  if (rows.empty()) return fail_group(ticket, *asked.failure, context);
  asked.due = context.now() + kStartGrace;
  context.cancel(asked.patience);
  asked.patience = context.after(kStartGrace, PatienceOver{ticket});
}

/// It has its answer: its deadline is nobody's any more.
void Placer::forget_asked(std::uint64_t ticket, Context& context) {
  context.cancel(asked_.at(ticket).patience);
  asked_.erase(ticket);
}

void Placer::fail_group(std::uint64_t ticket, const Failure& why, Context& context) {
  const auto found = asked_.find(ticket);
  const std::string others = found->second.names.size() > 1 ? "; the others of the group are stopped" : "";
  spdlog::warn("event=not_placed group={} cause=\"{}\"", found->second.group, why.text);
  context.fail_to(found->second.asker, {why.kind, why.text + others});
  forget_asked(ticket, context);
}

void Placer::refuse_waiting(std::uint64_t ticket, const Failure& why, Context& context) {
  const std::optional<WaitingGroup> group = book_.take_waiting(ticket);
  const auto found = asked_.find(ticket);
  if (!group || found == asked_.end()) return;
  spdlog::warn("event=not_placed group={} cause=\"{}\"", group->wish.group, why.text);
  context.fail_to(found->second.asker, why);
  forget_asked(ticket, context);
  forget_owner(group->wish.owner, context);
  place_those_who_can(context);  // it may have held others up
}

void Placer::patience_over(const PatienceOver& message, Context& context) {
  const auto found = asked_.find(message.ticket);
  if (found == asked_.end() || found->second.due > context.now()) return;
  if (const WaitingGroup* const group = book_.find_waiting(found->second.names.front())) {
    return refuse_waiting(message.ticket, book_.why_waiting(*group).within("not placed in time"), context);
  }
  if (found->second.failure && found->second.starting == 0) fail_group(message.ticket, *found->second.failure, context);
}

// ---- ends ----------------------------------------------------------------------------------------------------------

void Placer::stop_row(PlacedRow& row, Context& context) {
  if (row.state == PlacedRow::State::ending) return;
  row.state = PlacedRow::State::ending;
  const auto asked = asked_.find(row.ticket);
  if (asked != asked_.end() && !asked->second.failure) {
    asked->second.failure = Failure{FailureKind::disconnected, row.actor.name + " was stopped before all were up"};
  }
  stop_again({row.actor.name, row.ticket}, context);
}

void Placer::stop_again(const StopAgain& message, Context& context) {
  const PlacedRow* const row = book_.find(message.name);
  if (row == nullptr || row->ticket != message.ticket) return;
  context.request<Ack>(book_.find_node(row->node)->host, StopHosted{row->actor}, kStopDeadline,
                       [this, message](const Result<Ack>& gone, Context& turn) {
                         const PlacedRow* const left = book_.find(message.name);
                         if (left == nullptr || left->ticket != message.ticket) return;
                         if (!gone) return (void)turn.after(kStopAgainAfter, message);
                         release(PlacedRow(*left), orderly_end(), turn);
                         place_those_who_can(turn);
                       });
}

/// The actor is gone: its place is free, and everybody who waits for that hears of it.
void Placer::release(const PlacedRow& row, const Failure& cause, Context& context) {
  book_.release(row.actor.name, cause);
  watched_.erase({row.actor.name, row.actor.incarnation});
  context.node().declare_down(row.actor, cause);
  end_owner(row.actor, context);
  const auto [first, last] = stoppers_.equal_range(row.actor.name);
  for (auto each = first; each != last; ++each) context.reply_to(each->second, Ack{});
  stoppers_.erase(first, last);
  forget_owner(row.owner, context);
  const auto asked = asked_.find(row.ticket);
  if (asked == asked_.end()) return;
  if (!asked->second.failure) asked->second.failure = cause.within(row.actor.name + " on node " + row.node);
  if (asked->second.starting == 0 && book_.placed_of(row.ticket).empty()) {
    fail_group(row.ticket, *asked->second.failure, context);
  }
}

void Placer::forget_owner(const ActorId& owner, Context& context) {
  if (owner.name.empty() || book_.find(owner) != nullptr) return;
  if (!book_.placed_of(owner).empty() || !book_.waiting_of(owner).empty()) return;
  if (watched_.erase({owner.name, owner.incarnation}) > 0) context.unwatch(owner);
}

/// What it owns goes with it.
void Placer::end_owner(const ActorId& owner, Context& context) {
  const Failure ended{FailureKind::disconnected, "its owner " + owner.describe() + " has ended"};
  for (const std::uint64_t ticket : book_.waiting_of(owner)) refuse_waiting(ticket, ended, context);
  for (const PlacedRow& each : book_.placed_of(owner)) stop_row(*book_.find(each.actor.name), context);
}

void Placer::hear_end(const ActorDown& message, Context& context) {
  if (watched_.erase({message.actor.name, message.actor.incarnation}) == 0) return;
  if (const NodeRow* const known = book_.find_host(message.actor)) {
    const NodeRow node = *known;
    lose_node(node, message.cause, context);
    if (!is_orderly_end(message.cause)) give_up_again({node.host, kTellings}, context);
  } else if (const PlacedRow* const row = book_.find(message.actor)) {
    if (!is_orderly_end(message.cause)) {
      spdlog::warn("event=actor_lost actor={} node={} cause=\"{}\"", message.actor.describe(), row->node,
                   message.cause.text);
    }
    release(PlacedRow(*row), message.cause, context);
  } else {
    end_owner(message.actor, context);
  }
  place_those_who_can(context);
}

// ---- questions -----------------------------------------------------------------------------------------------------

void Placer::stop_placed(const StopPlaced& message, Context& context) {
  if (PlacedRow* const row = book_.find(message.name)) {
    stoppers_.emplace(message.name, context.defer_reply());
    return stop_row(*row, context);
  }
  if (const WaitingGroup* const group = book_.find_waiting(message.name)) {
    refuse_waiting(group->ticket, {FailureKind::disconnected, message.name + " was taken back while it waited"},
                   context);
    return context.reply(Ack{});
  }
  const Result<std::string> what = book_.explain(message.name);
  context.reply_failure(what ? Failure{FailureKind::unknown, *what} : what.failure());
}

void Placer::find_placed(const FindPlaced& message, Context& context) {
  const PlacedRow* const row = book_.find(message.name);
  if (row != nullptr && row->state == PlacedRow::State::up) {
    return context.reply(FoundActor{{row->actor, book_.find_node(row->node)->endpoint}, row->node});
  }
  const Result<std::string> what = book_.explain(message.name);
  context.reply_failure(what ? Failure{FailureKind::disconnected, *what} : what.failure());
}

void Placer::explain(const Why& message, Context& context) {
  const Result<std::string> what = book_.explain(message.name);
  if (!what) return context.reply_failure(what.failure());
  context.reply(Explanation{Failure{FailureKind::unknown, *what}.shortened().text});
}

}  // namespace troupe::runtime
