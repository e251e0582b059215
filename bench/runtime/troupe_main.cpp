// One measurement of the runtime: runtime_bench_troupe CASE prints a line of JSON. run.py puts it beside the peers'.
#include "bench/folder.hpp"
#include "bench/runtime/measurement.hpp"
#include "bench/runtime/troupe_cases.hpp"
#include "runtime/node.hpp"
#include "runtime/task/asking.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <thread>

namespace troupe::bench {
namespace {

using namespace runtime;

constexpr Duration kPatience = std::chrono::seconds(60);

struct Ask {
  static constexpr std::string_view kName = "bench.ask";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

struct Answer {
  static constexpr std::string_view kName = "bench.answer";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

struct Item {
  static constexpr std::string_view kName = "bench.item";
  std::string text;  // small contents travel in the body,
  Payload bulk;      // large ones beside it
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text, bulk);
  }
};

struct Go {
  static constexpr std::string_view kName = "bench.go";
  template <class Archive>
  void serialize(Archive&) {}
};

/// Answers what is asked, and reads one byte of each page of what is sent.
class Echo final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Echo::answer), on(this, &Echo::take)}; }

private:
  void answer(const Ask& ask, Context& context) { context.reply(Answer{ask.number}); }
  void take(const Item& item, Context&) {
    const std::span<const std::byte> bytes = item.bulk.bytes();
    for (std::size_t at = 0; at < bytes.size(); at += 4096) sum_ += std::to_integer<unsigned>(bytes[at]);
    sum_ += static_cast<unsigned>(item.text.size());
  }

  unsigned sum_ = 0;
};

/// Keeps `batches_ahead` requests on the way and takes the time of each.
class Asker final : public Actor {
public:
  Asker(std::string peer, const Load& load, std::promise<Figures> done)
      : peer_(std::move(peer)), load_(load), done_(std::move(done)) {}
  Behavior behavior() override { return {on(this, &Asker::go)}; }

private:
  void go(const Go&, Context& context) {
    for (int i = 0; i < load_.batches_ahead; ++i) ask(context);
  }
  void ask(Context& context) {
    if (sent_ == load_.warm_up) start_ = Clock::now();
    const Clock::time_point asked = Clock::now();
    context.request<Answer>(ActorId{peer_, 0}, Ask{static_cast<std::uint64_t>(sent_++)}, kPatience,
                            [this, asked](const Result<Answer>& answer, Context& turn) {
                              (void)answer.value();
                              if (++answered_ > load_.warm_up) times_.push_back(seconds_since(asked));
                              if (sent_ < load_.warm_up + load_.exchanges) return ask(turn);
                              if (answered_ == sent_) finish();
                            });
  }
  void finish() {
    Figures figures = percentiles(times_);
    figures.emplace_back("per_second", load_.exchanges / seconds_since(start_));
    done_.set_value(figures);
  }

  const std::string peer_;
  const Load load_;
  std::promise<Figures> done_;
  int sent_ = 0;
  int answered_ = 0;
  std::vector<double> times_;
  Clock::time_point start_;
};

/// The same by a coroutine, one request after the other.
class TaskAsker final : public Actor {
public:
  TaskAsker(std::string peer, const Load& load, std::promise<Figures> done)
      : peer_{std::move(peer), 0}, load_(load), done_(std::move(done)) {}
  Behavior behavior() override { return {on(this, &TaskAsker::go)}; }

private:
  Task<> go(const Go&, Context& context) {
    for (int sent = 0; sent < load_.warm_up + load_.exchanges; ++sent) {
      if (sent == load_.warm_up) start_ = Clock::now();
      const Clock::time_point asked = Clock::now();
      const Result<Answer> answer =
          co_await context.ask<Answer>(peer_, Ask{static_cast<std::uint64_t>(sent)}, kPatience);
      (void)answer.value();
      if (sent >= load_.warm_up) times_.push_back(seconds_since(asked));
    }
    Figures figures = percentiles(times_);
    figures.emplace_back("per_second", load_.exchanges / seconds_since(start_));
    done_.set_value(figures);
  }

  const ActorId peer_;
  const Load load_;
  std::promise<Figures> done_;
  std::vector<double> times_;
  Clock::time_point start_;
};

/// Sends batches of messages that nobody answers, the last of a batch followed by a request.
class Pusher final : public Actor {
public:
  Pusher(std::string peer, const Load& load, std::promise<Figures> done)
      : peer_(std::move(peer)), load_(load), done_(std::move(done)) {
    const std::string bytes(load.bytes, 'x');
    if (load.bytes < 32 * kKiB) {
      item_.text = bytes;
    } else {
      item_.bulk = Payload::copy_of(std::as_bytes(std::span(bytes)));
    }
  }
  Behavior behavior() override { return {on(this, &Pusher::go)}; }

private:
  void go(const Go&, Context& context) {
    for (int i = 0; i < load_.batches_ahead; ++i) push(context);
  }
  void push(Context& context) {
    if (sent_ >= load_.warm_up + load_.exchanges) return;
    if (sent_ >= load_.warm_up && start_ == Clock::time_point{}) {
      start_ = Clock::now();
      counted_from_ = sent_;
    }
    const ActorId peer{peer_, 0};
    for (int i = 0; i < load_.batch; ++i, ++sent_) context.send_when_room(peer, item_).value();
    ++open_;
    context.request_when_room<Answer>(peer, Ask{0}, kPatience, [this](const Result<Answer>& answer, Context& turn) {
      (void)answer.value();
      --open_;
      push(turn);
      if (open_ == 0) finish();
    });
  }
  void finish() {
    const double seconds = seconds_since(start_);
    const double count = sent_ - counted_from_;
    Figures figures = rate("per_second", count, seconds);
    if (load_.bytes >= kKiB)
      figures.emplace_back("gb_per_second", count * static_cast<double>(load_.bytes) / seconds / 1e9);
    done_.set_value(figures);
  }

  const std::string peer_;
  const Load load_;
  std::promise<Figures> done_;
  Item item_;
  int sent_ = 0;
  int open_ = 0;
  int counted_from_ = 0;
  Clock::time_point start_{};
};

template <class A>
std::future<Figures> start(Node& node, const std::string& name, const std::string& peer, const Load& load) {
  std::promise<Figures> done;
  std::future<Figures> figures = done.get_future();
  node.spawn(name, std::make_unique<A>(peer, load, std::move(done))).value();
  node.send(name, Go{}).value();
  return figures;
}

/// The figures, or what its actor failed of.
Figures wait_for(Node& node, std::future<Figures> figures) {
  try {
    return figures.get();
  } catch (const std::future_error&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it ends first, and then its end is recorded
    for (const Snapshot& actor : node.snapshots()) {
      if (!actor.failure.empty()) throw std::runtime_error(actor.actor.describe() + ": " + actor.failure);
    }
    throw;
  }
}

template <class A>
Figures in_process(const Load& load, NodeOptions options = {}) {
  Node node(std::move(options), make_local_parts(2));
  node.start().value();
  node.spawn("echo", std::make_unique<Echo>()).value();
  return wait_for(node, start<A>(node, "driver", "echo", load));
}

// ---- spawning ------------------------------------------------------------------------------------------------------

class Idle final : public Actor {
public:
  explicit Idle(std::atomic<int>& started) : started_(started) {}
  Behavior behavior() override { return {on(this, &Idle::hear)}; }
  void on_start(Context&) override { started_.fetch_add(1, std::memory_order_relaxed); }

private:
  void hear(const Go&, Context&) {}
  std::atomic<int>& started_;
};

Figures spawn_many() {
  std::atomic<int> started = 0;
  Node node({}, make_local_parts(2));
  node.start().value();
  const double before = resident_bytes();
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < kSpawned; ++i)
    node.spawn_later("a/" + std::to_string(i), std::make_unique<Idle>(started)).value();
  while (started.load(std::memory_order_relaxed) < kSpawned) std::this_thread::yield();
  Figures figures = rate("per_second", kSpawned, seconds_since(start));
  figures.emplace_back("bytes_each", (resident_bytes() - before) / kSpawned);
  return figures;
}

// ---- two processes -------------------------------------------------------------------------------------------------

std::unique_ptr<Transport> listen_at(const std::string& endpoint, const std::string& name) {
  ZmqTransportOptions options;
  options.listen = endpoint;
  options.node_name = name;
  if (endpoint.starts_with("tcp")) options.arena_bytes = 0;  // as between two machines
  return make_zmq_transport(options);
}

constexpr int kEchoes = 4;

/// The other process: answers until the pipe to it is closed.
[[noreturn]] void serve(const std::string& endpoint, int tell, int wait) {
  {
    Node node({}, make_threaded_parts(1, listen_at(endpoint, "served")));
    node.start().value();
    for (int i = 0; i < kEchoes; ++i) node.spawn("echo" + std::to_string(i), std::make_unique<Echo>()).value();
    const std::string own = node.endpoint() + "\n";
    if (::write(tell, own.data(), own.size()) < 0) _exit(1);
    char nothing = 0;
    (void)!::read(wait, &nothing, 1);
    node.shutdown(std::chrono::seconds(2));
  }
  _exit(0);
}

Figures between(const std::string& scheme, const std::function<Figures(Node&)>& measure) {
  const Folder folder;
  const auto endpoint = [&](const char* name) {
    return scheme == "tcp" ? std::string("tcp://127.0.0.1:*") : "ipc://" + folder.path() + "/" + name;
  };
  int told[2];
  int waits[2];
  if (::pipe(told) != 0 || ::pipe(waits) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();  // before there are threads
  if (child == 0) {
    ::close(waits[1]);
    serve(endpoint("b"), told[1], waits[0]);
  }
  ::close(waits[0]);
  std::string served;
  for (char letter = 0; ::read(told[0], &letter, 1) == 1 && letter != '\n';) served += letter;
  Figures figures;
  {
    Node node({}, make_threaded_parts(1, listen_at(endpoint("a"), "measured")));
    node.start().value();
    for (int i = 0; i < kEchoes; ++i) node.announce({{"echo" + std::to_string(i), 1}, served});
    figures = measure(node);
    node.shutdown(std::chrono::seconds(2));
  }
  ::close(waits[1]);
  ::waitpid(child, nullptr, 0);
  return figures;
}

template <class A>
std::function<Figures(Node&)> one_pair(Load load) {
  return [load](Node& node) { return wait_for(node, start<A>(node, "driver", "echo0", load)); };
}

/// Each of four actors here asks all four there.
Figures all_to_all(Node& node) {
  Load load = pipelined_between();
  load.exchanges /= kEchoes;
  load.batches_ahead = 16;  // a link takes 1024 messages that are not done with
  std::vector<std::future<Figures>> done;
  for (int from = 0; from < kEchoes; ++from) {
    for (int to = 0; to < kEchoes; ++to) {
      done.push_back(start<Asker>(node, "driver" + std::to_string(from) + "." + std::to_string(to),
                                  "echo" + std::to_string(to), load));
    }
  }
  double sum = 0;
  for (auto& each : done) {
    for (const auto& [name, value] : wait_for(node, std::move(each))) sum += name == "per_second" ? value : 0;
  }
  return {{"per_second", sum}};
}

const Cases& cases() {
  static const Cases table = {
      {"request", [] { return in_process<Asker>(request_in_process()); }},
      {"request_task", [] { return in_process<TaskAsker>(request_in_process()); }},
      {"one_way", [] { return in_process<Pusher>(one_way_in_process()); }},
      {"request_unrecorded", [] { return in_process<Asker>(request_in_process(), {.flight_records = 0}); }},
      {"one_way_unrecorded", [] { return in_process<Pusher>(one_way_in_process(), {.flight_records = 0}); }},
      {"spawn", spawn_many},
      {"request_ipc", [] { return between("ipc", one_pair<Asker>(request_between())); }},
      {"pipelined_ipc", [] { return between("ipc", one_pair<Asker>(pipelined_between())); }},
      {"all_to_all_ipc", [] { return between("ipc", all_to_all); }},
      {"one_way_ipc", [] { return between("ipc", one_pair<Pusher>(one_way_between())); }},
      {"payload_256k_ipc", [] { return between("ipc", one_pair<Pusher>(large_between(256 * kKiB))); }},
      {"payload_4m_ipc", [] { return between("ipc", one_pair<Pusher>(large_between(4 * kMiB))); }},
      {"payload_4m_tcp", [] { return between("tcp", one_pair<Pusher>(large_between(4 * kMiB))); }},
      {"broadcast_4m", broadcast_4m},
      {"gather_10k", gather_from_10k},
      {"idle_1m", keep_1m_idle},
      {"spawn_process", spawn_processes},
      {"restart_process", restart_process},
  };
  return table;
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  return troupe::bench::run_case(troupe::bench::cases(), count, arguments);
}
