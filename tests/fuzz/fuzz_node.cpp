#include "runtime/dead_letter.hpp"
#include "runtime/job_protocol.hpp"
#include "runtime/node.hpp"
#include "runtime/stream/stream.hpp"
#include "runtime/stream/stream_protocol.hpp"
#include "runtime/supervision/link.hpp"
#include "runtime/watch.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/one_thread_world.hpp"

#include <array>
#include <memory>

namespace troupe::runtime {

namespace {

const std::string kStranger = "memory://stranger";
const std::string kHost = "memory://host";

/// Asks for a stream.
struct Items {
  static constexpr std::string_view kName = "fuzz.items";
  template <class Archive>
  void serialize(Archive&) {}
};

/// What the target has heard, as far as there is a bound for it.
struct Heard {
  int outcomes = 0;
  int ends = 0;   // of streams
  int after = 0;  // items, or ends, behind an end
};

/// Understands a few messages, answers, asks its peer, watches it, reads a stream and fills one: what mail from outside
/// can set in motion.
class Target final : public Actor {
public:
  explicit Target(Heard& heard) : heard_(heard) {}
  Behavior behavior() override {
    return {on(this, &Target::answer), on(this, &Target::ask),  on(this, &Target::note),
            on(this, &Target::down),   on(this, &Target::fill), on(this, &Target::lost)};
  }

private:
  void answer(const KillActor&, Context& context) { context.reply(Ack{}); }
  void ask(const AllUp&, Context& context) {
    context.watch({"stranger", 1});
    context.request<Ack>({"stranger", 1}, Ack{}, std::chrono::seconds(1),
                         [this](const Result<Ack>&, Context&) { ++heard_.outcomes; });
    constexpr StreamLimits kLimits{.credit = 2, .between = std::chrono::seconds(1)};
    read_stream<Ack>(context, {"stranger", 1}, Items{}, kLimits,
                     [this, is_over = false](const Result<std::optional<Ack>>& next, Context&) mutable {
                       if (is_over) ++heard_.after;
                       is_over = !next || !*next;
                       if (is_over) ++heard_.ends;
                     });
  }
  Task<> fill(const Items&, Context& context) {
    const StreamOut<Ack> out(context);
    for (int items = 0; items < 4; ++items) {
      if (!co_await out.room(context)) co_return;
      if (!out.put(context, Ack{})) co_return;
    }
    out.end(context);
  }
  void lost(const DeadLetter& letter, Context&) { size_ += letter.message.size(); }
  void note(const RecordEvent& event, Context&) { size_ += event.fields.size(); }
  void down(const ActorDown& news, Context&) { size_ += news.cause.text.size(); }

  Heard& heard_;
  std::size_t size_ = 0;
};

/// Hears what a node answers to strangers.
class Ear final : public TransportSink {
public:
  void on_envelope(Envelope envelope) override {
    bytes += envelope.bytes();
    if (envelope.header.kind == EnvelopeKind::request) asked = envelope.header.correlation;
  }
  void on_peer_down(const std::string&, const Failure&) override {}
  void on_undeliverable(Envelope, const Failure&) override {}

  std::size_t bytes = 0;
  std::uint64_t asked = 0;  // what the last question is answered to
};

/// A header of the input, put right where it is told to: else nearly nothing would get past the first look.
Result<Envelope> next_envelope(FuzzBytes& bytes, std::uint64_t asked) {
  const unsigned fix = bytes.byte();
  HeaderBytes raw{};
  const std::span<const std::byte> given = bytes.take(kHeaderBytes);
  std::copy(given.begin(), given.end(), raw.begin());
  if ((fix & 1U) != 0) {
    Header good;
    good.kind = static_cast<EnvelopeKind>(1 + bytes.byte() % 10U);
    good.correlation = bytes.byte() % 16U;
    good.sender_incarnation = bytes.byte() % 4U;
    good.receiver_incarnation = bytes.byte() % 4U;
    raw = encode_header(good);
  }
  const Result<Header> header = decode_header(raw);
  if (!header) return header.failure();
  Envelope envelope;
  envelope.header = *header;
  if ((fix & 2U) != 0) envelope.header.receiver = name_hash("target");
  if ((fix & 4U) != 0) envelope.header.sender = name_hash("stranger");
  if ((fix & 8U) != 0) envelope.header.correlation = asked;
  constexpr std::array kNames{KillActor::kName,    AllUp::kName,     RecordEvent::kName,
                              ActorDown::kName,    Ack::kName,       std::string_view("runtime.failure"),
                              WatchBody::kName,    LinkBody::kName,  DeadLetter::kName,
                              StreamOpened::kName, StreamEnd::kName, StreamGrant::kName,
                              Items::kName};
  const unsigned name = bytes.byte() % (kNames.size() + 1);
  envelope.message = name < kNames.size() ? std::string(kNames.at(name)) : text_of(bytes.take(bytes.byte() % 201U));
  envelope.sender_name = text_of(bytes.take(bytes.byte() % 201U));
  envelope.body = text_of(bytes.take(bytes.word()));
  envelope.arrival = Arrival(std::make_shared<Origin>(kStranger), 1);  // the receiving transport's own word
  return envelope;
}

}  // namespace

/// Envelopes as a transport hands them up, to a node with an actor.
std::size_t fuzz_node(FuzzBytes& bytes) {
  Heard heard;
  int sent = 0;
  test::OneThreadWorld world;
  Ear ear;
  if (!world.network.attach(kStranger, ear)) throw FuzzFinding("no stranger");
  {
    NodeOptions options;
    options.mailbox_capacity = 16;
    Node node(options, world.parts("host"));
    node.start().value();
    node.announce({{"stranger", 1}, kStranger});
    node.spawn("target", std::make_unique<Target>(heard)).value();
    for (; !bytes.is_empty() && sent < 64; ++sent) {
      Result<Envelope> envelope = next_envelope(bytes, ear.asked);
      if (envelope) (void)world.network.carry({kStranger, kHost}, std::move(envelope).value());
      if (bytes.byte() % 8U == 0) world.advance(std::chrono::milliseconds(300));
    }
    node.shutdown(std::chrono::seconds(1));
  }
  world.network.detach(kStranger);
  if (heard.outcomes > sent) throw FuzzFinding("CX-1: more outcomes than requests");
  if (heard.ends > sent || heard.after > 0) throw FuzzFinding("SM-1: a stream that goes on behind its end");
  return static_cast<std::size_t>(sent) * kHeaderBytes;
}

}  // namespace troupe::runtime
