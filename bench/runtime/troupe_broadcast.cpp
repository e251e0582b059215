#include "bench/folder.hpp"
#include "bench/runtime/troupe_cases.hpp"
#include "runtime/job_protocol.hpp"
#include "runtime/node.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::bench {
namespace {

using namespace runtime;

constexpr int kReaders = 4;
constexpr int kRounds = 100;
constexpr int kRepeats = 5;
constexpr std::size_t kBroadcastBytes = 4 * kMiB;
constexpr Duration kBroadcastPatience = std::chrono::seconds(60);

struct Page {
  static constexpr std::string_view kName = "broadcast.page";
  Payload bulk;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(bulk);
  }
};

/// Looks at each page of what it gets, and says so.
class Reader final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Reader::read)}; }

private:
  void read(const Page& page, Context& context) {
    const std::span<const std::byte> bytes = page.bulk.bytes();
    for (std::size_t at = 0; at < bytes.size(); at += 4096) sum_ += std::to_integer<unsigned>(bytes[at]);
    context.reply(Ack{});
  }
  unsigned sum_ = 0;
};

/// One payload after the other to all readers: with a copy for each, or put once for all.
class Broadcaster final : public Actor {
public:
  Broadcaster(Sharing sharing, std::promise<double> done) : sharing_(sharing), done_(std::move(done)) {}
  Behavior behavior() override { return {on(this, &Broadcaster::begin)}; }

private:
  void begin(const Ack&, Context& context) {
    begin_ = Clock::now();
    send_round(context);
  }
  void send_round(Context& context) {
    // Other contents each time, as far as anybody can know.
    const Payload fresh(bytes_, *bytes_);
    const Payload payload = sharing_ == Sharing::once ? Payload::put(fresh) : fresh;
    open_ = kReaders;
    for (int i = 0; i < kReaders; ++i) {
      context.request<Ack>(ActorId{"reader" + std::to_string(i), 0}, Page{payload}, kBroadcastPatience,
                           [this](const Result<Ack>& ack, Context& turn) {
                             (void)ack.value();
                             if (--open_ == 0) end_round(turn);
                           });
    }
  }
  void end_round(Context& context) {
    if (++rounds_ < kRounds) return send_round(context);
    done_.set_value(kRounds / seconds_since(begin_));
  }

  const Sharing sharing_;
  std::promise<double> done_;
  const std::shared_ptr<const std::vector<std::byte>> bytes_ =
      std::make_shared<const std::vector<std::byte>>(kBroadcastBytes);
  int open_ = 0;
  int rounds_ = 0;
  Clock::time_point begin_;
};

std::unique_ptr<Node> broadcast_node(const std::string& endpoint) {
  ZmqTransportOptions options;
  options.listen = endpoint;
  auto node = std::make_unique<Node>(NodeOptions{}, make_threaded_parts(1, make_zmq_transport(options)));
  node->start().value();
  return node;
}

/// A process with one reader, until the pipe to it is closed.
[[noreturn]] void be_a_reader(const std::string& endpoint, int number, int tell, int wait) {
  {
    const std::unique_ptr<Node> node = broadcast_node(endpoint);
    node->spawn("reader" + std::to_string(number), std::make_unique<Reader>()).value();
    char letter = 'r';
    if (::write(tell, &letter, 1) != 1) ::_exit(1);
    (void)!::read(wait, &letter, 1);
    node->shutdown(std::chrono::seconds(2));
  }
  ::_exit(0);
}

double measure_rounds(Node& node, Sharing sharing, int run) {
  std::promise<double> done;
  std::future<double> result = done.get_future();
  const std::string name = "broadcaster" + std::to_string(run);
  node.spawn(name, std::make_unique<Broadcaster>(sharing, std::move(done))).value();
  node.send(name, Ack{}).value();
  return result.get();
}

}  // namespace

Figures broadcast_4m() {
  const Folder folder;
  std::array<int, 2> told{};
  std::array<int, 2> waits{};
  if (::pipe(told.data()) != 0 || ::pipe(waits.data()) != 0) throw std::runtime_error("pipe");
  const auto endpoint = [&folder](int number) { return "ipc://" + folder.path() + "/reader" + std::to_string(number); };
  std::vector<pid_t> children;
  for (int i = 0; i < kReaders; ++i) {
    children.push_back(::fork());  // before there are threads
    if (children.back() != 0) continue;
    ::close(waits[1]);
    be_a_reader(endpoint(i), i, told[1], waits[0]);
  }
  ::close(waits[0]);
  Figures figures;
  {
    char letter = 0;
    for (int i = 0; i < kReaders; ++i) {
      if (::read(told[0], &letter, 1) != 1) throw std::runtime_error("a reader does not come up");
    }
    const std::unique_ptr<Node> node = broadcast_node("ipc://" + folder.path() + "/sender");
    for (int i = 0; i < kReaders; ++i) node->announce({{"reader" + std::to_string(i), 1}, endpoint(i)});
    double each = 0;
    double once = 0;
    for (int i = 0; i < kRepeats; ++i) {  // in turn, so that a machine that is slower for a while is so for both
      each += measure_rounds(*node, Sharing::each, 2 * i) / kRepeats;
      once += measure_rounds(*node, Sharing::once, 2 * i + 1) / kRepeats;
    }
    figures = {{"copied_for_each_per_second", each}, {"put_once_per_second", once}, {"ratio", once / each}};
    node->shutdown(std::chrono::seconds(2));
  }
  ::close(waits[1]);
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  return figures;
}

}  // namespace troupe::bench
