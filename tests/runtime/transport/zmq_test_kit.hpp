#pragma once

#include "runtime/transport/zmq_transport.hpp"

#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// Long enough for a loaded machine with a sanitizer; reached only by a test that fails.
inline constexpr std::chrono::seconds kPatience{5};

inline constexpr std::size_t kMiB = 1ULL << 20;
inline const std::string kAnyPort = "tcp://127.0.0.1:*";

/// Keeps what a transport hands up, and lets a test wait for it.
class RecordingSink final : public TransportSink {
public:
  struct Down {
    std::string endpoint;
    Failure why;
  };
  struct Returned {
    Envelope envelope;
    Failure why;
  };

  void on_envelope(Envelope envelope) override {
    const std::lock_guard lock(mutex_);
    ++count_;
    if (observer_) observer_(envelope);
    if (keep_ == Keep::all) envelopes_.push_back(std::move(envelope));
    changed_.notify_all();
  }
  void on_peer_down(const std::string& endpoint, const Failure& why) override {
    const std::lock_guard lock(mutex_);
    downs_.push_back({endpoint, why});
    changed_.notify_all();
  }
  void on_undeliverable(Envelope envelope, const Failure& why) override {
    const std::lock_guard lock(mutex_);
    returned_.push_back({std::move(envelope), why});
    changed_.notify_all();
  }

  enum class Keep : unsigned char { all, nothing };
  void set_keep(Keep keep) {
    const std::lock_guard lock(mutex_);
    keep_ = keep;
  }
  /// Called for each envelope on the transport's thread, under the sink's lock.
  void set_observer(std::function<void(const Envelope&)> observer) {
    const std::lock_guard lock(mutex_);
    observer_ = std::move(observer);
  }

  [[nodiscard]] bool wait_for_envelopes(std::size_t count) {
    return wait([this, count] { return count_ >= count; });
  }
  [[nodiscard]] bool wait_for_downs(std::size_t count) {
    return wait([this, count] { return downs_.size() >= count; });
  }
  [[nodiscard]] bool wait_for_returned(std::size_t count) {
    return wait([this, count] { return returned_.size() >= count; });
  }

  [[nodiscard]] std::vector<Envelope> take_envelopes() {
    const std::lock_guard lock(mutex_);
    return std::exchange(envelopes_, {});
  }
  [[nodiscard]] std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  [[nodiscard]] std::vector<Down> downs() const {
    const std::lock_guard lock(mutex_);
    return downs_;
  }
  [[nodiscard]] std::vector<Returned> returned() const {
    const std::lock_guard lock(mutex_);
    return returned_;
  }

private:
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, condition);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 0;
  Keep keep_ = Keep::all;
  std::function<void(const Envelope&)> observer_;
  std::vector<Envelope> envelopes_;
  std::vector<Down> downs_;
  std::vector<Returned> returned_;
};

/// A private folder for socket files and arenas, gone after the test.
class TestFolder {
public:
  TestFolder() {
    std::string pattern = (std::filesystem::path(testing::TempDir()) / "zmqXXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder " + pattern);
    path_ = pattern;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string ipc(const std::string& name) const { return "ipc://" + (path_ / name).string(); }
  [[nodiscard]] std::size_t entries() const {
    const std::filesystem::directory_iterator files(path_);
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }

private:
  std::filesystem::path path_;
};

/// A transport with its sink, as a node would have them.
struct TestPeer {
  RecordingSink sink;
  std::unique_ptr<Transport> transport;

  explicit TestPeer(ZmqTransportOptions options) : transport(make_zmq_transport(std::move(options))) {
    const Result<Done> started = transport->start(sink);
    if (!started) throw std::runtime_error(started.failure().describe());
  }
  ~TestPeer() { transport->stop(std::chrono::milliseconds(200)); }
  TestPeer(const TestPeer&) = delete;
  TestPeer& operator=(const TestPeer&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return transport->endpoint(); }
};

/// Options of a peer for tests: arenas in the test's folder, quick timers.
[[nodiscard]] inline ZmqTransportOptions test_options(const TestFolder& folder, const std::string& listen) {
  ZmqTransportOptions options;
  options.listen = listen;
  options.job = 7;
  options.arena_directory = folder.path();
  options.arena_bytes = 64ULL << 20;
  options.heartbeat = std::chrono::milliseconds(50);
  return options;
}

[[nodiscard]] inline Envelope numbered(std::uint32_t number) {
  Envelope envelope;
  envelope.message = "test.numbered";
  envelope.sender_name = "tester";
  envelope.body = std::to_string(number);
  envelope.header.step = number;
  return envelope;
}

/// Bytes that differ everywhere, so that a shifted or stale block is seen.
[[nodiscard]] inline Payload patterned(std::size_t size, std::uint32_t seed) {
  std::vector<std::byte> bytes(size);
  std::uint32_t state = seed * 2654435761U + 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(state >> 24);
  }
  return Payload::copy_of(bytes);
}

[[nodiscard]] inline bool equal_bytes(const Payload& left, const Payload& right) {
  return std::equal(left.bytes().begin(), left.bytes().end(), right.bytes().begin(), right.bytes().end());
}

/// Sends, and while the window is full tries again: for tests that are not about windows.
[[nodiscard]] inline Result<Done> send_patiently(Transport& transport, const std::string& endpoint,
                                                 const Envelope& envelope) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    Result<Done> sent = transport.send(endpoint, envelope);
    if (sent || sent.failure().kind != FailureKind::overloaded) return sent;
    if (std::chrono::steady_clock::now() > give_up) return sent;
    std::this_thread::yield();
  }
}

}  // namespace troupe::runtime
