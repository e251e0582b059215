// What ZeroMQ by itself does where reliability_kill looks at the runtime: a DEALER that sends numbers at full rate to a
// ROUTER whose process is killed and started again. reliability_kill_raw ipc|tcp BYTES KILLS prints the same line of
// JSON. ZeroMQ tells a sender nothing but that it took the message: this is what counts as acknowledged here.
#include "bench/reliability/received.hpp"
#include "bench/runtime/measurement.hpp"

#include <zmq.hpp>

#include <iostream>
#include <random>

namespace troupe::bench {
namespace {

constexpr std::uint64_t kWindow = 512;  // numbers on the way, as the runtime's sender has
constexpr auto kGiveUp = std::chrono::milliseconds(50);

/// What a message begins with.
struct Head {
  std::uint64_t number = 0;
  std::uint32_t incarnation = 0;  ///< to which it was sent
  std::uint32_t is_question = 0;
};

template <class Socket>
void unbounded(Socket& socket) {
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::reconnect_ivl, 5);
}

/// PARENT FOLDER ENDPOINT INCARNATION
int receive(const std::vector<std::string>& words) {
  end_with_parent(std::stoi(words.at(0)));
  const auto incarnation = static_cast<std::uint32_t>(std::stoul(words.at(3)));
  const SharedRecord<Received> record(words.at(1) + "/received." + words[3]);
  zmq::context_t context(1);
  zmq::socket_t router(context, zmq::socket_type::router);
  unbounded(router);
  router.bind(words[2]);
  tell_parent(router.get(zmq::sockopt::last_endpoint));
  for (;;) {
    zmq::message_t from;
    zmq::message_t message;
    (void)router.recv(from);
    (void)router.recv(message);
    Head head;
    std::memcpy(&head, message.data(), sizeof head);
    if (head.incarnation != incarnation) record->stale.fetch_add(1);
    record->take(head.number);
    if (head.is_question == 0) continue;
    router.send(from, zmq::send_flags::sndmore);
    router.send(zmq::message_t(&head, sizeof head), zmq::send_flags::none);
  }
}

class Rounds {
public:
  Rounds(const std::string& scheme, std::size_t bytes, std::uint64_t kills)
      : bytes_(bytes),
        kills_(kills),
        endpoint_(scheme == "tcp" ? "tcp://127.0.0.1:*" : "ipc://" + folder_.path() + "/receiver"),
        dealer_(context_, zmq::socket_type::dealer) {
    unbounded(dealer_);
  }

  Verdict run() {
    std::mt19937 random(1);
    start();
    dealer_.connect(endpoint_);
    for (std::uint64_t round = 0; round < kills_; ++round) {
      const std::uint64_t goal = bytes_ >= 32 * kKiB ? 300 : 3000;
      send_until(known_ + goal / 2 + random() % goal);
      child_->kill();
      for (int i = 0; i < 64; ++i) send_one();  // it does not know yet
      start();
    }
    send_until(known_ + kWindow);
    child_->kill();
    return sum_up();
  }

private:
  void start() {
    ++incarnation_;
    child_ = std::make_unique<Child>(std::vector<std::string>{"receive", std::to_string(::getpid()), folder_.path(),
                                                              endpoint_, std::to_string(incarnation_)});
    endpoint_ = child_->line();
  }
  void send_one() {
    Head head;
    head.number = ++sent_;
    head.incarnation = incarnation_;
    head.is_question = sent_ % 64 == 0 ? 1 : 0;
    zmq::message_t message(std::max(bytes_, sizeof head));
    std::memset(message.data(), '.', message.size());
    std::memcpy(message.data(), &head, sizeof head);
    dealer_.send(message, zmq::send_flags::none);
  }
  /// Until answers have come for that many numbers. An answer that does not come is given up: nobody says why.
  void send_until(std::uint64_t goal) {
    const Clock::time_point start = Clock::now();
    while (known_ < goal) {
      if (Clock::now() - start > kPatience) throw std::runtime_error("no progress");
      while (sent_ - known_ < kWindow) send_one();
      zmq::pollitem_t item{dealer_.handle(), 0, ZMQ_POLLIN, 0};
      if (zmq::poll(&item, 1, kGiveUp) == 0) {
        for (int i = 0; i < 64; ++i) send_one();
        continue;
      }
      zmq::message_t answer;
      (void)dealer_.recv(answer);
      Head head;
      std::memcpy(&head, answer.data(), sizeof head);
      known_ = std::max(known_, head.number);
    }
  }
  Verdict sum_up() {
    Verdict verdict;
    verdict.kills = kills_;
    std::uint64_t end = 0;  // what was handled so far, by all
    for (std::uint32_t incarnation = 1; incarnation <= incarnation_; ++incarnation) {
      const SharedRecord<Received> record(folder_.path() + "/received." + std::to_string(incarnation));
      const std::uint64_t first = record->first.load();
      const std::uint64_t last = record->last.load();
      if (first == 0) continue;
      verdict.acknowledged_lost += (first > end + 1 ? first - end - 1 : 0) + record->gaps.load();
      verdict.duplicates += record->duplicates.load() + (first <= end ? end - first + 1 : 0);
      verdict.out_of_order += record->gaps.load();
      verdict.stale += record->stale.load();
      verdict.handled += last - first + 1 - record->gaps.load();
      end = std::max(end, last);
    }
    verdict.acknowledged = end;
    return verdict;
  }

  const std::size_t bytes_;
  const std::uint64_t kills_;
  const Folder folder_;
  std::string endpoint_;
  zmq::context_t context_{1};
  zmq::socket_t dealer_;
  std::unique_ptr<Child> child_;
  std::uint32_t incarnation_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t known_ = 0;
};

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  using namespace troupe::bench;
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.size() == 5 && words[0] == "receive") return receive({words.begin() + 1, words.end()});
  if (words.size() != 3) {
    std::cerr << "usage: reliability_kill_raw ipc|tcp BYTES KILLS\n";
    return 2;
  }
  const Clock::time_point start = Clock::now();
  const Verdict verdict = Rounds(words[0], std::stoul(words[1]), std::stoul(words[2])).run();
  verdict.print(seconds_since(start));
  return 0;
}
