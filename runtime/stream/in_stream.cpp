#include "runtime/actor_cell.hpp"
#include "runtime/node_core.hpp"
#include "runtime/stream/stream.hpp"
#include "runtime/stream/stream_protocol.hpp"

#include <algorithm>
#include <utility>

/// The reader's side of a stream, in its turns: a request that stays open from one item to the next.
namespace troupe::runtime {
namespace {

ReplyTo producer_of(const Mail& mail) {
  ReplyTo producer = NodeCore::asker_of(mail);
  producer.correlation = 0;  // of no request: a grant
  return producer;
}

}  // namespace

StreamId Context::open_reading(const ActorId& to, MailPtr mail, const StreamLimits& limits,
                               std::unique_ptr<Awaiting> awaiting) {
  sign(*mail);
  const std::string_view name = mail->type()->name;
  auto stream = std::make_unique<InStream>();
  stream->wanted = std::max(1U, limits.credit);
  return {cell_.ask(to, std::move(mail), name, limits.between, std::move(awaiting), std::move(stream))};
}

void Context::grant(StreamId stream, std::uint32_t more) {
  OpenRequests::Row* const row = cell_.open_.find(stream.number);
  if (row == nullptr || !row->stream || more == 0) return;
  row->stream->wanted += more;
  cell_.grant_wanted(*row);
}

void Context::cancel(StreamId stream) {
  if (const std::optional<OpenRequests::Row> row = cell_.open_.take(stream.number)) cell_.cancel_at_producer(*row);
}

void ActorCell::send_grant(const ReplyTo& producer, StreamGrant grant) {
  MailPtr mail = make_mail(grant);
  mail->header.sender = name_key_;
  mail->header.sender_incarnation = parts_.id.incarnation;
  core_.insist(producer, std::move(mail), parts_.id.name);
}

void ActorCell::grant_wanted(OpenRequests::Row& row) {
  InStream& stream = *row.stream;
  const auto more = static_cast<std::uint32_t>(std::min<std::uint64_t>(stream.wanted, kMostCredit - stream.open));
  const bool is_worth_telling = more == stream.wanted || more >= kMostCredit / 2;
  if (stream.number == 0 || more == 0 || !is_worth_telling) return;  // before it is opened there is nobody to tell
  if (stream.open == 0) {
    row.due = core_.parts.clock->now() + row.deadline;
    watch_deadline(row.due);
  }
  stream.open += more;
  stream.wanted -= more;
  send_grant(stream.producer, {stream.number, more});
}

void ActorCell::cancel_at_producer(const OpenRequests::Row& row) {
  if (row.stream && row.stream->number != 0) send_grant(row.stream->producer, {row.stream->number, 0});
}

/// Of a stream that is not read any more.
void ActorCell::refuse_stream(Mail& mail) {
  if (mail.name() != StreamOpened::kName) return;
  const ReplyTo producer = producer_of(mail);
  (void)with_message<StreamOpened>(mail, [this, &producer](const StreamOpened& opened) {
    send_grant(producer, {opened.number, 0});
  });
}

void ActorCell::hear_stream(OpenRequests::Row& row, Mail& mail, Context& context) {
  InStream& stream = *row.stream;
  const std::string_view name = mail.name();
  if (stream.number == 0 && name == StreamOpened::kName) {
    stream.producer = producer_of(mail);
    (void)with_message<StreamOpened>(mail, [&stream](const StreamOpened& opened) { stream.number = opened.number; });
    return grant_wanted(row);
  }
  const bool is_item = stream.number != 0 && stream.open > 0 && name != StreamEnd::kName;
  if (!is_item) {
    const OpenRequests::Row last = *open_.take(mail.header.correlation);
    if (last.stream->number != 0 && name == StreamEnd::kName) return last.awaiting->end(context);
    cancel_at_producer(last);
    return last.awaiting->fail({FailureKind::unknown, last.target + " did not answer " + std::string(last.message) +
                                                          " with a stream, but with " + std::string(name)},
                               context);
  }
  row.due = --stream.open > 0 ? core_.parts.clock->now() + row.deadline : TimePoint::max();
  // Out of the row meanwhile: who is called may cancel the stream, or ask something.
  std::unique_ptr<Awaiting> awaiting = std::move(row.awaiting);
  awaiting->reply(mail, context);
  OpenRequests::Row* const again = open_.find(mail.header.correlation);
  if (again == nullptr) return;
  again->awaiting = std::move(awaiting);
  grant_wanted(*again);  // what was too much to be granted at once
}

}  // namespace troupe::runtime
