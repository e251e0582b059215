#pragma once

#include "runtime/message/message.hpp"
#include "runtime/transport/zmq_link_sockets.hpp"
#include "runtime/transport/zmq_seal.hpp"

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// Sockets for one link: the test says what the peer answers, and sees what was sent.
class ScriptedDialer final : public LinkSockets {
public:
  Result<std::unique_ptr<DialedConnection>> dial(const std::string&, const std::string&) override {
    ++dials_;
    return std::unique_ptr<DialedConnection>(std::make_unique<Connection>(*this));
  }
  [[nodiscard]] std::size_t listeners() const override { return 0; }
  Received receive(std::size_t, std::vector<Frame>&) override { return Received::nothing; }
  bool send(std::size_t, std::vector<Frame>&) override { return false; }
  void wait(Duration) override {}
  void stop_listening(std::chrono::milliseconds) override {}

  template <Message M>
  void say(EnvelopeKind kind, const M& message) {
    Envelope envelope = encode_message(message);
    envelope.header.kind = kind;
    std::vector<Frame> frames;
    frames.push_back(encode_sealed_front(envelope, {}));
    says_.push_back(std::move(frames));
  }
  /// Something that no seal is right for.
  void say_damaged() {
    says_.emplace_back();
    says_.back().emplace_back(std::string("damaged on the way"));
  }
  /// How often it was dialed.
  [[nodiscard]] int dials() const { return dials_; }
  /// Header::step of the messages that left since the last call; the link's own messages have none.
  [[nodiscard]] std::vector<std::uint32_t> take_steps() { return std::exchange(steps_, {}); }

private:
  class Connection final : public DialedConnection {
  public:
    explicit Connection(ScriptedDialer& dialer) : dialer_(dialer) {}
    bool send(std::vector<Frame>& frames) override {
      dialer_.note(open_frame(bytes_of(frames.front()), SafetyChecks{}).value());
      return true;
    }
    Received receive(std::vector<Frame>& frames) override {
      if (dialer_.says_.empty()) return Received::nothing;
      frames = std::move(dialer_.says_.front());
      dialer_.says_.pop_front();
      return Received::message;
    }
    News news() override { return News::none; }

  private:
    ScriptedDialer& dialer_;
  };

  void note(std::span<const std::byte> bytes) {
    if (is_batch(bytes)) {
      const std::vector<std::span<const std::byte>> fronts = split_batch(bytes).value();
      for (const std::span<const std::byte> front : fronts) note(front);
      return;
    }
    const Envelope envelope = decode_front(bytes).value().envelope;
    if (envelope.header.kind == EnvelopeKind::message) steps_.push_back(envelope.header.step);
  }

  std::deque<std::vector<Frame>> says_;
  std::vector<std::uint32_t> steps_;
  int dials_ = 0;
};

}  // namespace troupe::runtime
