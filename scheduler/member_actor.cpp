#include "scheduler/member_actor.hpp"

#include "runtime/node.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace troupe::scheduler {
namespace {

constexpr runtime::Duration kLeaderDeadline = std::chrono::seconds(1);
constexpr runtime::Duration kAskLeaderAgain = std::chrono::milliseconds(100);

}  // namespace

MemberActor::MemberActor(runtime::ActorId own_actor, std::uint32_t term, OnEnd on_end, runtime::Duration lease)
    : own_actor_(std::move(own_actor)), term_(term), on_end_(std::move(on_end)), lease_(lease) {}

runtime::Behavior MemberActor::behavior() {
  return {runtime::on(this, &MemberActor::update), runtime::on(this, &MemberActor::someone_down),
          runtime::on(this, &MemberActor::link_lost), runtime::on(this, &MemberActor::seek)};
}

void MemberActor::on_start(runtime::Context& context) {
  context.watch(own_actor_);
  context.watch({std::string(kHeadName), 0});
  context.watch_links();
}

void MemberActor::update(const DirectoryUpdate& message, runtime::Context& context) {
  for (const DirectoryUpdate::Death& death : message.dead) context.node().declare_down(death.actor, death.cause);
  for (const runtime::DirectoryEntry& entry : message.alive) context.node().announce(entry);
  context.reply(Ack{});
}

void MemberActor::someone_down(const runtime::ActorDown& message, runtime::Context& context) {
  const runtime::Failure why = message.cause.within(message.actor.name);
  const bool may_return = message.actor.name == kHeadName && message.cause.kind == runtime::FailureKind::disconnected &&
                          !runtime::is_orderly_end(message.cause);
  if (!may_return) return end(why);
  if (seek_until_) return;
  seek_until_ = context.now() + lease_;
  loss_ = why;
  context.after(kAskLeaderAgain, SeekHead{});  // not at once: a head that died is not back yet
}

void MemberActor::seek(const SeekHead&, runtime::Context& context) {
  if (!seek_until_ || business_ == Business::over) return;
  if (context.now() >= *seek_until_) return end(loss_);
  context.request<Leader>(
      {std::string(kHeadName), 0}, WhoLeads{own_actor_, term_}, kLeaderDeadline,
      [this](const runtime::Result<Leader>& answer, runtime::Context& turn) { answered(answer, turn); });
}

void MemberActor::answered(const runtime::Result<Leader>& answer, runtime::Context& context) {
  if (!answer) {
    context.after(kAskLeaderAgain, SeekHead{});
    return;
  }
  if (answer->asker != Leader::Asker::belongs)
    return end(loss_.within("the head that leads now does not know this actor"));
  seek_until_.reset();
  context.node().announce(answer->head);
  context.node().announce(answer->driver);
  context.watch(answer->head.actor);
}

void MemberActor::end(const runtime::Failure& why) {
  if (business_ == Business::over) return;
  business_ = Business::over;
  on_end_(why);
}

void MemberActor::link_lost(const runtime::LinkLost& message, runtime::Context& context) {
  // Who is known to be dead lives nowhere any more: nothing to report.
  for (const runtime::ActorId& peer : context.node().directory().living_at(message.endpoint)) {
    (void)context.send(kHeadName, PeerLost{own_actor_, peer, message.cause});  // no head: the next one begins anew
  }
}

}  // namespace troupe::scheduler
