#include "runtime/message/message.hpp"
#include "runtime/transport/crc32c.hpp"
#include "runtime/transport/zmq_inbox.hpp"
#include "runtime/transport/zmq_seal.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/temporary_folder.hpp"

#include <array>
#include <cstring>
#include <deque>

namespace troupe::runtime {

namespace {

constexpr std::size_t kCallers = 2;
constexpr std::size_t kInboxArenaBytes = 256 * 1024;

/// Sees that each link's messages come in sequence, and keeps some of them, and with them their tickets.
class CheckingSink final : public TransportSink {
public:
  void on_envelope(Envelope envelope) override {
    if (envelope.from_endpoint().empty() || !envelope.arrival.owes()) throw FuzzFinding("a message of nobody");
    ++delivered;
    bytes += wire_cost(envelope);
    if (envelope.header.step % 2 == 0) kept.push_back(std::move(envelope));
  }
  void on_peer_down(const std::string&, const Failure&) override {}
  void on_undeliverable(Envelope, const Failure&) override {}

  std::size_t delivered = 0;
  std::size_t bytes = 0;
  std::vector<Envelope> kept;
};

/// What came and waits to be read; answers go nowhere.
class ScriptedListener final : public LinkSockets {
public:
  Result<std::unique_ptr<DialedConnection>> dial(const std::string&, const std::string&) override {
    return Failure{FailureKind::disconnected, "this one only listens"};
  }
  [[nodiscard]] std::size_t listeners() const override { return 1; }
  Received receive(std::size_t, std::vector<Frame>& frames) override {
    if (came_.empty()) return Received::nothing;
    frames = std::move(came_.front());
    came_.pop_front();
    return Received::message;
  }
  bool send(std::size_t, std::vector<Frame>& frames) override {
    const auto opened = open_frame(bytes_of(frames.back()), SafetyChecks{});
    // The refusal of a version that knows no seals has none.
    const bool is_readable = opened ? bool{decode_front(*opened)} : bool{decode_front(bytes_of(frames.back()))};
    if (frames.size() != 2 || !is_readable) throw FuzzFinding("an answer that nobody can read");
    return ++answers_ % 8 != 0;  // now and then its reader has left too many unread
  }
  void wait(Duration) override {}
  void stop_listening(std::chrono::milliseconds) override {}
  void come(std::vector<Frame> frames) { came_.push_back(std::move(frames)); }

private:
  std::deque<std::vector<Frame>> came_;
  std::size_t answers_ = 0;
};

/// A caller's arena and the folder it lies in; made once, since that takes longer than to use them.
struct Surroundings {
  test::TemporaryFolder folder;
  std::unique_ptr<ShmArena> arena = ShmArena::create(folder.path(), 7, kInboxArenaBytes).value();
};

/// One run: an inbox of its own, and callers that do what the bytes say.
class Session {
public:
  Session(Surroundings& around, FuzzBytes& bytes)
      : around_(around), bytes_(bytes), inbox_({sockets_, options_, self_, sink_, tally_, waker_, checks_}) {}

  std::size_t run() {
    for (int steps = 0; !bytes_.is_empty() && steps < 256; ++steps) {
      step();
      made_up_ += 256;  // a step may have an answer
    }
    inbox_.say_bye();
    around_.arena->take_back(1);
    sink_.kept.clear();
    if (tally_.received != sink_.delivered) throw FuzzFinding("messages that are counted and not delivered");
    return made_up_;
  }

private:
  static ZmqTransportOptions options_of(const Surroundings& around) {
    ZmqTransportOptions options;
    options.job = 7;
    options.arena_directory = around.folder.path();
    options.window_messages = 4;
    options.window_bytes = 64 * 1024;
    return options;
  }
  static LinkIdentity identity() {
    LinkIdentity self;
    self.job = 7;
    self.instance = 99;
    self.machine = "here";
    return self;
  }

  void step() {
    const unsigned what = bytes_.byte();
    caller_ = (what >> 3U) % kCallers;
    switch (what % 8U) {
      case 0:
        return send_raw();
      case 1:
        return pass_time();
      case 2:
        return say_hello();
      case 3:
        return send_message();
      case 4:
        return send_batch();
      case 5:
        return send_large();
      case 6:
        return sink_.kept.clear();
      default:
        (void)inbox_.take_gone();
    }
  }
  void deliver(std::vector<zmq::message_t> frames) {
    if (frames.empty()) return;
    for (const zmq::message_t& frame : frames) made_up_ += frame.size();
    const std::string name = "caller" + std::to_string(caller_);
    frames.emplace(frames.begin(), name.data(), name.size());
    sockets_.come(std::move(frames));
    while (inbox_.read(0, now_)) {
    }
  }
  void pass_time() {
    now_ += std::chrono::milliseconds(100) * bytes_.byte();
    inbox_.tick(now_);
    (void)inbox_.owes_notes();
  }
  /// Frames as they come; the first with the right seal, or nothing else would be read of it, but for one time in
  /// eight.
  void send_raw() {
    std::vector<zmq::message_t> frames;
    const unsigned how = bytes_.byte();
    for (unsigned count = 1 + how % 4U; count > 0; --count) {
      const std::span<const std::byte> frame = bytes_.take(bytes_.word());
      frames.emplace_back(frame.data(), frame.size());
    }
    if (how < 224) frames.front() = sealed(bytes_of(frames.front()));
    deliver(std::move(frames));
  }
  void say_hello() {
    LinkHello hello;
    hello.job = 7;
    hello.instance = 1 + bytes_.byte() % 4U;
    hello.link = bytes_.byte() % 4U;
    hello.next_sequence = 1 + bytes_.byte() % 2U;
    hello.endpoint = "ipc:///caller/" + std::to_string(bytes_.byte() % 4U);
    hello.machine = "here";
    hello.dialed = "ipc:///self/" + std::to_string(bytes_.byte() % 3U);
    const unsigned arena = bytes_.byte() % 3U;
    if (arena == 1) hello.arena = around_.arena->name();
    if (arena == 2) hello.arena = text_of(bytes_.take(bytes_.byte()));
    hello.arena_cookie = around_.arena->cookie() + bytes_.byte() % 2U;
    Envelope envelope = encode_message(hello);
    envelope.header.kind = EnvelopeKind::hello;
    std::vector<zmq::message_t> frames;
    frames.push_back(encode_sealed_front(envelope, {}));
    deliver(std::move(frames));
    sequence_.at(caller_) = 0;
  }
  Envelope next_envelope() {
    Envelope envelope;
    const unsigned kind = bytes_.byte();
    envelope.header.kind = static_cast<EnvelopeKind>(kind % 16U == 0 ? 1 + kind / 16U % 10U : 1);
    const unsigned skip = bytes_.byte();
    sequence_.at(caller_) += skip < 224 ? 1 : skip % 4U;
    envelope.header.sequence = sequence_.at(caller_);
    envelope.header.step = bytes_.byte();
    envelope.message = text_of(bytes_.take(bytes_.byte() % 201U));
    envelope.body = text_of(bytes_.take(bytes_.byte()));
    return envelope;
  }
  PayloadPlace next_place(std::vector<zmq::message_t>& frames) {
    const unsigned way = bytes_.byte();
    const std::span<const std::byte> content = bytes_.take(bytes_.byte());
    PayloadPlace place;
    place.block.length = content.size() + (way >= 192 ? bytes_.number() : 0);
    if (way % 2U == 0) {
      frames.emplace_back(content.data(), content.size());
      if (way != 128) place.block.generation = crc32c(content);
      return place;
    }
    place.way = PayloadWay::arena;
    const std::optional<BlockRef> lent = around_.arena->lend(content, 1);
    if (lent) place.block = *lent;
    if (way % 8U == 1) place.block.offset = bytes_.number();
    if (way % 8U == 3) place.block.length = bytes_.number();
    if (way % 8U == 5) place.block.generation = bytes_.number();
    return place;
  }
  void send_message() {
    const Envelope envelope = next_envelope();
    std::vector<PayloadPlace> places;
    std::vector<zmq::message_t> frames(1);
    for (unsigned count = bytes_.byte() % 4U; count > 0; --count) places.push_back(next_place(frames));
    frames[0] = encode_sealed_front(envelope, places);
    deliver(std::move(frames));
  }
  void send_batch() {
    Fronts fronts;
    for (unsigned count = 2 + bytes_.byte() % 4U; count > 0; --count) fronts.add(next_envelope());
    std::vector<zmq::message_t> frames;
    frames.push_back(fronts.to_frame());
    deliver(std::move(frames));
  }
  /// A payload by wire that fills the window, in one frame or two.
  void send_large() {
    Envelope envelope = next_envelope();
    const std::size_t first = std::size_t{bytes_.byte()} * 1024;
    const std::size_t second = std::size_t{bytes_.byte()} * 16;
    std::vector<zmq::message_t> frames(2);
    PayloadPlace place;
    place.block.length = first + second;
    frames[1] = zmq::message_t(first);
    if (second > 0) frames.emplace_back(second);
    for (std::size_t i = 1; i < frames.size(); ++i) {
      std::memset(frames[i].data(), 0, frames[i].size());
      place.block.generation = crc32c(bytes_of(frames[i]), static_cast<std::uint32_t>(place.block.generation));
    }
    frames[0] = encode_sealed_front(envelope, std::span(&place, 1));
    deliver(std::move(frames));
  }

  Surroundings& around_;
  FuzzBytes& bytes_;
  const ZmqTransportOptions options_ = options_of(around_);
  const LinkIdentity self_ = identity();
  const SafetyChecks checks_;
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  ScriptedListener sockets_;
  CheckingSink sink_;
  TransportTally tally_;
  ZmqInbox inbox_;
  TimePoint now_{std::chrono::seconds(1000)};
  std::size_t caller_ = 0;
  std::array<std::uint64_t, kCallers> sequence_{};
  std::size_t made_up_ = 0;
};

}  // namespace

std::size_t fuzz_inbox(FuzzBytes& bytes) {
  static Surroundings around;
  return Session(around, bytes).run();
}

}  // namespace troupe::runtime
