#include "scheduler/head_actor.hpp"

#include "runtime/node.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

/// What the head tells about its actors, and to whom.
namespace troupe::scheduler {
namespace {

// A directory update is a few map writes; five seconds are a process that does not run.
constexpr runtime::Duration kMemberDeadline = std::chrono::seconds(5);
// The answer of a process that has not noticed yet that the head is another one is lost with its link to the one
// before: it is told again. To know who lives where twice does no harm. On a slow network the first tries are too short
// for an answer, and the later ones long enough.
constexpr runtime::Duration kTellAgain = std::chrono::milliseconds(20);

}  // namespace

void HeadActor::tell_members(const DirectoryUpdate& update, runtime::Context& context) {
  const auto shared = std::make_shared<const DirectoryUpdate>(update);  // by the tries of every member
  for (const ActorRecord& record : records_) {
    if (record.state() != ActorState::up || awaited_.contains(record.node())) continue;
    ++unconfirmed_;
    tell_member({.actor = record.id(), .update = shared, .until = context.now() + kMemberDeadline, .at = {}}, context);
  }
}

void HeadActor::tell_member(const Telling& telling, runtime::Context& context) {
  const runtime::ActorId member = members_.at(telling.actor.name).actor;
  const runtime::Duration left = telling.until - context.now();
  context.request<Ack>(member, *telling.update, std::min(telling.wait, left),
                       [this, telling](const runtime::Result<Ack>& answer, runtime::Context& turn) {
                         member_answered(telling, answer, turn);
                       });
}

void HeadActor::member_answered(Telling telling, const runtime::Result<Ack>& answer, runtime::Context& context) {
  const ActorRecord* record = find(telling.actor);
  const bool lives = record != nullptr && record->state() == ActorState::up && nodes_.contains(record->node());
  if (!answer && lives && context.now() + kTellAgain < telling.until) {
    telling.at = context.now() + kTellAgain;
    telling.wait *= 2;
    untold_.push_back(std::move(telling));
    return;
  }
  --unconfirmed_;
  // A process that does not learn who lives where would work with ghosts: it is started again. Until its end is heard,
  // with the true cause, the job is not whole.
  if (!answer && lives) {
    pending_[telling.actor.name].ear = Pending::Ear::deaf;
    (void)context.send(nodes_.at(record->node()).agent.actor, KillProcess{telling.actor});
  }
  tell_driver_if_whole(context);
}

void HeadActor::tell_again(runtime::Context& context) {
  const runtime::TimePoint now = context.now();
  const auto due = std::partition(untold_.begin(), untold_.end(), [now](const Telling& each) { return each.at > now; });
  const std::vector<Telling> again(std::make_move_iterator(due), std::make_move_iterator(untold_.end()));
  untold_.erase(due, untold_.end());
  for (const Telling& each : again) {
    const ActorRecord* record = find(each.actor);
    if (record != nullptr && record->state() == ActorState::up) {
      tell_member(each, context);
    } else {
      --unconfirmed_;  // who died meanwhile need not know
      tell_driver_if_whole(context);
    }
  }
}

void HeadActor::tell_driver_if_whole(runtime::Context& context) {
  if (change_ == Change::told || unconfirmed_ > 0 || !awaited_.empty() || job_ != Job::running) return;
  AllUp all;
  for (const ActorRecord& record : records_) {
    if (record.state() != ActorState::up || pending_[record.id().name].ear == Pending::Ear::deaf) return;
    all.actors.push_back(record.id());
  }
  change_ = Change::told;
  (void)context.send(spec_.driver, all);  // the driver is in this process
}

}  // namespace troupe::scheduler
