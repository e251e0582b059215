#include "bench/folder.hpp"
#include "bench/runtime/troupe_cases.hpp"
#include "runtime/gather.hpp"
#include "runtime/node.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <thread>

namespace troupe::bench {
namespace {

using namespace runtime;

constexpr int kProcesses = 4;  // this one is the first
constexpr int kActorsEach = 2500;
constexpr int kGathers = 60;
constexpr int kWarmUp = 10;
constexpr int kIdle = 1'000'000;
constexpr Duration kCrowdPatience = std::chrono::seconds(60);

struct Poll {
  static constexpr std::string_view kName = "crowd.poll";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

struct Vote {
  static constexpr std::string_view kName = "crowd.vote";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

class Member final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Member::vote)}; }

private:
  void vote(const Poll& poll, Context& context) { context.reply(Vote{poll.number}); }
};

/// Asks all, and when all have answered again.
class Pollster final : public Actor {
public:
  Pollster(std::vector<ActorId> crowd, std::promise<Figures> done) : crowd_(std::move(crowd)), done_(std::move(done)) {}
  Behavior behavior() override { return {on(this, &Pollster::poll)}; }

private:
  void poll(const Poll& poll, Context& context) {
    const Clock::time_point asked = Clock::now();
    gather<Vote>(context, crowd_, poll, kCrowdPatience,
                 [this, number = poll.number, asked](const std::vector<Result<Vote>>& votes, Context& turn) {
                   for (const Result<Vote>& vote : votes) (void)vote.value();
                   if (number >= kWarmUp) times_.push_back(seconds_since(asked));
                   if (number + 1 < kWarmUp + kGathers) return (void)turn.send(turn.self(), Poll{number + 1});
                   done_.set_value(percentiles(times_));
                 });
  }

  const std::vector<ActorId> crowd_;
  std::promise<Figures> done_;
  std::vector<double> times_;
};

std::string member_name(int number) {
  return "member/" + std::to_string(number);
}

std::unique_ptr<Node> node_at(const std::string& endpoint) {
  ZmqTransportOptions options;
  options.listen = endpoint;
  options.window_messages = 4 * kActorsEach;  // a request does not wait for room, and all are asked at once
  options.arena_bytes = 0;
  NodeOptions node_options;
  node_options.mailbox_capacity = std::size_t{4} * kActorsEach * kProcesses;
  auto node = std::make_unique<Node>(node_options, make_threaded_parts(1, make_zmq_transport(options)));
  node->start().value();
  return node;
}

void spawn_members(Node& node, int process) {
  for (int i = process * kActorsEach; i < (process + 1) * kActorsEach; ++i) {
    node.spawn_later(member_name(i), std::make_unique<Member>()).value();
  }
}

/// Forks before there are threads; the child tells by a letter that it listens, and ends with its parent.
pid_t start_crowd(const std::string& endpoint, int process, int tell) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::unique_ptr<Node> node = node_at(endpoint);
  spawn_members(*node, process);
  if (::write(tell, "r", 1) != 1) ::_exit(1);
  for (;;) ::pause();
}

Figures poll_crowd(const std::string& folder) {
  const std::unique_ptr<Node> node = node_at("ipc://" + folder + "/0");
  spawn_members(*node, 0);
  std::vector<ActorId> crowd;
  for (int i = 0; i < kProcesses * kActorsEach; ++i) {
    crowd.push_back({member_name(i), 1});
    const int process = i / kActorsEach;
    if (process > 0) node->announce({crowd.back(), "ipc://" + folder + "/" + std::to_string(process)});
  }
  std::promise<Figures> done;
  std::future<Figures> figures = done.get_future();
  node->spawn("pollster", std::make_unique<Pollster>(std::move(crowd), std::move(done))).value();
  node->send("pollster", Poll{}).value();
  Figures found = figures.get();
  node->shutdown(std::chrono::seconds(2));
  return found;
}

}  // namespace

Figures gather_from_10k() {
  const Folder folder;
  int told[2];
  if (::pipe(told) != 0) throw std::runtime_error("pipe");
  std::vector<pid_t> children;
  for (int i = 1; i < kProcesses; ++i) {
    children.push_back(start_crowd("ipc://" + folder.path() + "/" + std::to_string(i), i, told[1]));
  }
  char letter = 0;
  for (int i = 1; i < kProcesses; ++i) {
    if (::read(told[0], &letter, 1) != 1) throw std::runtime_error("a process of the crowd ended");
  }
  const Figures figures = poll_crowd(folder.path());
  for (const pid_t child : children) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  return figures;
}

Figures keep_1m_idle() {
  Node node({}, make_local_parts(2));
  node.start().value();
  const double before = resident_bytes();
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < kIdle; ++i) node.spawn_later(member_name(i), std::make_unique<Member>()).value();
  node.request<Vote>(member_name(kIdle - 1), Poll{1}, kCrowdPatience).value();
  Figures figures = rate("per_second", kIdle, seconds_since(start));
  figures.emplace_back("bytes_each", (resident_bytes() - before) / kIdle);
  return figures;
}

}  // namespace troupe::bench
