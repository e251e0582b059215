// A process is stopped (SIGSTOP) while twenty nodes call it: reliability_stop SECONDS kept|replaced prints a line of
// JSON and fails when a call had no outcome in time, memory was not bounded, or a late answer was taken. With
// "replaced" a next incarnation is started while it stands still.
#include "bench/reliability/child.hpp"
#include "bench/runtime/measurement.hpp"
#include "runtime/job_protocol.hpp"
#include "runtime/node.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <spdlog/spdlog.h>

#include <iostream>
#include <optional>
#include <thread>

namespace troupe::bench {
namespace {

using namespace runtime;

constexpr int kProcesses = 4;
constexpr int kNodesEach = 5;
constexpr int kCallsAhead = 8;
constexpr std::size_t kNoteBytes = 4 * kKiB;
constexpr std::uint32_t kWindowMessages = 128;
constexpr int kNotesEach = 4;
constexpr auto kNoteInterval = std::chrono::milliseconds(20);
// What a call may be late in the machine's worst moments; how late they really were is printed.
constexpr auto kSlack = std::chrono::seconds(20);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsMemoryReal = false;  // freed memory is kept for a while, every byte has a shadow
#else
constexpr bool kIsMemoryReal = true;
#endif
constexpr double kMemoryFactor = 4;  // a message in the link and in ZeroMQ, and the allocator's own

struct Call {
  static constexpr std::string_view kName = "stop.call";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Answer {
  static constexpr std::string_view kName = "stop.answer";
  std::uint32_t incarnation = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(incarnation);
  }
};

/// One way, to fill the window.
struct Note {
  static constexpr std::string_view kName = "stop.note";
  std::string text;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text);
  }
};

/// To a caller: from now on the server is this incarnation, there; what comes next is counted as after it.
struct Placed {
  static constexpr std::string_view kName = "stop.placed";
  std::uint32_t incarnation = 0;
  std::string endpoint;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(incarnation, endpoint);
  }
};

/// To a caller: no more calls; answered when the last one has an outcome.
struct Finish {
  static constexpr std::string_view kName = "stop.finish";
  template <class Archive>
  void serialize(Archive&) {}
};

/// To a caller: answered with the report so far.
struct Ask {
  static constexpr std::string_view kName = "stop.ask";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Tick {
  static constexpr std::string_view kName = "stop.tick";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Report {
  static constexpr std::string_view kName = "stop.report";
  std::uint64_t calls = 0;
  std::uint64_t answered = 0;
  std::uint64_t failed = 0;
  std::uint64_t answered_last = 0;  ///< since the last Placed
  std::uint64_t wrong = 0;          ///< answers of another incarnation than the one asked
  std::uint64_t latest_us = 0;      ///< the latest outcome, after its deadline
  std::uint64_t overloaded = 0;     ///< notes for which the window had no room
  std::uint64_t stale = 0;          ///< messages of the dead incarnation that were kept away
  std::uint64_t memory_before = 0;  ///< of the process, when the first Placed came
  std::uint64_t memory_most = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(calls, answered, failed, answered_last, wrong, latest_us, overloaded, stale, memory_before, memory_most);
  }
};

class Server final : public Actor {
public:
  explicit Server(std::uint32_t incarnation) : incarnation_(incarnation) {}
  Behavior behavior() override { return {on(this, &Server::answer), on(this, &Server::take)}; }

private:
  void answer(const Call&, Context& context) { context.reply(Answer{incarnation_}); }
  void take(const Note& note, Context&) { bytes_ += note.text.size(); }

  const std::uint32_t incarnation_;
  std::size_t bytes_ = 0;
};

/// Keeps some calls on the way, and sends notes at a steady pace.
class Caller final : public Actor {
public:
  explicit Caller(Duration deadline) : deadline_(deadline) {}
  Behavior behavior() override {
    return {on(this, &Caller::placed), on(this, &Caller::finish), on(this, &Caller::tick), on(this, &Caller::tell)};
  }

private:
  void placed(const Placed& news, Context& context) {
    const bool is_first = server_.incarnation == 0;
    if (news.incarnation != server_.incarnation) {
      server_ = {"server", news.incarnation};
      context.node().announce({server_, news.endpoint});
    }
    report_.answered_last = 0;
    context.reply(Ack{});
    if (!is_first) return;
    report_.memory_before = static_cast<std::uint64_t>(resident_bytes());
    context.every(kNoteInterval, Tick{});
    for (int i = 0; i < kCallsAhead; ++i) call(context);
  }
  void call(Context& context) {
    if (finish_) return;
    ++report_.calls;
    ++open_;
    const TimePoint due = context.now() + deadline_;
    const std::uint32_t asked = server_.incarnation;
    context.request<Answer>(
        server_, Call{}, deadline_, [this, due, asked](const Result<Answer>& answer, Context& turn) {
          --open_;
          const auto late = std::chrono::duration_cast<std::chrono::microseconds>(turn.now() - due).count();
          if (late > 0) report_.latest_us = std::max(report_.latest_us, static_cast<std::uint64_t>(late));
          if (answer) {
            ++report_.answered;
            ++report_.answered_last;
            if (answer->incarnation != asked) ++report_.wrong;
          } else {
            ++report_.failed;
          }
          if (finish_) return answer_finish(turn);
          waiting_ += 1;  // the next with the next tick: twenty nodes at full rate would measure the machine
        });
  }
  void tick(const Tick&, Context& context) {
    for (; waiting_ > 0; --waiting_) call(context);
    for (int i = 0; i < kNotesEach; ++i) {
      if (!context.send(server_, Note{std::string(kNoteBytes, 'n')})) ++report_.overloaded;
    }
    report_.memory_most = std::max(report_.memory_most, static_cast<std::uint64_t>(resident_bytes()));
  }
  void tell(const Ask&, Context& context) { context.reply(report_); }
  void finish(const Finish&, Context& context) {
    finish_ = context.defer_reply();
    for (const Snapshot& actor : context.node().snapshots()) {
      if (actor.actor == context.self()) report_.stale = actor.stale_rejected;
    }
    answer_finish(context);
  }
  void answer_finish(Context& context) {
    if (open_ == 0) context.reply_to(*finish_, report_);
  }

  const Duration deadline_;
  ActorId server_{"server", 0};
  int open_ = 0;
  int waiting_ = 0;
  std::optional<ReplyTo> finish_;
  Report report_;
};

/// How long things take in this run.
struct Times {
  Duration stopped;
  [[nodiscard]] Duration deadline() const { return stopped / 5; }
  /// A stop is longer than this, so that links are given up.
  [[nodiscard]] Duration silence() const { return stopped / 2; }
};

NodeParts parts_at(const std::string& folder, const std::string& name, const Times& times) {
  ZmqTransportOptions options;
  options.listen = "ipc://" + folder + "/" + name;
  options.node_name = name;
  options.job = 7;
  options.arena_directory = folder;
  options.arena_bytes = 0;
  options.window_messages = kWindowMessages;
  options.peer_timeout = times.silence();
  return make_threaded_parts(1, make_zmq_transport(options));
}

NodeOptions options_of(const std::string& name) {
  NodeOptions options;
  options.name = name;
  options.job = 7;
  return options;
}

/// INCARNATION
void serve(const std::string& folder, const Times& times, std::uint32_t incarnation) {
  const std::string name = "server" + std::to_string(incarnation);
  Node node(options_of(name), parts_at(folder, name, times));
  node.start().value();
  SpawnOptions spawn;
  spawn.incarnation = incarnation;
  node.spawn("server", std::make_unique<Server>(incarnation), spawn).value();
  tell_parent(node.endpoint());
  for (;;) ::pause();
}

void call_from(const std::string& folder, const Times& times, int number) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = number * kNodesEach; i < (number + 1) * kNodesEach; ++i) {
    const std::string name = "caller" + std::to_string(i);
    nodes.push_back(std::make_unique<Node>(options_of(name), parts_at(folder, name, times)));
    nodes.back()->start().value();
    nodes.back()->spawn(name, std::make_unique<Caller>(times.deadline())).value();
  }
  tell_parent("ready");
  for (;;) ::pause();
}

class Stop {
public:
  explicit Stop(const Times& times)
      : times_(times), node_(options_of("driver"), parts_at(folder_.path(), "driver", times)) {
    node_.start().value();
    for (int i = 0; i < kProcesses; ++i) callers_.push_back(start("call", i));
    for (const auto& child : callers_) (void)child->line();
    for (int i = 0; i < kProcesses * kNodesEach; ++i) {
      const std::string name = "caller" + std::to_string(i);
      node_.announce({{name, 1}, "ipc://" + folder_.path() + "/" + name});
    }
  }
  ~Stop() { node_.shutdown(std::chrono::seconds(2)); }

  enum class End { kept, replaced };
  std::vector<Report> run(End end) {
    const std::unique_ptr<Child> server = start("serve", 1);
    const std::string first = server->line();
    place(1, first);
    std::this_thread::sleep_for(times_.stopped / 5);
    server->signal(SIGSTOP);
    std::this_thread::sleep_for(times_.stopped * 3 / 4);
    std::unique_ptr<Child> next;
    if (end == End::replaced) {
      next = start("serve", 2);
      place(2, next->line());
    }
    std::this_thread::sleep_for(times_.stopped / 4);
    server->signal(SIGCONT);
    // What was sent to it before is answered now; what is asked from now on is served, by whoever is the server.
    place(end == End::replaced ? 2 : 1, first);
    wait_until_served();
    std::this_thread::sleep_for(times_.stopped / 4);
    std::vector<Report> reports;
    for (int i = 0; i < kProcesses * kNodesEach; ++i) {
      reports.push_back(ask<Report>(i, Finish{}));
    }
    return reports;
  }

  /// From the end of the stop until every caller had an answer again, in seconds.
  [[nodiscard]] double recovery() const { return recovery_; }

private:
  /// Of a caller, again where its link was given up: on a starved machine this process may look silent too.
  template <class Reply, class M>
  Reply ask(int caller, const M& message) {
    const Clock::time_point begin = Clock::now();
    for (;;) {
      Result<Reply> reply = node_.request<Reply>("caller" + std::to_string(caller), message, kPatience);
      if (reply || Clock::now() - begin > kPatience) return std::move(reply).value();
    }
  }
  void wait_until_served() {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < kProcesses * kNodesEach;) {
      const Report report = ask<Report>(i, Ask{});
      if (report.answered_last > 0) {
        ++i;
      } else if (Clock::now() - begin > kPatience) {
        throw std::runtime_error("a caller is not served any more");
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
    recovery_ = seconds_since(begin);
  }
  [[nodiscard]] std::unique_ptr<Child> start(const std::string& what, int number) const {
    return std::make_unique<Child>(std::vector<std::string>{what, std::to_string(::getpid()), folder_.path(),
                                                            std::to_string(times_.stopped.count()),
                                                            std::to_string(number)});
  }
  void place(std::uint32_t incarnation, const std::string& endpoint) {
    for (int i = 0; i < kProcesses * kNodesEach; ++i) {
      (void)ask<Ack>(i, Placed{incarnation, endpoint});
    }
  }

  const Times times_;
  const Folder folder_;
  Node node_;
  std::vector<std::unique_ptr<Child>> callers_;
  double recovery_ = 0;
};

Report sum_of(const std::vector<Report>& reports) {
  Report sum;
  sum.memory_before = UINT64_MAX;
  sum.answered_last = UINT64_MAX;
  for (const Report& one : reports) {
    sum.calls += one.calls;
    sum.answered += one.answered;
    sum.failed += one.failed;
    sum.wrong += one.wrong;
    sum.overloaded += one.overloaded;
    sum.stale += one.stale;
    sum.latest_us = std::max(sum.latest_us, one.latest_us);
    sum.answered_last = std::min(sum.answered_last, one.answered_last);  // of the one that was served least
    sum.memory_most = std::max(sum.memory_most, one.memory_most - std::min(one.memory_most, one.memory_before));
  }
  return sum;
}

int drive(const Times& times, Stop::End end) {
  Stop stop(times);
  const Report sum = sum_of(stop.run(end));
  const double allowed = kMemoryFactor * kNodesEach * kWindowMessages * kNoteBytes;
  const bool is_kept = sum.calls == sum.answered + sum.failed && sum.wrong == 0 && sum.answered_last > 0 &&
                       sum.overloaded > 0 && (!kIsMemoryReal || static_cast<double>(sum.memory_most) <= allowed) &&
                       std::chrono::microseconds(sum.latest_us) <= kSlack;
  const auto mib = [](double bytes) { return bytes / static_cast<double>(kMiB); };
  std::printf("{\"calls\": %lu, \"answered\": %lu, \"failed\": %lu, \"without_outcome\": %lu, ", sum.calls,
              sum.answered, sum.failed, sum.calls - sum.answered - sum.failed);
  std::printf("\"latest_after_deadline_ms\": %.1f, \"wrong_incarnation\": %lu, \"served_again_ms\": %.0f, ",
              static_cast<double>(sum.latest_us) / 1e3, sum.wrong, stop.recovery() * 1e3);
  std::printf("\"refused_by_window\": %lu, \"stale_refused\": %lu, ", sum.overloaded, sum.stale);
  std::printf("\"memory_growth_mib\": %.1f, \"memory_allowed_mib\": %.1f}\n", mib(static_cast<double>(sum.memory_most)),
              mib(allowed));
  return is_kept ? 0 : 1;
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  using namespace troupe::bench;
  spdlog::set_level(spdlog::level::off);  // deaths are expected; and its registry is made before there are threads
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.size() == 5) {
    end_with_parent(std::stoi(words[1]));
    const Times times{troupe::runtime::Duration(std::stoll(words[3]))};
    if (words[0] == "serve") serve(words[2], times, static_cast<std::uint32_t>(std::stoul(words[4])));
    if (words[0] == "call") call_from(words[2], times, std::stoi(words[4]));
  }
  const bool is_replaced = words.size() == 2 && words[1] == "replaced";
  if (words.size() == 2 && (is_replaced || words[1] == "kept")) {
    const std::chrono::duration<double> seconds(std::stod(words[0]));
    const Times times{std::chrono::duration_cast<troupe::runtime::Duration>(seconds)};
    return drive(times, is_replaced ? Stop::End::replaced : Stop::End::kept);
  }
  std::cerr << "usage: reliability_stop SECONDS kept|replaced\n";
  return 2;
}
