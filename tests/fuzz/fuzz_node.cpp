#include "runtime/job_protocol.hpp"
#include "runtime/node.hpp"
#include "runtime/watch.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/one_thread_world.hpp"

#include <array>
#include <memory>

namespace troupe::runtime {

namespace {

const std::string kStranger = "memory://stranger";
const std::string kHost = "memory://host";

/// Understands a few messages, answers, asks its peer, watches it: what mail from outside can set in motion.
class Target final : public Actor {
public:
  explicit Target(int& outcomes) : outcomes_(outcomes) {}
  Behavior behavior() override {
    return {on(this, &Target::answer), on(this, &Target::ask), on(this, &Target::note), on(this, &Target::down)};
  }

private:
  void answer(const KillActor&, Context& context) { context.reply(Ack{}); }
  void ask(const AllUp&, Context& context) {
    context.watch({"stranger", 1});
    context.request<Ack>({"stranger", 1}, Ack{}, std::chrono::seconds(1),
                         [this](const Result<Ack>&, Context&) { ++outcomes_; });
  }
  void note(const RecordEvent& event, Context&) { size_ += event.fields.size(); }
  void down(const ActorDown& news, Context&) { size_ += news.cause.text.size(); }

  int& outcomes_;
  std::size_t size_ = 0;
};

/// Hears what a node answers to strangers.
class Ear final : public TransportSink {
public:
  void on_envelope(Envelope envelope) override { bytes += envelope.bytes(); }
  void on_peer_down(const std::string&, const Failure&) override {}
  void on_undeliverable(Envelope, const Failure&) override {}

  std::size_t bytes = 0;
};

/// A header of the input, put right where it is told to: else nearly nothing would get past the first look.
Result<Envelope> next_envelope(FuzzBytes& bytes, int asked) {
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
  if ((fix & 8U) != 0) envelope.header.correlation = static_cast<std::uint64_t>(asked);
  constexpr std::array kNames{KillActor::kName,
                              AllUp::kName,
                              RecordEvent::kName,
                              ActorDown::kName,
                              Ack::kName,
                              std::string_view("runtime.watch"),
                              std::string_view("runtime.failure")};
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
  int outcomes = 0;
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
    node.spawn("target", std::make_unique<Target>(outcomes)).value();
    for (; !bytes.is_empty() && sent < 64; ++sent) {
      Result<Envelope> envelope = next_envelope(bytes, sent);
      if (envelope) (void)world.network.carry({kStranger, kHost}, std::move(envelope).value());
      if (bytes.byte() % 8U == 0) world.advance(std::chrono::milliseconds(300));
    }
    node.shutdown(std::chrono::seconds(1));
  }
  world.network.detach(kStranger);
  if (outcomes > sent) throw FuzzFinding("CX-1: more outcomes than requests");
  return static_cast<std::size_t>(sent) * kHeaderBytes;
}

}  // namespace troupe::runtime
