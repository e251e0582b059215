#include "bench/folder.hpp"
#include "bench/runtime/troupe_cases.hpp"
#include "runtime/job_protocol.hpp"
#include "runtime/node.hpp"
#include "runtime/transport/zmq_transport.hpp"
#include "scheduler/process_watch.hpp"

#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <filesystem>
#include <mutex>
#include <stdexcept>

namespace troupe::bench {
namespace {

using namespace runtime;
using scheduler::ForkServer;
using scheduler::ProcessWatch;

constexpr std::uint32_t kForked = 100;
constexpr std::uint32_t kAtOnce = 4;
constexpr std::uint32_t kRestarts = 50;
constexpr std::chrono::seconds kProcessPatience{30};

/// From a new process: its actor runs (answered with Ack).
struct Up {
  static constexpr std::string_view kName = "processes.up";
  DirectoryEntry actor;
  std::int64_t process = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, process);
  }
};

class Alive final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Alive::answer)}; }

private:
  void answer(const Ack& ack, Context& context) { context.reply(ack); }
};

/// News of other threads, for the one that measures.
template <class T>
class Inbox {
public:
  void push(T news) {
    const std::lock_guard lock(mutex_);
    news_.push_back(std::move(news));
    came_.notify_one();
  }
  T pop() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, kProcessPatience, [this] { return !news_.empty(); })) throw std::runtime_error("no news");
    T news = std::move(news_.front());
    news_.pop_front();
    return news;
  }

private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<T> news_;  // guarded by mutex_
};

class Registrar final : public Actor {
public:
  explicit Registrar(Inbox<Up>& inbox) : inbox_(inbox) {}
  Behavior behavior() override { return {on(this, &Registrar::hear)}; }

private:
  void hear(const Up& up, Context& context) {
    context.reply(Ack{});
    inbox_.push(up);
  }
  Inbox<Up>& inbox_;
};

std::unique_ptr<Node> process_node(const std::string& endpoint) {
  ZmqTransportOptions options;
  options.listen = endpoint;
  options.arena_bytes = 0;
  auto node = std::make_unique<Node>(NodeOptions{}, make_threaded_parts(1, make_zmq_transport(options)));
  node->start().value();
  return node;
}

/// What a forked child runs: NAME INCARNATION FOLDER.
int be_an_actor(const std::vector<std::string>& words) {
  const ActorId self{words.at(0), static_cast<std::uint32_t>(std::stoul(words.at(1)))};
  const std::string folder = "ipc://" + words.at(2) + "/";
  const std::unique_ptr<Node> node = process_node(folder + self.name + "." + words[1]);
  SpawnOptions options;
  options.incarnation = self.incarnation;
  node->spawn(self.name, std::make_unique<Alive>(), options).value();
  node->announce({{"registrar", 1}, folder + "registrar"});
  node->request<Ack>("registrar", Up{{self, node->endpoint()}, ::getpid()}, kProcessPatience).value();
  for (;;) ::pause();
}

/// A fork server, its watch and the node that the processes report to.
class Nursery {
public:
  Nursery() {
    server_ = ForkServer::create(be_an_actor).value();  // before there are threads
    watch_ = std::make_unique<ProcessWatch>([this](pid_t pid, const Failure&) { ended.push(pid); }, server_.get());
    node_ = process_node("ipc://" + folder_.path() + "/registrar");
    node_->spawn("registrar", std::make_unique<Registrar>(up)).value();
  }
  ~Nursery() {
    watch_.reset();
    server_.reset();  // and its children with it
    node_->shutdown(std::chrono::seconds(1));
  }
  Nursery(const Nursery&) = delete;
  Nursery& operator=(const Nursery&) = delete;

  void start(const std::string& name, std::uint32_t incarnation) {
    watch_->start({"", {name, std::to_string(incarnation), folder_.path()}, "", folder_.path() + "/log"}).value();
  }
  Node& node() { return *node_; }

  Inbox<Up> up;
  Inbox<pid_t> ended;

private:
  const Folder folder_;
  std::unique_ptr<ForkServer> server_;
  std::unique_ptr<ProcessWatch> watch_;
  std::unique_ptr<Node> node_;
};

/// Memory of a process that no other shares.
double private_bytes(std::int64_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/smaps_rollup");
  double sum = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Private_")) sum += std::stod(line.substr(line.find(':') + 1)) * 1024;
  }
  return sum;
}

}  // namespace

Figures spawn_processes() {
  Nursery nursery;
  double memory = 0;
  std::uint32_t started = 0;
  const auto start_one = [&] {
    const std::string name = "p" + std::to_string(started++);
    nursery.start(name, 1);
  };
  const Clock::time_point begin = Clock::now();
  std::vector<Up> all;
  while (started < kAtOnce) start_one();
  while (all.size() < kForked) {
    all.push_back(nursery.up.pop());
    if (started < kForked) start_one();
  }
  Figures figures = rate("per_second", kForked, seconds_since(begin));
  for (const Up& one : all) memory += private_bytes(one.process) / kForked;
  figures.emplace_back("bytes_each", memory);
  return figures;
}

Figures restart_process() {
  Nursery nursery;
  std::vector<double> times;
  nursery.start("p", 1);
  for (std::uint32_t incarnation = 1; incarnation <= kRestarts; ++incarnation) {
    const Up one = nursery.up.pop();
    nursery.node().announce(one.actor);
    nursery.node().request<Ack>("p", Ack{}, kProcessPatience).value();
    const Clock::time_point killed = Clock::now();
    ::kill(static_cast<pid_t>(one.process), SIGKILL);
    (void)nursery.ended.pop();
    nursery.node().declare_down(one.actor.actor, {FailureKind::faulted, "killed"});
    nursery.start("p", incarnation + 1);
    const Up next = nursery.up.pop();
    nursery.node().announce(next.actor);
    nursery.node().request<Ack>("p", Ack{}, kProcessPatience).value();
    times.push_back(seconds_since(killed));
    nursery.up.push(next);
  }
  return percentiles(times);
}

}  // namespace troupe::bench
