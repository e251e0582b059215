#include "runtime/stream/out_streams.hpp"

#include "runtime/actor_cell.hpp"
#include "runtime/node_core.hpp"
#include "runtime/stream/stream.hpp"
#include "runtime/stream/stream_protocol.hpp"

#include <algorithm>
#include <utility>

namespace troupe::runtime {
namespace {

const Failure& stream_is_over() {
  static const Failure over{FailureKind::disconnected, "the stream is over: its reader does not read any more"};
  return over;
}

}  // namespace

// ---- the list ------------------------------------------------------------------------------------------------------

std::uint64_t OutStreams::add(ReplyTo reader) {
  OutStream& stream = rows_[++last_];
  stream.reader = std::move(reader);
  count_.store(rows_.size());
  return last_;
}

OutStream* OutStreams::find(std::uint64_t number) {
  const auto found = rows_.find(number);
  return found == rows_.end() ? nullptr : &found->second;
}

void OutStreams::remove(std::uint64_t number) {
  rows_.erase(number);
  count_.store(rows_.size());
}

std::vector<std::uint64_t> OutStreams::of(const std::function<bool(const ReplyTo&)>& matches) const {
  std::vector<std::uint64_t> found;
  for (const auto& [number, stream] : rows_) {
    if (matches(stream.reader)) found.push_back(number);
  }
  return found;
}

std::vector<std::uint64_t> OutStreams::numbers() const {
  return of([](const ReplyTo&) { return true; });
}

// ---- the producer's side, in its turns -----------------------------------------------------------------------------

std::uint64_t Context::open_stream() {
  const bool is_owed = (activity_ != nullptr ? activity_->answer : cell_.answer_) == Duty::owed;
  if (!is_owed) return 0;  // nobody asked, or there is an answer: a stream that is over
  const ReplyTo reader = asker();
  if (reader.asker == 0) {  // it could never grant anything
    reply_failure({FailureKind::unknown, "only an actor can read a stream"});
    return 0;
  }
  set_answered();
  const std::uint64_t number = cell_.out_streams_.add(reader);
  MailPtr opened = make_mail(StreamOpened{number});
  sign(*opened);
  cell_.out_streams_.find(number)->waiting.push_back(std::move(opened));
  cell_.send_stream(number);
  return number;
}

std::uint32_t Context::stream_room(std::uint64_t number) const {
  const OutStream* const stream = cell_.out_streams_.find(number);
  return stream != nullptr && stream->state == OutStream::State::open ? stream->credit : 0;
}

bool Context::is_stream_open(std::uint64_t number) const {
  const OutStream* const stream = cell_.out_streams_.find(number);
  return stream != nullptr && stream->state == OutStream::State::open;
}

Result<Done> Context::put_into_stream(std::uint64_t number, MailPtr item) {
  if (!is_stream_open(number)) return stream_is_over();
  OutStream& stream = *cell_.out_streams_.find(number);
  if (stream.credit == 0) return Failure{FailureKind::overloaded, "the reader has granted no more: wait for room"};
  --stream.credit;
  sign(*item);
  stream.waiting.push_back(std::move(item));
  cell_.send_stream(number);
  return is_stream_open(number) ? Result<Done>(Done{}) : Result<Done>(stream_is_over());
}

void Context::close_stream(std::uint64_t number, MailPtr end) {
  if (!is_stream_open(number)) return;
  OutStream& stream = *cell_.out_streams_.find(number);
  stream.state = OutStream::State::ending;
  sign(*end);
  stream.waiting.push_back(std::move(end));
  if (OutStream::WhenRoom then = std::exchange(stream.when_room, nullptr)) {
    cell_.push_task([then = std::move(then)](ActorCell& cell) { cell.tell_of_stream(then, stream_is_over()); });
  }
  cell_.send_stream(number);
}

void Context::end_stream(std::uint64_t number) {
  close_stream(number, make_mail(StreamEnd{}));
}

void Context::fail_stream(std::uint64_t number, const Failure& why) {
  close_stream(number, NodeCore::failure_mail(why));
}

void Context::when_stream_has_room(std::uint64_t number, OutStream::WhenRoom then) {
  if (is_stream_open(number) && stream_room(number) == 0) {
    cell_.out_streams_.find(number)->when_room = std::move(then);
    return;
  }
  const Result<Done> now = is_stream_open(number) ? Result<Done>(Done{}) : Result<Done>(stream_is_over());
  cell_.push_task([now, then = std::move(then)](ActorCell& cell) { cell.tell_of_stream(then, now); });
}

void ActorCell::tell_of_stream(const OutStream::WhenRoom& then, const Result<Done>& room) {
  Context context(node_, *this, nullptr);
  answer_ = Duty::done;
  then(room, context);
  end_turn();
}

Result<Done> ActorCell::send_answer(const ReplyTo& asker, MailPtr& mail) {
  NodeCore::mark_answer(*mail, asker);
  core_.address(*mail, asker.asker, asker.asker_incarnation);
  if (!asker.endpoint.empty()) return core_.hand_over(asker.endpoint, *mail, parts_.id.name);
  ActorCell* const peer = asker.asker != 0 ? find_peer(asker.asker) : nullptr;
  if (peer == nullptr) return core_.answer(asker, std::move(mail), parts_.id.name);
  return core_.deliver_local(*peer, mail);
}

/// What waits in it, as far as the link has room.
void ActorCell::send_stream(std::uint64_t number) {
  OutStream* const stream = out_streams_.find(number);
  if (stream == nullptr) return;
  while (!stream->waiting.empty()) {
    const Result<Done> sent = send_answer(stream->reader, stream->waiting.front());
    if (!sent && sent.failure().kind == FailureKind::overloaded) return look_for_room_later();
    if (!sent) {
      // What cannot travel, like an item too large, ends it for the reader too; who is gone needs no answer.
      (void)core_.answer(stream->reader, NodeCore::failure_mail(sent.failure()), parts_.id.name);
      return end_stream(number, sent.failure());
    }
    stream->waiting.pop_front();
  }
  if (stream->state == OutStream::State::ending) out_streams_.remove(number);
}

void ActorCell::send_streams() {
  for (const std::uint64_t number : out_streams_.numbers()) send_stream(number);
}

/// Nobody reads it any more.
void ActorCell::end_stream(std::uint64_t number, const Failure& why) {
  OutStream* const stream = out_streams_.find(number);
  if (stream == nullptr) return;
  const OutStream::WhenRoom then = std::move(stream->when_room);
  out_streams_.remove(number);
  if (then) push_task([then, why](ActorCell& cell) { cell.tell_of_stream(then, why.within("the stream is over")); });
}

void ActorCell::end_streams(std::function<bool(const ReplyTo&)> matches, Failure why) {
  push_task([matches = std::move(matches), why = std::move(why)](ActorCell& cell) {
    for (const std::uint64_t number : cell.out_streams_.of(matches)) cell.end_stream(number, why);
  });
}

void ActorCell::hear_grant(Mail& mail) {
  (void)with_message<StreamGrant>(mail, [this, &mail](const StreamGrant& grant) {
    OutStream* const stream = out_streams_.find(grant.number);
    if (stream == nullptr || stream->reader.asker != mail.header.sender ||
        stream->reader.asker_incarnation != mail.header.sender_incarnation) {
      return;  // late, or not its reader's
    }
    if (grant.more == 0) return end_stream(grant.number, {FailureKind::disconnected, "its reader has cancelled it"});
    stream->credit = std::min(kMostCredit, stream->credit + std::min(kMostCredit, grant.more));
    const OutStream::WhenRoom then = std::exchange(stream->when_room, nullptr);
    if (!then) return;
    Context context(node_, *this, &mail);
    then(Done{}, context);
  });
}

/// At the end of the actor.
void ActorCell::fail_streams(const Failure& seen_outside) {
  for (const std::uint64_t number : out_streams_.numbers()) {
    const ReplyTo reader = out_streams_.find(number)->reader;
    out_streams_.remove(number);
    core_.insist(reader, NodeCore::failure_mail(seen_outside), parts_.id.name);
  }
}

}  // namespace troupe::runtime
