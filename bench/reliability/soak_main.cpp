// Random spawning, killing, calling and telling all, over three processes, one of which is killed now and then:
// reliability_soak SECONDS prints a line of JSON, and fails when a call has no outcome, or memory or descriptors grow.
#include "bench/reliability/child.hpp"
#include "bench/reliability/resources.hpp"
#include "bench/reliability/soak_protocol.hpp"
#include "runtime/job_protocol.hpp"
#include "runtime/node.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <spdlog/spdlog.h>

#include <iostream>
#include <optional>
#include <random>
#include <thread>

namespace troupe::bench {
namespace {

using namespace runtime;

constexpr std::uint32_t kPlaces = 3;   // processes; this one is the first, the last is the one that is killed
constexpr std::uint32_t kSlots = 240;  // names; each is started and ended again and again
constexpr auto kPace = std::chrono::milliseconds(2);
constexpr int kDeedsAtATime = 4;
constexpr auto kCallDeadline = std::chrono::seconds(5);
constexpr std::size_t kMostBulk = 128 * kKiB;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsMemoryReal = false;  // what is freed is kept for a while
#else
constexpr bool kIsMemoryReal = true;
#endif

class Worker final : public Actor {
public:
  Behavior behavior() override {
    return {on(this, &Worker::call), on(this, &Worker::hear), on(this, &Worker::break_down)};
  }

private:
  void call(const Call& call, Context& context) {
    if (call.next.actor.name.empty()) return context.reply(Sum{call.number});
    const ReplyTo asker = context.defer_reply();
    context.node().announce(call.next);
    context.request<Sum>(call.next.actor, Call{call.number, {}}, kCallDeadline / 2,
                         [asker](const Result<Sum>& sum, Context& turn) {
                           if (sum) return turn.reply_to(asker, Sum{sum->number + 1});
                           turn.fail_to(asker, sum.failure());
                         });
  }
  void hear(const News& news, Context&) { sum_ += news.bulk.size(); }
  void break_down(const Break&, Context&) { throw std::runtime_error("told to"); }

  std::size_t sum_ = 0;
};

class Host final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Host::start), on(this, &Host::end)}; }

private:
  void start(const Start& order, Context& context) {
    SpawnOptions options;
    options.incarnation = order.actor.incarnation;
    const Result<ActorId> started = context.node().spawn_later(order.actor.name, std::make_unique<Worker>(), options);
    if (started) return context.reply(Ack{});
    context.reply_failure(started.failure());
  }
  void end(const End& order, Context& context) { context.node().stop_later(order.actor); }
};

std::string host_name(std::uint32_t place) {
  return "host/" + std::to_string(place);
}

/// Does something random, four times every other millisecond.
class Driver final : public Actor {
public:
  Driver(std::vector<std::string> endpoints, std::uint64_t seed) : endpoints_(std::move(endpoints)), random_(seed) {
    hosts_.assign(kPlaces, 1);
    slots_.resize(kSlots);
  }
  Behavior behavior() override {
    return {on(this, &Driver::tick), on(this, &Driver::replaced), on(this, &Driver::finish)};
  }
  void on_start(Context& context) override { context.every(kPace, Tick{}); }

private:
  struct Slot {
    ActorId actor;
    std::uint32_t place = 0;
    enum class State { free, starting, up } state = State::free;
  };

  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }
  ActorId host(std::uint32_t place) const { return {host_name(place), hosts_[place]}; }

  void tick(const Tick&, Context& context) {
    for (int i = 0; i < kDeedsAtATime && !finish_; ++i) {
      const std::uint32_t dice = below(1000);
      Slot& slot = slots_[below(kSlots)];
      if (dice < 100 && slot.state == Slot::State::free) start(slot, context);
      if (dice >= 100 && dice < 180 && slot.state == Slot::State::up) end(slot, context);
      if (dice >= 180 && dice < 990 && slot.state == Slot::State::up) call(slot, context);
      if (dice >= 990) tell_all(context);
    }
  }
  void start(Slot& slot, Context& context) {
    slot.actor = {"worker/" + std::to_string(&slot - slots_.data()), slot.actor.incarnation + 1};
    slot.place = below(kPlaces);
    slot.state = Slot::State::starting;
    ++totals_.starts;
    ++open_;
    context.request<Ack>(host(slot.place), Start{slot.actor}, kCallDeadline,
                         [this, &slot, actor = slot.actor](const Result<Ack>& done, Context& turn) {
                           --open_;
                           if (slot.actor == actor && slot.state == Slot::State::starting) {
                             slot.state = done ? Slot::State::up : Slot::State::free;
                             if (done) turn.node().announce({actor, endpoints_[slot.place]});
                           }
                           answer_finish(turn);
                         });
  }
  void end(Slot& slot, Context& context) {
    ++totals_.ends;
    if (below(2) == 0) {
      (void)context.send(slot.actor, Break{});
    } else {
      (void)context.send(host(slot.place), End{slot.actor});
    }
    // As a head does; it may still live for a moment, and what it says then is refused.
    if (slot.place != 0) context.node().declare_down(slot.actor, {FailureKind::disconnected, "ended"});
    slot.state = Slot::State::free;
  }
  void call(Slot& slot, Context& context) {
    Call call;
    call.number = ++totals_.calls;
    const Slot& next = slots_[below(kSlots)];
    const bool is_chain = below(3) == 0 && next.state == Slot::State::up && &next != &slot;
    if (is_chain) call.next = {next.actor, endpoints_[next.place]};
    const std::uint64_t expected = call.number + (is_chain ? 1 : 0);
    ++open_;
    context.request<Sum>(slot.actor, call, kCallDeadline, [this, expected](const Result<Sum>& sum, Context& turn) {
      --open_;
      if (sum) {
        ++totals_.answered;
        if (sum->number != expected) ++totals_.wrong;
      } else {
        ++totals_.failed;
      }
      answer_finish(turn);
    });
  }
  void tell_all(Context& context) {
    ++totals_.broadcasts;
    const std::vector<std::byte> bytes(below(kMostBulk), std::byte{1});
    const News news{Payload::copy_of(bytes)};
    for (const Slot& slot : slots_) {
      if (slot.state == Slot::State::up) (void)context.send(slot.actor, news);  // who has no room misses it
    }
  }
  void replaced(const Replaced& news, Context& context) {
    const Failure cause{FailureKind::faulted, "its process was killed"};
    context.node().declare_down(host(news.place), cause);
    for (Slot& slot : slots_) {
      if (slot.place != news.place || slot.state == Slot::State::free) continue;
      context.node().declare_down(slot.actor, cause);
      slot.state = Slot::State::free;
    }
    hosts_[news.place] = news.incarnation;
    endpoints_[news.place] = news.endpoint;
    context.node().announce({host(news.place), news.endpoint});
    context.reply(Ack{});
  }
  void finish(const Finish&, Context& context) {
    finish_ = context.defer_reply();
    answer_finish(context);
  }
  void answer_finish(Context& context) {
    if (finish_ && open_ == 0) context.reply_to(*finish_, totals_);
  }

  std::vector<std::string> endpoints_;
  std::vector<std::uint32_t> hosts_;  // incarnations
  std::vector<Slot> slots_;
  std::mt19937_64 random_;
  std::optional<ReplyTo> finish_;
  int open_ = 0;
  Totals totals_;
};

/// How long a run is, and what follows from it.
struct Length {
  double seconds = 0;
  /// The arena of a killed process stays open for twice this long.
  [[nodiscard]] Duration peer_timeout() const {
    return std::chrono::milliseconds(static_cast<long>(std::clamp(seconds / 15, 1.0, 5.0) * 1000));
  }
  /// Twelve kills in all, but one every 20 seconds at least.
  [[nodiscard]] double between_kills() const { return std::min(20.0, seconds / 12); }
  [[nodiscard]] double between_looks() const { return std::min(1.0, seconds / 200); }
  /// A slope of a short run is noise of pools that fill: then the most at a time is looked at.
  [[nodiscard]] bool has_slope() const { return seconds >= 600; }
  /// What was killed last is still open; a leak of one for each kill would be more.
  [[nodiscard]] long descriptors_allowed() const { return has_slope() ? 2 : 6; }
};

std::unique_ptr<Node> make_node(const std::string& folder, const std::string& name, const Length& length) {
  ZmqTransportOptions transport;
  transport.listen = "ipc://" + folder + "/" + name;
  transport.node_name = name;
  transport.job = 7;
  transport.arena_directory = folder;
  transport.arena_bytes = 32 * kMiB;
  transport.peer_timeout = length.peer_timeout();
  NodeOptions options;
  options.name = name;
  options.job = 7;
  auto node = std::make_unique<Node>(options, make_threaded_parts(1, make_zmq_transport(transport)));
  node->start().value();
  return node;
}

void spawn_host(Node& node, std::uint32_t place, std::uint32_t incarnation) {
  SpawnOptions options;
  options.incarnation = incarnation;
  node.spawn(host_name(place), std::make_unique<Host>(), options).value();
}

/// PARENT FOLDER PLACE INCARNATION SECONDS
int work(const std::vector<std::string>& words) {
  end_with_parent(std::stoi(words.at(0)));
  const Length length{std::stod(words.at(4))};
  const std::unique_ptr<Node> node = make_node(words.at(1), words.at(2) + "." + words.at(3), length);
  spawn_host(*node, static_cast<std::uint32_t>(std::stoul(words[2])), static_cast<std::uint32_t>(std::stoul(words[3])));
  tell_parent(node->endpoint());
  for (;;) ::pause();
}

class Soak {
public:
  explicit Soak(const Length& length) : length_(length), node_(make_node(folder_.path(), "driver", length)) {
    std::vector<std::string> endpoints{node_->endpoint()};
    spawn_host(*node_, 0, 1);
    for (std::uint32_t place = 1; place < kPlaces; ++place) {
      children_.push_back(start(place, 1));
      endpoints.push_back(children_.back()->line());
      node_->announce({{host_name(place), 1}, endpoints.back()});
    }
    node_->spawn("driver", std::make_unique<Driver>(endpoints, 1)).value();
  }
  ~Soak() { node_->shutdown(std::chrono::seconds(5)); }

  Totals run() {
    double next_kill = length_.between_kills();
    const Clock::time_point begin = Clock::now();
    for (double now = 0; now < length_.seconds; now = seconds_since(begin)) {
      std::this_thread::sleep_for(std::chrono::duration<double>(length_.between_looks()));
      own_.add(resources_of(::getpid(), now));
      other_.add(resources_of(children_.front()->pid(), now));
      if (now < next_kill) continue;
      next_kill += length_.between_kills();
      kill_last();
    }
    return node_->request<Totals>("driver", Finish{}, kPatience).value();
  }
  [[nodiscard]] const Course& own() const { return own_; }
  [[nodiscard]] const Course& other() const { return other_; }
  [[nodiscard]] std::uint32_t kills() const { return incarnation_ - 1; }

private:
  [[nodiscard]] std::unique_ptr<Child> start(std::uint32_t place, std::uint32_t incarnation) const {
    return std::make_unique<Child>(std::vector<std::string>{"work", std::to_string(::getpid()), folder_.path(),
                                                            std::to_string(place), std::to_string(incarnation),
                                                            std::to_string(length_.seconds)});
  }
  void kill_last() {
    children_.back()->kill();
    (void)sweep_arenas(folder_.path(), 7);  // as the agent of a node does
    children_.back() = start(kPlaces - 1, ++incarnation_);
    const Replaced news{kPlaces - 1, incarnation_, children_.back()->line()};
    node_->request<Ack>("driver", news, kPatience).value();
  }

  const Length length_;
  const Folder folder_;
  std::unique_ptr<Node> node_;
  std::vector<std::unique_ptr<Child>> children_;
  std::uint32_t incarnation_ = 1;
  Course own_;
  Course other_;
};

int drive(const Length& length) {
  Soak soak(length);
  const Totals totals = soak.run();
  const auto mib = [](double bytes) { return bytes / static_cast<double>(kMiB); };
  std::printf(
      "{\"seconds\": %.0f, \"starts\": %lu, \"ends\": %lu, \"calls\": %lu, \"answered\": %lu, \"failed\": %lu, ",
      length.seconds, totals.starts, totals.ends, totals.calls, totals.answered, totals.failed);
  std::printf("\"wrong\": %lu, \"broadcasts\": %lu, \"kills\": %u", totals.wrong, totals.broadcasts, soak.kills());
  bool is_kept = totals.wrong == 0 && totals.calls == totals.answered + totals.failed && totals.answered > 0;
  for (const auto& [name, course] : {std::pair("driver", &soak.own()), std::pair("other", &soak.other())}) {
    std::printf(", \"%s_mib\": %.1f, \"%s_mib_per_10_min\": %.2f, \"%s_growth_mib\": %.2f, ", name,
                mib(course->last().memory), name, mib(course->memory_slope()), name, mib(course->memory_growth()));
    std::printf("\"%s_descriptors\": %ld, \"%s_descriptor_growth\": %ld", name, course->last().descriptors, name,
                course->descriptor_growth());
    const double grown = mib(length.has_slope() ? course->memory_slope() : course->memory_growth() / 16);
    is_kept = is_kept && (!kIsMemoryReal || grown <= 1) && course->descriptor_growth() <= length.descriptors_allowed();
  }
  std::printf("}\n");
  return is_kept ? 0 : 1;
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  spdlog::set_level(spdlog::level::off);  // deaths are expected; and its registry is made before there are threads
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.size() == 6 && words[0] == "work") return troupe::bench::work({words.begin() + 1, words.end()});
  if (words.size() == 1) return troupe::bench::drive({std::stod(words[0])});
  std::cerr << "usage: reliability_soak SECONDS\n";
  return 2;
}
