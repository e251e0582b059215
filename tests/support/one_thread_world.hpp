#pragma once

#include "runtime/node.hpp"
#include "runtime/transport/memory_transport.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace troupe::test {

/// Nodes on the test's own thread: every turn has run when send() or advance() returns, and time passes when told to.
///
/// Make it before its nodes.
class OneThreadWorld final {
public:
  [[nodiscard]] runtime::NodeParts parts(const std::string& name) {
    return {std::make_unique<Hands>(*this), std::make_unique<Turns>(*this), std::make_unique<Alarms>(*this),
            runtime::make_memory_transport(network, name)};
  }

  /// Time passes; what is due on the way happens, each at its time.
  void advance(runtime::Duration by) {
    const runtime::TimePoint end = now_ + by;
    while (!alarms_.empty() && alarms_.begin()->first.first <= end) {
      const auto alarm = alarms_.begin();
      now_ = std::max(now_, alarm->first.first);
      const std::function<void()> task = std::move(alarm->second);
      alarms_.erase(alarm);
      task();
    }
    now_ = end;
  }
  /// Time passes while this process does not run: what was due happens afterwards.
  void sleep_through(runtime::Duration by) {
    now_ += by;
    advance({});
  }

  runtime::MemoryNetwork network;

private:
  class Hands final : public runtime::Clock {
  public:
    explicit Hands(const OneThreadWorld& world) : world_(world) {}
    [[nodiscard]] runtime::TimePoint now() const override { return world_.now_; }

  private:
    const OneThreadWorld& world_;
  };

  class Turns final : public runtime::Dispatcher {
  public:
    explicit Turns(OneThreadWorld& world) : world_(world) {}
    [[nodiscard]] std::shared_ptr<runtime::Strand> make_strand(runtime::Placement) override {
      return std::make_shared<Line>(world_);
    }
    void stop() override {}

  private:
    class Line final : public runtime::Strand {
    public:
      explicit Line(OneThreadWorld& world) : world_(world) {}
      void wake(std::shared_ptr<runtime::Resumable> sleeper) override {
        world_.run([&world = world_, sleeper = std::move(sleeper)] {
          if (sleeper->resume(1)) Line(world).wake(sleeper);
        });
      }

    private:
      OneThreadWorld& world_;
    };
    OneThreadWorld& world_;
  };

  class Alarms final : public runtime::Timers {
  public:
    explicit Alarms(OneThreadWorld& world) : world_(world) {}
    ~Alarms() override { stop(); }
    std::uint64_t run_at(runtime::TimePoint due, std::function<void()> task) override {
      const std::uint64_t id = ++world_.last_alarm_;
      world_.alarms_[{due, id}] = std::move(task);
      mine_[id] = due;
      return id;
    }
    void cancel(std::uint64_t id) override {
      const auto found = mine_.find(id);
      if (found != mine_.end()) world_.alarms_.erase({found->second, id});
    }
    void stop() override {
      for (const auto& [id, due] : mine_) world_.alarms_.erase({due, id});
    }

  private:
    OneThreadWorld& world_;
    std::map<std::uint64_t, runtime::TimePoint> mine_;
  };

  /// A task posted by a running task runs after it.
  void run(std::function<void()> task) {
    tasks_.push_back(std::move(task));
    if (depth_ > 0) return;
    ++depth_;
    while (!tasks_.empty()) {
      const std::function<void()> next = std::move(tasks_.front());
      tasks_.pop_front();
      next();
    }
    --depth_;
  }

  runtime::TimePoint now_{std::chrono::hours(1)};
  std::map<std::pair<runtime::TimePoint, std::uint64_t>, std::function<void()>> alarms_;
  std::uint64_t last_alarm_ = 0;
  std::deque<std::function<void()>> tasks_;
  int depth_ = 0;
};

}  // namespace troupe::test
