#pragma once

#include "runtime/node.hpp"
#include "runtime/simulation/event_queue.hpp"
#include "runtime/simulation/mail_ledger.hpp"
#include "runtime/simulation/network.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe::runtime::simulation {

class ProcessLoop;

/// What all processes of a simulation share.
struct World {
  EventQueue& events;
  SimulatedNetwork& network;
  MailLedger& ledger;
  Trace& trace;
};

struct ProcessOptions {
  std::string name;
  std::uint32_t incarnation = 1;
  std::int64_t clock_ppm = 0;  ///< how much its clock runs ahead of true time, in millionths
  std::uint32_t window_messages = 16;
  std::size_t window_bytes = 16 * 1024;
  WireMode wire = WireMode::honest;
  SafetyChecks checks = {};
};

/// One process: a Node, its link code and its clock as they are, in place of threads the event queue, in place of
/// sockets the simulated network.
///
/// Thread-safety: one thread.
/// Ownership:     owns its node; borrows the world.
/// Errors:        what its transport does against its promises goes to the trace.
/// Restart:       another object with a higher incarnation, at the same endpoint.
class SimulatedProcess {
public:
  /// `number` tells it from all other processes, earlier ones too.
  SimulatedProcess(World& world, std::uint64_t number, ProcessOptions options, Random random);
  ~SimulatedProcess();
  SimulatedProcess(const SimulatedProcess&) = delete;
  SimulatedProcess& operator=(const SimulatedProcess&) = delete;

  [[nodiscard]] Node& node() { return *node_; }
  [[nodiscard]] const ProcessOptions& options() const { return options_; }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] bool is_alive() const;

  /// It is gone between two events, with all it had not sent.
  void crash();
  /// It gets no processor for so long.
  void pause(Duration length);
  /// Each of its turns takes long.
  void be_slow(Duration length);
  /// True when it was paused or slow after `since`.
  [[nodiscard]] bool was_held_up(TimePoint since) const;

private:
  World& world_;
  const std::uint64_t number_;
  const ProcessOptions options_;
  const std::string endpoint_;
  const std::shared_ptr<ProcessLoop> loop_;  // shared with the strands of its cells
  std::unique_ptr<Node> node_;
};

}  // namespace troupe::runtime::simulation
