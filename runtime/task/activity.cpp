#include "runtime/task/activity.hpp"

#include "runtime/actor_cell.hpp"
#include "runtime/node_core.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace troupe::runtime {

// ---- the list ------------------------------------------------------------------------------------------------------

Activities::~Activities() {
  while (!running_.empty()) remove(*running_.back());
}

Activity& Activities::add(Node& node, ActorCell& cell) {
  if (free_.empty()) free_.push_back(std::make_unique<Activity>(node, cell));
  running_.push_back(std::move(free_.back()));
  free_.pop_back();
  return *running_.back();
}

void Activities::remove(Activity& activity) {
  if (activity.frame) std::exchange(activity.frame, nullptr).destroy();
  activity.message.reset();
  activity.keeps.reset();
  const auto found =
      std::find_if(running_.rbegin(), running_.rend(),
                   [&activity](const std::unique_ptr<Activity>& each) { return each.get() == &activity; });
  std::swap(*found, running_.back());
  free_.push_back(std::move(running_.back()));
  running_.pop_back();
}

// ---- for Behavior --------------------------------------------------------------------------------------------------

Activity& begin_activity(Context& turn, MailPtr message, std::shared_ptr<void> keeps) {
  return turn.begin_activity(std::move(message), std::move(keeps));
}

Mail& message_of(Activity& activity) {
  return *activity.message;
}

Context& context_of(Activity& activity) {
  return activity.context;
}

void run_activity(Activity& activity, std::coroutine_handle<> frame, FinishTask finish) {
  activity.frame = frame;
  activity.finish = finish;
  activity.context.resume(frame);
}

void answer_with(Context& context, MailPtr reply) {
  context.answer_owed_with(std::move(reply));
}

void answer_with(Context& context, const Failure& failure) {
  context.answer_owed_with(NodeCore::failure_mail(failure));
}

// ---- in the actor's turns ------------------------------------------------------------------------------------------

Activity& Context::begin_activity(MailPtr message, std::shared_ptr<void> keeps) {
  // Of bytes the turn still has the mail itself, and with it where the asker is.
  const Mail& asked = current_ != nullptr ? *current_ : *message;
  Activity& activity = cell_.activities().add(node_, cell_);
  activity.answer = std::exchange(cell_.answer_, Duty::done);
  activity.asker = activity.answer == Duty::owed ? NodeCore::asker_of(asked) : ReplyTo{};
  activity.message = std::move(message);
  activity.keeps = std::move(keeps);
  activity.context.current_ = activity.message.get();
  activity.context.activity_ = &activity;
  return activity;
}

void Context::resume(std::coroutine_handle<> at) {
  cell_.resume_activity(own_activity(), at);
}

void Context::resume_after(Duration delay, std::coroutine_handle<> at) {
  cell_.resume_later(own_activity(), delay, at);
}

Activity& Context::own_activity() const {
  if (activity_ == nullptr) throw std::logic_error("co_await with the context of a handler that is no coroutine");
  return *activity_;
}

void Context::answer_owed_with(MailPtr reply) {
  if (own_activity().answer == Duty::owed) reply_mail(std::move(reply));
}

Activities& ActorCell::activities() {
  if (!activities_) activities_ = std::make_unique<Activities>();
  return *activities_;
}

void ActorCell::resume_later(Activity& activity, Duration delay, std::coroutine_handle<> at) {
  // An activity that waits for time lives until then, or as long as the actor.
  activity.alarm =
      core_.parts.timers->run_at(core_.parts.clock->now() + delay, [weak = weak_from_this(), waiting = &activity, at] {
        const std::shared_ptr<ActorCell> cell = weak.lock();
        if (!cell) return;
        cell->push_task([waiting, at](ActorCell& self) {
          waiting->alarm = 0;
          self.busy_since_ns_.store(self.updated_ns_.load(std::memory_order_relaxed), std::memory_order_relaxed);
          self.answer_ = Duty::done;
          self.resume_activity(*waiting, at);
          self.end_turn();
        });
      });
}

void ActorCell::choose_hold() {
  const std::size_t count = activities_ ? activities_->count() : 0;
  Hold hold = Hold::none;
  if (count > 0 && behavior_.takes() == Takes::urgent_mail) hold = Hold::ordinary;
  if (count > 0 && count >= parts_.mailbox_capacity) hold = Hold::all;
  if (hold == hold_) return;
  hold_ = hold;
  mailbox_.release_held();  // what has to wait still is held again, in its order
}

void ActorCell::end_activities(const Failure& seen_outside) {
  const std::unique_ptr<Activities> activities = std::exchange(activities_, nullptr);
  if (!activities) return;
  std::vector<ReplyTo> askers;
  for (const std::unique_ptr<Activity>& each : activities->running()) {
    if (each->alarm != 0) core_.parts.timers->cancel(each->alarm);
    if (each->answer == Duty::owed) askers.push_back(each->asker);
  }
  while (activities->count() > 0) activities->remove(*activities->running().back());
  for (const ReplyTo& asker : askers) {
    // an asker that is gone needs no answer
    (void)core_.answer(asker, NodeCore::failure_mail(seen_outside), parts_.id.name);
  }
}

}  // namespace troupe::runtime
