// A receiver is killed at full rate and started again as the next incarnation, many times:
// reliability_kill ipc|tcp BYTES KILLS prints a line of JSON, and fails when a promise was broken. What "acknowledged"
// means is in docs/reliability.md.
#include "bench/reliability/received.hpp"
#include "bench/runtime/measurement.hpp"
#include "runtime/node.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <iostream>
#include <mutex>
#include <random>

namespace troupe::bench {
namespace {

using namespace runtime;

constexpr std::size_t kInPayload = 32 * kKiB;
constexpr int kBatch = 64;
constexpr int kBatchesAhead = 8;

struct Numbered {
  static constexpr std::string_view kName = "kill.numbered";
  std::uint64_t number = 0;
  std::uint32_t incarnation = 0;  ///< to which it was sent
  std::string text;               ///< begins with the number
  Payload bulk;                   ///< the same for large ones
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, incarnation, text, bulk);
  }
};

/// "Have you handled everything up to this number?"
struct Mark {
  static constexpr std::string_view kName = "kill.mark";
  std::uint64_t number = 0;
  std::uint32_t incarnation = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, incarnation);
  }
};

struct Handled {
  static constexpr std::string_view kName = "kill.handled";
  std::uint64_t up_to = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(up_to);
  }
};

struct Restarted {
  static constexpr std::string_view kName = "kill.restarted";
  std::uint32_t incarnation = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(incarnation);
  }
};

struct Look {
  static constexpr std::string_view kName = "kill.look";
  template <class Archive>
  void serialize(Archive&) {}
};

// ---- the receiver --------------------------------------------------------------------------------------------------

class Receiver final : public Actor {
public:
  Receiver(Received& received, std::uint32_t incarnation) : received_(received), incarnation_(incarnation) {}
  Behavior behavior() override {
    return {on(this, &Receiver::take), on(this, &Receiver::answer), on(this, &Receiver::look)};
  }
  void on_start(Context& context) override { context.every(std::chrono::milliseconds(5), Look{}); }

private:
  void take(const Numbered& message, Context&) {
    if (message.incarnation != incarnation_) {
      received_.stale.fetch_add(1);
      return;
    }
    std::uint64_t first = 0;
    std::uint64_t last = message.number;
    const char* const bytes =
        message.text.empty() ? reinterpret_cast<const char*>(message.bulk.data()) : message.text.data();
    const std::size_t size = message.text.empty() ? message.bulk.size() : message.text.size();
    std::memcpy(&first, bytes, sizeof first);
    std::memcpy(&last, bytes + size - sizeof last, sizeof last);
    if (first != message.number || last != message.number) received_.damaged.fetch_add(1);
    received_.take(message.number);
  }
  void answer(const Mark& mark, Context& context) {
    if (mark.incarnation != incarnation_) received_.stale.fetch_add(1);
    context.reply(Handled{received_.last.load()});
  }
  void look(const Look&, Context& context) {
    for (const Snapshot& actor : context.node().snapshots()) {
      if (actor.actor == context.self()) received_.refused.store(actor.stale_rejected);
    }
  }

  Received& received_;
  const std::uint32_t incarnation_;
};

ZmqTransportOptions transport_options(const std::string& folder, const std::string& endpoint, std::uint32_t number) {
  ZmqTransportOptions options;
  options.listen = endpoint;
  options.incarnation = number;
  options.job = 7;
  options.arena_directory = folder;
  options.arena_bytes = 64 * kMiB;
  options.peer_timeout = kPatience;  // a starved machine is no death; kills show by the closed connection
  return options;
}

std::string record_path(const std::string& folder, std::uint32_t incarnation) {
  return folder + "/received." + std::to_string(incarnation);
}

/// PARENT FOLDER ENDPOINT INCARNATION
int receive(const std::vector<std::string>& words) {
  end_with_parent(std::stoi(words.at(0)));
  const auto incarnation = static_cast<std::uint32_t>(std::stoul(words.at(3)));
  const SharedRecord<Received> record(record_path(words.at(1), incarnation));
  NodeOptions options;
  options.name = "receiver";
  options.job = 7;
  Node node(options, make_threaded_parts(1, make_zmq_transport(transport_options(words[1], words[2], incarnation))));
  node.start().value();
  SpawnOptions spawn;
  spawn.incarnation = incarnation;
  node.spawn("receiver", std::make_unique<Receiver>(*record, incarnation), spawn).value();
  tell_parent(node.endpoint());
  for (;;) ::pause();
}

// ---- the sender ----------------------------------------------------------------------------------------------------

/// What the sender has been told, for the thread that kills.
class Progress {
public:
  struct State {
    std::uint32_t incarnation = 0;
    std::uint64_t from = 1;          ///< the first number sent to it
    std::uint64_t sent = 0;          ///< the last one
    std::uint64_t acknowledged = 0;  ///< a reply of it said so
    std::uint64_t lies = 0;          ///< replies that said less than what was sent before the question
  };
  void change(const State& state) {
    const std::lock_guard lock(mutex_);
    if (state.incarnation != state_.incarnation) ended_ = state_;
    state_ = state;
    changed_.notify_all();
  }
  /// Waits until that many are acknowledged by this incarnation.
  State wait_for(std::uint32_t incarnation, std::uint64_t count) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, kPatience, [&] {
      return state_.incarnation == incarnation && state_.acknowledged + 1 >= state_.from + count;
    });
    if (!came) throw std::runtime_error("no progress with incarnation " + std::to_string(incarnation));
    return state_;
  }
  /// Waits until the sender has turned to the next one; all that it ever heard of this one.
  State end_of(std::uint32_t incarnation) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, kPatience, [&] { return ended_.incarnation == incarnation; });
    if (!came) throw std::runtime_error("the sender stays with incarnation " + std::to_string(incarnation));
    return ended_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_;  // guarded by mutex_
  State ended_;  // guarded by mutex_
};

/// Sends numbers at full rate to one incarnation, a question after each batch; to the next one from the first number
/// that was not acknowledged. Until it hears of the next, it goes on sending to the dead.
class Sender final : public Actor {
public:
  Sender(Progress& progress, std::size_t bytes) : progress_(progress), bytes_(bytes, '.') {}
  Behavior behavior() override { return {on(this, &Sender::begin), on(this, &Sender::again)}; }

private:
  void begin(const Restarted& news, Context& context) {
    state_.incarnation = news.incarnation;
    state_.from = state_.acknowledged + 1;
    state_.sent = state_.acknowledged;
    progress_.change(state_);
    for (int i = 0; i < kBatchesAhead; ++i) send_batch(context);
  }
  void again(const Look&, Context& context) { send_batch(context); }
  void send_batch(Context& context) {
    const ActorId receiver{"receiver", state_.incarnation};
    for (int i = 0; i < kBatch; ++i) {
      if (!context.send(receiver, next_message())) break;  // the number is not used up: it was not accepted
      ++state_.sent;
    }
    ask(context, receiver);
  }
  Numbered next_message() {
    Numbered message;
    message.number = state_.sent + 1;
    message.incarnation = state_.incarnation;
    std::memcpy(bytes_.data(), &message.number, sizeof message.number);
    std::memcpy(bytes_.data() + bytes_.size() - sizeof message.number, &message.number, sizeof message.number);
    if (bytes_.size() >= kInPayload) {
      message.bulk = Payload::copy_of(std::as_bytes(std::span(bytes_)));
    } else {
      message.text = bytes_;
    }
    return message;
  }
  void ask(Context& context, const ActorId& receiver) {
    const std::uint64_t number = state_.sent;
    context.request<Handled>(
        receiver, Mark{number, receiver.incarnation}, kPatience,
        [this, number, asked = receiver.incarnation](const Result<Handled>& answer, Context& turn) {
          if (asked != state_.incarnation) return;  // of the one before
          if (!answer) return (void)turn.after(std::chrono::milliseconds(1), Look{});
          if (answer->up_to < number) ++state_.lies;
          state_.acknowledged = std::max(state_.acknowledged, number);
          progress_.change(state_);
          send_batch(turn);
        });
  }

  Progress& progress_;
  std::string bytes_;
  Progress::State state_;
};

struct Plan {
  std::string scheme;
  std::size_t bytes = 0;
  std::uint64_t kills = 0;
};

class Rounds {
public:
  explicit Rounds(const Plan& plan)
      : plan_(plan),
        node_(node_options(),
              make_threaded_parts(1, make_zmq_transport(transport_options(folder_.path(), endpoint_of(0), 1)))) {
    node_.start().value();
    node_.spawn("sender", std::make_unique<Sender>(progress_, plan.bytes)).value();
  }
  ~Rounds() { node_.shutdown(std::chrono::seconds(2)); }

  Verdict run() {
    std::mt19937 random(1);
    Verdict verdict;
    start(1, How::told);
    for (std::uint32_t round = 1; round <= plan_.kills; ++round) {
      const std::uint64_t goal = plan_.bytes >= kInPayload ? 300 : 3000;
      progress_.wait_for(round, goal / 2 + random() % goal);
      child_->kill();
      ++verdict.kills;
      start(round + 1, round % 2 == 0 ? How::told : How::found);
      const Progress::State state = progress_.end_of(round);
      verdict.add(*SharedRecord<Received>(record_path(folder_.path(), round)), state.from, state.sent,
                  state.acknowledged);
      verdict.acknowledged_lost += state.lies;
    }
    return verdict;
  }

private:
  /// How the sender's node learns of a death: from somebody who knows, and the next incarnation has an endpoint of its
  /// own (as the scheduler's workers), or from its connection, and the next one listens where the dead one did (as a
  /// head that was started again).
  enum class How { told, found };

  static NodeOptions node_options() {
    NodeOptions options;
    options.name = "sender";
    options.job = 7;
    return options;
  }
  [[nodiscard]] std::string endpoint_of(std::uint32_t incarnation) const {
    if (plan_.scheme == "tcp") return "tcp://127.0.0.1:*";
    return "ipc://" + folder_.path() + "/" + std::to_string(incarnation);
  }
  void start(std::uint32_t incarnation, How how) {
    if (how == How::told) {
      if (incarnation > 1) node_.declare_down({"receiver", incarnation - 1}, {FailureKind::faulted, "killed"});
      endpoint_ = endpoint_of(incarnation);
    }
    child_ = std::make_unique<Child>(std::vector<std::string>{"receive", std::to_string(::getpid()), folder_.path(),
                                                              endpoint_, std::to_string(incarnation)});
    endpoint_ = child_->line();  // from now on the same port
    if (how == How::found) wait_for_refusals(incarnation);
    node_.announce({{"receiver", incarnation}, endpoint_});
    node_.send("sender", Restarted{incarnation}).value();
    (void)sweep_arenas(folder_.path(), 7);  // as the agent of a node does
  }
  /// The sender, which knows nothing yet, goes on sending to the dead incarnation, at the endpoint of the new one.
  void wait_for_refusals(std::uint32_t incarnation) {
    const SharedRecord<Received> record(record_path(folder_.path(), incarnation));
    const Clock::time_point start = Clock::now();
    while (record->refused.load() + record->stale.load() == 0) {
      if (Clock::now() - start > kPatience) throw std::runtime_error("nothing came for the dead incarnation");
      std::this_thread::yield();
    }
  }

  const Plan plan_;
  const Folder folder_;
  std::string endpoint_;
  Progress progress_;
  Node node_;
  std::unique_ptr<Child> child_;
};

int drive(const Plan& plan) {
  const Clock::time_point start = Clock::now();
  Rounds rounds(plan);
  const Verdict verdict = rounds.run();
  verdict.print(seconds_since(start));
  return verdict.is_kept() && verdict.kills == plan.kills ? 0 : 1;
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  spdlog::set_level(spdlog::level::off);  // deaths are expected; and its registry is made before there are threads
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.size() == 5 && words[0] == "receive") return troupe::bench::receive({words.begin() + 1, words.end()});
  if (words.size() == 3) return troupe::bench::drive({words[0], std::stoul(words[1]), std::stoul(words[2])});
  std::cerr << "usage: reliability_kill ipc|tcp BYTES KILLS\n";
  return 2;
}
