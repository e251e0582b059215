#pragma once

#include "runtime/message/mail.hpp"
#include "runtime/result.hpp"
#include "runtime/task/task.hpp"

#include <coroutine>
#include <memory>
#include <type_traits>
#include <utility>

/// What Behavior needs to let a handler be a coroutine.
namespace troupe::runtime {

class Context;
struct Activity;

/// Called when a handler's coroutine has come to its end: throws what it threw, or answers with its value.
using FinishTask = void (*)(std::coroutine_handle<> frame, Context& context);

/// The turn's message becomes the activity's, which lives until its coroutine has ended, or the actor.
[[nodiscard]] Activity& begin_activity(Context& turn, MailPtr message, std::shared_ptr<void> keeps);
/// What it handles.
[[nodiscard]] Mail& message_of(Activity& activity);
/// What its coroutine is given, and may keep.
[[nodiscard]] Context& context_of(Activity& activity);
/// To the first place where it waits, or to its end.
void run_activity(Activity& activity, std::coroutine_handle<> frame, FinishTask finish);
/// Answers the activity's request, if there is one that has no answer yet.
void answer_with(Context& context, MailPtr reply);
/// The same with a failure.
void answer_with(Context& context, const Failure& failure);

namespace detail {

template <Message Reply>
void answer_with_value(Context& context, Reply reply) {
  answer_with(context, make_mail(std::move(reply)));
}
template <Message Reply>
void answer_with_value(Context& context, Result<Reply> reply) {
  if (!reply) return answer_with(context, reply.failure());
  answer_with(context, make_mail(std::move(reply).value()));
}

template <class T>
void finish_task(std::coroutine_handle<> frame, Context& context) {
  auto& promise = Task<T>::Handle::from_address(frame.address()).promise();
  if constexpr (std::is_void_v<T>) {
    promise.take();
  } else {
    answer_with_value(context, promise.take());
  }
}

/// Runs `call(message, context)`, a coroutine, as the handling of `mail`.
template <Message M, class Call>
[[nodiscard]] Result<Done> handle_as_task(MailPtr& mail, Context& turn, std::shared_ptr<void> keeps, const Call& call) {
  MailPtr own;
  if (value_of<M>(*mail) != nullptr) {
    own = std::move(mail);
  } else {
    // Bytes become an object: the link's credit goes back at the end of this turn, not of the coroutine.
    const Result<Done> read = with_message<M>(*mail, [&own](M& message) { own = make_mail(std::move(message)); });
    if (!read) return read;
    own->header = mail->header;
  }
  Activity& activity = begin_activity(turn, std::move(own), std::move(keeps));
  auto task = call(*value_of<M>(message_of(activity)), context_of(activity));
  using T = typename TaskValue<decltype(task)>::type;
  run_activity(activity, task.release(), &finish_task<T>);
  return Done{};
}

}  // namespace detail
}  // namespace troupe::runtime
