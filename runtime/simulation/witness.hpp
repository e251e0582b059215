#pragma once

#include "runtime/context.hpp"
#include "runtime/simulation/simulated_process.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace troupe::runtime::simulation {

/// What the actors of a workload tell of what they do, and what is checked of it: order, incarnations, and that every
/// request ends.
///
/// Thread-safety: one thread.
/// Ownership:     borrows the world.
/// Errors:        Trace::violate().
/// Restart:       one for each simulation; what an actor of a crashed process had open is forgotten.
class Witness {
public:
  Witness(World& world, Random random) : world_(world), random_(random) {}

  /// In which order the messages of one actor to another are to be handled.
  enum class Order : unsigned char { sent, urgent, when_room };
  /// Grows: the message sent with it was sent after all with a lower one.
  [[nodiscard]] std::uint64_t next_number() { return ++numbers_; }
  /// A handler has `context.current()` before it.
  void handles(const Context& context, Order order, std::uint64_t number);

  /// An actor of `process` asks; the number is for ended().
  [[nodiscard]] std::uint64_t asks(const SimulatedProcess& process, const std::string& what, Duration deadline);
  void ended(std::uint64_t request);
  /// Nothing is asked any more.
  void close();

  /// Actors go on making work.
  [[nodiscard]] bool is_active() const { return is_active_; }
  void calm_down() { is_active_ = false; }
  /// Not even what is left to do is done: all comes to rest.
  [[nodiscard]] bool is_over() const { return is_over_; }
  void end() { is_over_ = true; }

  void violate(const std::string& what) { world_.trace.violate(world_.events.now(), what); }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] World& world() { return world_; }
  [[nodiscard]] std::uint64_t requests() const { return requests_.size(); }

private:
  struct Request {
    const SimulatedProcess* process = nullptr;
    std::string what;
    TimePoint asked;
    Duration deadline{};
    bool is_open = true;
  };
  void look_at(std::uint64_t request);

  World& world_;
  Random random_;
  bool is_active_ = true;
  bool is_over_ = false;
  std::uint64_t numbers_ = 0;
  using Pair = std::tuple<std::uint64_t, std::uint32_t, std::uint64_t, std::uint32_t, Order>;
  std::map<Pair, std::uint64_t> last_handled_;
  std::vector<Request> requests_;  // by number, from 1
};

}  // namespace troupe::runtime::simulation
