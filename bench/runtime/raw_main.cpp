// What the parts below an actor runtime do by themselves: a DEALER and a ROUTER of ZeroMQ in two processes, a plain TCP
// socket, a copy in memory. runtime_bench_raw CASE prints a line of JSON, of the same exchange as the runtime's.
#include "bench/folder.hpp"
#include "bench/runtime/measurement.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.hpp>

#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>

namespace troupe::bench {
namespace {

constexpr std::size_t kHeaderBytes = 96;  // as the runtime's: a message is a header, a body, perhaps a payload

void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

template <class Socket>
void unbounded(Socket& socket) {
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.set(zmq::sockopt::linger, 0);
}

/// Takes messages, answers those whose header begins with 'a', ends at 'e'.
[[noreturn]] void serve_zmq(const std::string& endpoint) {
  {
    zmq::context_t context(1);
    zmq::socket_t router(context, zmq::socket_type::router);
    unbounded(router);
    router.bind(endpoint);
    unsigned sum = 0;
    for (char kind = 0; kind != 'e';) {
      zmq::message_t from;
      zmq::message_t header;
      (void)router.recv(from);
      (void)router.recv(header);
      kind = *header.data<char>();
      for (bool more = header.more(); more;) {
        zmq::message_t part;
        (void)router.recv(part);
        more = part.more();
        for (std::size_t at = 0; at < part.size(); at += 4096) sum += part.data<unsigned char>()[at];
      }
      if (kind != 'a') continue;
      router.send(from, zmq::send_flags::sndmore);
      router.send(header, zmq::send_flags::none);
    }
    if (sum == 1) std::cerr << "\n";  // the bytes are read
  }
  _exit(0);
}

class Dealer {
public:
  Dealer() : socket_(context_, zmq::socket_type::dealer) {}
  ~Dealer() {
    send('e', 0);
    ::waitpid(child_, nullptr, 0);
  }
  void connect(pid_t child) {
    child_ = child;
    unbounded(socket_);
    socket_.connect(endpoint());
    send('a', 0);
    wait();
  }
  [[nodiscard]] std::string endpoint() const { return "ipc://" + folder_.path() + "/b"; }
  void send(char kind, std::size_t bytes) {
    zmq::message_t header(kHeaderBytes);
    std::memset(header.data(), kind, kHeaderBytes);
    socket_.send(header, bytes == 0 ? zmq::send_flags::none : zmq::send_flags::sndmore);
    if (bytes == 0) return;
    zmq::message_t body(bytes);
    std::memset(body.data(), 'x', bytes);
    socket_.send(body, zmq::send_flags::none);
  }
  void wait() {
    zmq::message_t answer;
    (void)socket_.recv(answer);
  }

private:
  const Folder folder_;
  zmq::context_t context_{1};
  zmq::socket_t socket_;
  pid_t child_ = 0;
};

template <class Measure>
Figures with_router(const Measure& measure) {
  Dealer dealer;
  const pid_t child = ::fork();  // ZeroMQ starts its threads with the first socket; this one has none connected
  if (child == 0) {
    const std::string endpoint = dealer.endpoint();
    ::execl("/proc/self/exe", "runtime_bench_raw", "serve", endpoint.c_str(), nullptr);
    _exit(127);
  }
  dealer.connect(child);
  return measure(dealer);
}

Figures ask(const Load& load) {
  return with_router([&load](Dealer& dealer) {
    std::vector<double> times;
    int sent = 0;
    std::vector<Clock::time_point> asked(static_cast<std::size_t>(load.warm_up + load.exchanges));
    Clock::time_point start;
    const auto send = [&] {
      if (sent == load.warm_up) start = Clock::now();
      asked[static_cast<std::size_t>(sent++)] = Clock::now();
      dealer.send('a', 8);
    };
    for (int i = 0; i < load.batches_ahead; ++i) send();
    for (int answered = 0; answered < load.warm_up + load.exchanges; ++answered) {
      dealer.wait();
      if (answered >= load.warm_up) times.push_back(seconds_since(asked[static_cast<std::size_t>(answered)]));
      if (sent < load.warm_up + load.exchanges) send();
    }
    Figures figures = percentiles(times);
    figures.emplace_back("per_second", load.exchanges / seconds_since(start));
    return figures;
  });
}

Figures push(const Load& load) {
  return with_router([&load](Dealer& dealer) {
    int open = 0;
    int sent = 0;
    int counted_from = 0;
    Clock::time_point start{};
    while (sent < load.warm_up + load.exchanges) {
      if (sent >= load.warm_up && start == Clock::time_point{}) {
        start = Clock::now();
        counted_from = sent;
      }
      for (int i = 0; i < load.batch; ++i, ++sent) dealer.send('m', load.bytes);
      dealer.send('a', 0);
      if (++open == load.batches_ahead) {
        dealer.wait();
        --open;
      }
    }
    for (; open > 0; --open) dealer.wait();
    const double seconds = seconds_since(start);
    const double count = sent - counted_from;
    Figures figures = rate("per_second", count, seconds);
    figures.emplace_back("gb_per_second", count * static_cast<double>(load.bytes) / seconds / 1e9);
    return figures;
  });
}

// ---- without ZeroMQ ------------------------------------------------------------------------------------------------

void read_all(int socket, std::vector<char>& buffer) {
  for (std::size_t have = 0; have < buffer.size();) {
    const ssize_t got = ::read(socket, buffer.data() + have, buffer.size() - have);
    check(got > 0, "read");
    have += static_cast<std::size_t>(got);
  }
}

Figures push_by_socket(const Load& load) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  check(::bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0, "bind");
  check(::listen(listener, 1) == 0, "listen");
  check(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0, "getsockname");
  std::vector<char> buffer(load.bytes);
  const int total = load.warm_up + load.exchanges;
  const pid_t child = ::fork();
  if (child == 0) {
    const int peer = ::accept(listener, nullptr, nullptr);
    for (int i = 0; i < total; ++i) read_all(peer, buffer);
    (void)!::write(peer, "d", 1);
    _exit(0);
  }
  const int peer = ::socket(AF_INET, SOCK_STREAM, 0);
  check(::connect(peer, reinterpret_cast<sockaddr*>(&address), length) == 0, "connect");
  Clock::time_point start = Clock::now();
  for (int i = 0; i < total; ++i) {
    if (i == load.warm_up) start = Clock::now();
    for (std::size_t sent = 0; sent < load.bytes;) {
      const ssize_t took = ::write(peer, buffer.data() + sent, load.bytes - sent);
      check(took > 0, "write");
      sent += static_cast<std::size_t>(took);
    }
  }
  std::vector<char> done(1);
  read_all(peer, done);
  const double seconds = seconds_since(start);
  ::close(peer);
  ::close(listener);
  ::waitpid(child, nullptr, 0);
  return {{"per_second", load.exchanges / seconds},
          {"gb_per_second", load.exchanges * static_cast<double>(load.bytes) / seconds / 1e9}};
}

Figures copy_in_memory(const Load& load) {
  const std::vector<char> from(load.bytes, 'x');
  std::vector<char> to(load.bytes);
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < load.exchanges; ++i) {
    std::memcpy(to.data(), from.data(), load.bytes);
    asm volatile("" : : "r"(to.data()) : "memory");
  }
  return {{"gb_per_second", load.exchanges * static_cast<double>(load.bytes) / seconds_since(start) / 1e9}};
}

const Cases& cases() {
  static const Cases table = {
      {"zmq:request_ipc", [] { return ask(request_between()); }},
      {"zmq:pipelined_ipc", [] { return ask(pipelined_between()); }},
      {"zmq:one_way_ipc", [] { return push(one_way_between()); }},
      {"zmq:payload_256k_ipc", [] { return push(large_between(256 * kKiB)); }},
      {"zmq:payload_4m_ipc", [] { return push(large_between(4 * kMiB)); }},
      {"socket:payload_4m_tcp", [] { return push_by_socket(large_between(4 * kMiB)); }},
      {"memcpy:payload_256k_ipc", [] { return copy_in_memory(large_between(256 * kKiB)); }},
      {"memcpy:payload_4m_ipc", [] { return copy_in_memory(large_between(4 * kMiB)); }},
  };
  return table;
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  if (count == 3 && std::string(arguments[1]) == "serve") troupe::bench::serve_zmq(arguments[2]);
  return troupe::bench::run_case(troupe::bench::cases(), count, arguments);
}
