#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// A TCP proxy on loopback that cuts its connections when told to: a network that breaks, on demand. Bytes under way at
/// the cut are lost, as they would be.
class CuttingProxy {
public:
  explicit CuttingProxy(const std::string& target)
      : target_port_(static_cast<std::uint16_t>(std::stoi(target.substr(target.rfind(':') + 1)))) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 16) != 0) {
      throw std::runtime_error("the proxy cannot listen");
    }
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { run(); });
  }
  ~CuttingProxy() {
    stop_ = true;
    wake();
    thread_.join();
    ::close(wake_);
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  /// All present connections end now; new ones are let through.
  void cut() {
    cut_ = true;
    wake();
  }
  /// Connections stay open and carry nothing any more.
  void freeze() {
    frozen_ = true;
    wake();
  }
  /// One bit flips in the next full piece that is carried on: far inside of a large frame, as it is not the first.
  void damage() { damage_ = true; }
  /// How often connections were made through it.
  [[nodiscard]] int connections() const { return connections_; }

private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void wake() {
    const std::uint64_t one = 1;
    if (::write(wake_, &one, sizeof one) != sizeof one) throw std::runtime_error("the proxy cannot be woken");
  }

  void run() {
    while (!stop_) {
      std::vector<pollfd> items{{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
      if (!frozen_) {
        for (const auto& [left, right] : pairs_) {
          items.push_back({left, POLLIN, 0});
          items.push_back({right, POLLIN, 0});
        }
      }
      ::poll(items.data(), items.size(), -1);
      std::uint64_t count = 0;
      if (items[0].revents != 0 && ::read(wake_, &count, sizeof count) < 0) return;
      if (cut_.exchange(false)) {
        end_all();
        continue;
      }
      const std::size_t old_items = items.size();
      for (std::size_t i = 2; i + 1 < old_items; i += 2)
        pump(pairs_[(i - 2) / 2], items[i].revents, items[i + 1].revents);
      std::erase_if(pairs_, [](const auto& pair) { return pair.first < 0; });
      if (items[1].revents != 0) let_in();
    }
    end_all();
    ::close(listener_);
  }

  void let_in() {
    const int left = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int right = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(target_port_);
    if (::connect(right, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(left);
      ::close(right);
      return;
    }
    pairs_.emplace_back(left, right);
    ++connections_;
  }
  void pump(std::pair<int, int>& pair, short left_events, short right_events) {
    if ((left_events != 0 && !carry(pair.first, pair.second)) ||
        (right_events != 0 && !carry(pair.second, pair.first))) {
      ::close(pair.first);
      ::close(pair.second);
      pair.first = -1;
    }
  }
  bool carry(int from, int to) {
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(from, bytes.data(), bytes.size());
    const bool is_full = got == static_cast<ssize_t>(bytes.size());
    if (is_full && full_pieces_++ > 0 && damage_.exchange(false)) bytes[bytes.size() / 2] ^= 1;
    if (!is_full) full_pieces_ = 0;
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t step = ::send(to, bytes.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
      if (step <= 0) return false;
      sent += step;
    }
    return got > 0;
  }
  void end_all() {
    for (const auto& [left, right] : pairs_) {
      ::close(left);
      ::close(right);
    }
    pairs_.clear();
  }

  const std::uint16_t target_port_;
  int listener_ = -1;
  int wake_ = -1;
  std::string endpoint_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> cut_{false};
  std::atomic<bool> frozen_{false};
  std::atomic<int> connections_{0};
  std::atomic<bool> damage_{false};
  std::vector<std::pair<int, int>> pairs_;  // the thread's alone
  int full_pieces_ = 0;                     // as well: in a row
  std::thread thread_;
};

}  // namespace troupe::runtime
