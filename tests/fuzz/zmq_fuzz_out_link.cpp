#include "runtime/message/message.hpp"
#include "runtime/transport/zmq_out_link.hpp"
#include "runtime/transport/zmq_seal.hpp"
#include "tests/fuzz/fuzz_target.hpp"

#include <algorithm>
#include <deque>

namespace troupe::runtime {

namespace {

/// What the peer says on the way back, and what becomes of the connection; shared by all that are dialed.
struct Script {
  std::deque<std::vector<Frame>> says;
  DialedConnection::News news = DialedConnection::News::none;
  std::size_t sent_bytes = 0;
};

class ScriptedConnection final : public DialedConnection {
public:
  explicit ScriptedConnection(Script& script) : script_(script) {}
  bool send(std::vector<Frame>& frames) override {
    for (const Frame& frame : frames) script_.sent_bytes += frame.size();
    return script_.news == News::none;
  }
  Received receive(std::vector<Frame>& frames) override {
    if (script_.says.empty()) return Received::nothing;
    frames = std::move(script_.says.front());
    script_.says.pop_front();
    return Received::message;
  }
  News news() override { return std::exchange(script_.news, News::none); }

private:
  Script& script_;
};

class ScriptedDialer final : public LinkSockets {
public:
  explicit ScriptedDialer(Script& script) : script_(script) {}
  Result<std::unique_ptr<DialedConnection>> dial(const std::string&, const std::string&) override {
    return std::unique_ptr<DialedConnection>(std::make_unique<ScriptedConnection>(script_));
  }
  [[nodiscard]] std::size_t listeners() const override { return 0; }
  Received receive(std::size_t, std::vector<Frame>&) override { return Received::nothing; }
  bool send(std::size_t, std::vector<Frame>&) override { return false; }
  void wait(Duration) override {}
  void stop_listening(std::chrono::milliseconds) override {}

private:
  Script& script_;
};

/// A link that posts numbered messages while its peer answers what the bytes say.
class Dialogue {
public:
  explicit Dialogue(FuzzBytes& bytes) : bytes_(bytes), link_("ipc:///peer", 5, parts_, now_) {
    self_.instance = 99;
    self_.endpoint = "ipc:///self";
  }

  std::size_t run() {
    for (int steps = 0; !bytes_.is_empty() && steps < 128; ++steps) {
      step();
      link_.read(now_);
      link_.read_news(now_);
      link_.tick(now_);
      link_.flush(now_);
      made_up_ += 1024;  // a hello may be said again
      const LinkCost released = link_.take_released();
      released_ += released;
      if (released_.messages > posted_) throw FuzzFinding("more is given back than was taken");
    }
    link_.die({FailureKind::disconnected, "the end"});
    const std::vector<Envelope> unsent = link_.unsent();
    const bool is_in_order = std::is_sorted(unsent.begin(), unsent.end(), [](const Envelope& a, const Envelope& b) {
      return a.header.lane != b.header.lane ? a.header.lane > b.header.lane : a.header.step < b.header.step;
    });
    if (!is_in_order || unsent.size() > posted_) throw FuzzFinding("OL-3: not what never left");
    return made_up_ + 4 * script_.sent_bytes;
  }

private:
  void step() {
    switch (bytes_.byte() % 7U) {
      case 0:
        return post();
      case 1:
        return say_raw();
      case 2:
        return say_welcome();
      case 3:
        return say_note();
      case 4:
        return say_bye();
      case 5:
        now_ += std::chrono::milliseconds(50) * bytes_.byte();
        return;
      default:
        script_.news = static_cast<DialedConnection::News>(bytes_.byte() % 3U);
    }
  }
  void post() {
    Envelope envelope;
    envelope.message = "fuzz.message";
    envelope.header.step = static_cast<std::uint32_t>(++posted_);
    envelope.body = text_of(bytes_.take(bytes_.byte()));
    if (envelope.body.size() % 4 == 3) envelope.header.lane = Lane::urgent;
    made_up_ += 256 + envelope.body.size();
    link_.post(std::move(envelope));
  }
  void say(std::vector<Frame> frames) {
    for (const Frame& frame : frames) made_up_ += frame.size();
    script_.says.push_back(std::move(frames));
  }
  template <Message M>
  void say(EnvelopeKind kind, const M& message) {
    Envelope envelope = encode_message(message);
    envelope.header.kind = kind;
    std::vector<Frame> frames;
    frames.push_back(encode_sealed_front(envelope, {}));
    say(std::move(frames));
  }
  void say_raw() {
    std::vector<Frame> frames;
    const unsigned how = bytes_.byte();
    for (unsigned count = 1 + how % 3U; count > 0; --count) {
      const std::span<const std::byte> frame = bytes_.take(bytes_.word());
      frames.emplace_back(frame.data(), frame.size());
    }
    if (how < 224) frames.front() = sealed(bytes_of(frames.front()));  // or nothing else would be read of it
    say(std::move(frames));
  }
  std::uint64_t number() {
    const unsigned what = bytes_.byte();
    return what < 200 ? what % 16U : bytes_.number();
  }
  void say_welcome() {
    LinkWelcome welcome;
    welcome.instance = 1 + bytes_.byte() % 2U;
    welcome.link = bytes_.byte() % 8U == 0 ? number() : 5;
    welcome.received = number();
    welcome.window_messages = static_cast<std::uint32_t>(number());
    welcome.window_bytes = bytes_.byte() % 2U == 0 ? number() : 64 * 1024;
    welcome.arena_open = bytes_.byte() % 3U;
    say(EnvelopeKind::hello, welcome);
  }
  void say_note() { say(EnvelopeKind::credit, LinkNote{number(), number(), number()}); }
  void say_bye() {
    LinkBye bye{bytes_.byte() % 3U, number(), {}};
    bye.reason = text_of(bytes_.take(bytes_.byte()));
    say(EnvelopeKind::bye, bye);
  }

  FuzzBytes& bytes_;
  const ZmqTransportOptions options_;
  LinkIdentity self_;
  TransportTally tally_;
  Script script_;
  ScriptedDialer sockets_{script_};
  const SafetyChecks checks_;
  const LinkParts parts_{sockets_, options_, self_, nullptr, tally_, checks_};
  TimePoint now_{std::chrono::seconds(1000)};
  std::uint64_t posted_ = 0;
  LinkCost released_;
  std::size_t made_up_ = 0;
  ZmqOutLink link_;
};

}  // namespace

/// What a peer answers to the one who dialed it.
std::size_t fuzz_out_link(FuzzBytes& bytes) {
  return Dialogue(bytes).run();
}

}  // namespace troupe::runtime
