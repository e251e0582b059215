#include "scheduler/member_actor.hpp"

#include "runtime/node.hpp"

#include <utility>

namespace troupe::scheduler {

MemberActor::MemberActor(runtime::ActorId own_actor, OnEnd on_end)
    : own_actor_(std::move(own_actor)), on_end_(std::move(on_end)) {}

runtime::Behavior MemberActor::behavior() {
  return {runtime::on(this, &MemberActor::update), runtime::on(this, &MemberActor::someone_down),
          runtime::on(this, &MemberActor::link_lost)};
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

void MemberActor::someone_down(const runtime::ActorDown& message, runtime::Context&) {
  if (business_ == Business::over) return;
  business_ = Business::over;
  on_end_(message.cause.within(message.actor.name));
}

void MemberActor::link_lost(const runtime::LinkLost& message, runtime::Context& context) {
  // Who is known to be dead lives nowhere any more: nothing to report.
  for (const runtime::ActorId& peer : context.node().directory().living_at(message.endpoint)) {
    (void)context.send(kHeadName, PeerLost{own_actor_, peer, message.cause});  // no head: this process ends anyway
  }
}

}  // namespace troupe::scheduler
