#include "runtime/placing/node_host.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace troupe::runtime {

/// To itself: try once more.
struct NodeHost::JoinAgain {
  static constexpr std::string_view kName = "host.join_again";
  template <class Archive>
  void serialize(Archive&) {}
};

/// From an actor that it has started: on_start() has returned.
struct NodeHost::HasStarted {
  static constexpr std::string_view kName = "host.has_started";
  ActorId actor;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor);
  }
};

/// The actor itself, and a word to the host when it is up.
class NodeHost::StartReporter final : public Actor {
public:
  StartReporter(std::unique_ptr<Actor> actor, ActorId host) : actor_(std::move(actor)), host_(std::move(host)) {}

  Behavior behavior() override { return actor_->behavior(); }
  void on_start(Context& context) override {
    actor_->on_start(context);
    (void)context.send_when_room(host_,
                                 HasStarted{context.self()});  // a host that is gone has asked this actor to stop
  }
  void on_stop(Context& context) override { actor_->on_stop(context); }

private:
  const std::unique_ptr<Actor> actor_;
  const ActorId host_;
};

std::string host_name(std::string_view node) {
  return std::string(kHostNames) + std::string(node);
}

Result<ActorId> spawn_host(Node& node, ActorClasses classes, HostOptions options, const DirectoryEntry& placer) {
  node.announce(placer);
  const std::string name = host_name(node.options().name);
  SpawnOptions spawn;
  spawn.incarnation = node.directory().next_incarnation(name_hash(name));
  return node.spawn(name, std::make_unique<NodeHost>(std::move(classes), std::move(options)), spawn);
}

NodeHost::NodeHost(ActorClasses classes, HostOptions options)
    : classes_(std::move(classes)), options_(std::move(options)) {}

NodeHost::~NodeHost() {
  for (const auto& [name, each] : hosted_) node_->stop_later(each.actor, StopMode::now);
}

Behavior NodeHost::behavior() {
  return {on(this, &NodeHost::start_actor), on(this, &NodeHost::has_started), on(this, &NodeHost::stop_hosted),
          on(this, &NodeHost::given_up),    on(this, &NodeHost::hear_end),    on(this, &NodeHost::join_again)};
}

void NodeHost::on_start(Context& context) {
  node_ = &context.node();
  join(context);
}

void NodeHost::join(Context& context) {
  state_ = State::joining;
  const JoinNode message{node_->options().name, context.self(), options_.resources, classes_.names()};
  const ActorId anyone{std::string(kPlacerName)};
  context.request<NodeJoined>(anyone, message, options_.join_deadline,
                              [this](const Result<NodeJoined>& joined, Context& turn) {
                                if (!joined) return leave(joined.failure().text, turn);  // a lost answer may be a yes
                                if (state_ != State::joining) return;
                                state_ = State::joined;
                                placer_ = joined->placer;
                                // Where it was found: it may be a later one than this node was told of.
                                const auto known = node_->directory().find(name_hash(kPlacerName));
                                if (known) node_->announce({placer_, known->endpoint});
                                turn.watch(placer_);
                              });
}

void NodeHost::leave(const std::string& why, Context& context) {
  spdlog::warn("event=no_placer node={} actors={} cause=\"{}\"", node_->options().name, hosted_.size(), why);
  state_ = State::leaving;
  for (const auto& [name, each] : hosted_) node_->stop_later(each.actor, StopMode::now);
  join_when_empty(context);
}

void NodeHost::join_when_empty(Context& context) {
  if (state_ != State::leaving || !hosted_.empty()) return;
  state_ = State::joining;
  (void)context.after(options_.join_again_after, JoinAgain{});
}

void NodeHost::given_up(const GivenUp&, Context& context) {
  context.reply(Ack{});
  if (state_ == State::joined) leave("it has given the node up", context);
}

void NodeHost::join_again(const JoinAgain&, Context& context) {
  join(context);
}

void NodeHost::start_actor(const StartActor& message, Context& context) {
  if (state_ != State::joined) {  // by a placer that does not know yet that it has lost this node
    return context.reply_failure({FailureKind::disconnected, "node " + node_->options().name + " has no placer"});
  }
  Result<std::unique_ptr<Actor>> made = classes_.make(message.class_name, message.arguments);
  if (!made) return context.reply_failure(made.failure());
  SpawnOptions options;
  options.incarnation =
      std::max(message.actor.incarnation, node_->directory().next_incarnation(name_hash(message.actor.name)));
  Result<ActorId> spawned = node_->spawn_later(
      message.actor.name, std::make_unique<StartReporter>(std::move(made).value(), context.self()), options);
  if (!spawned) return context.reply_failure(spawned.failure());
  context.watch(*spawned);
  hosted_[message.actor.name] = {message.actor, *spawned, Hosted::State::starting, context.defer_reply()};
}

void NodeHost::has_started(const HasStarted& message, Context& context) {
  const auto found = hosted_.find(message.actor.name);
  if (found == hosted_.end() || found->second.actor != message.actor) return;
  if (std::exchange(found->second.state, Hosted::State::up) == Hosted::State::up) return;
  context.reply_to(found->second.starter, StartedActor{message.actor});
}

void NodeHost::stop_hosted(const StopHosted& message, Context& context) {
  const auto found = hosted_.find(message.actor.name);
  const bool is_here =
      found != hosted_.end() && (message.actor == found->second.asked || message.actor == found->second.actor);
  if (!is_here) return context.reply(Ack{});
  found->second.stoppers.push_back(context.defer_reply());
  node_->stop_later(found->second.actor);
}

void NodeHost::hear_end(const ActorDown& message, Context& context) {
  if (state_ == State::joined && message.actor == placer_) return leave(message.cause.text, context);
  const auto found = hosted_.find(message.actor.name);
  if (found == hosted_.end() || found->second.actor != message.actor) return;
  const Hosted ended = std::move(found->second);
  hosted_.erase(found);
  if (ended.state == Hosted::State::starting) context.fail_to(ended.starter, message.cause.within("did not start"));
  for (const ReplyTo& each : ended.stoppers) context.reply_to(each, Ack{});
  join_when_empty(context);
}

}  // namespace troupe::runtime
