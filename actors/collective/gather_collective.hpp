#pragma once

#include "actors/collective/collective.hpp"
#include "actors/collective/communicator.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace troupe::actors {

struct GatherOptions {
  /// From begin() to the sum. Long enough for a killed member to be started again and the epoch to end instead.
  runtime::Duration deadline = std::chrono::seconds(120);
  /// How often a turn looks at a transfer under way.
  runtime::Duration poll_interval = std::chrono::microseconds(200);
  /// Floats of each block that travel at once: bounds the memory a sum needs to members * blocks * chunk.
  std::int64_t chunk = std::int64_t{1} << 24;
};

/// The collective over a Communicator: gathers every member's block sums, chunk by chunk, and adds them on the own
/// device in the fixed tree. A library's own all-reduce would move less (members - 1 times less for many members) but
/// adds in an order that depends on the number of members; it is not offered.
///
///   idle --1--> offering --2--> connecting --3--> gathering --4--> idle
///                  \-----------------5----------------^
///
/// 1 begin(): offer sent to all    2 all offers are here; replica 0 makes the id, the others have it    3 connected
/// 4 last chunk summed    5 all offers are here and the epoch's communicator exists
///
/// A turn never waits: progress is looked at by a delayed message to oneself.
///
/// Thread-safety: single owner thread (the stage's turn).
/// Ownership:     owns the communicator and the buffers of a sum under way.
/// Errors:        at the deadline, or when offers do not fit together, the communicator is aborted and
///                std::runtime_error says which members were missing, in which phase, and what to do.
/// Restart:       starts unconnected; so does every epoch.
///
/// GC-1  The sum is that of sum_blocks(), bit for bit, for any number of members and any chunk.
/// GC-2  The library's rendezvous is entered only after every member offered; who then never enters it is named.
/// GC-3  reset() aborts the communicator: no epoch uses the connection of another.
/// GC-4  Offers of later steps are kept for them; messages of another epoch change nothing.
class GatherCollective final : public Collective {
public:
  GatherCollective(ReplicaGroup group, std::unique_ptr<Communicator> communicator, GatherOptions options);
  ~GatherCollective() override;

  using Collective::deliver;
  void begin(Contribution contribution, Done done, runtime::Context& context) override;
  void deliver(const GatherOffer& offer, runtime::Context& context) override;
  void deliver(const CommunicatorId& message, runtime::Context& context) override;
  void deliver(const CommunicatorEntered& message, runtime::Context& context) override;
  void deliver(const PollCollective& message, runtime::Context& context) override;
  void reset(std::uint32_t epoch, std::uint32_t step) override;

private:
  enum class Phase { idle, offering, connecting, gathering };
  enum class Link { absent, connected };

  [[nodiscard]] std::uint32_t members() const { return static_cast<std::uint32_t>(group_.members.size()); }
  [[nodiscard]] bool everybody_offered() const;
  void check_offers() const;
  [[nodiscard]] std::int64_t rows() const;
  void advance(runtime::Context& context);
  [[nodiscard]] Phase connect(runtime::Context& context);
  [[nodiscard]] Phase start_chunk();
  void add_chunk();
  void finish(runtime::Context& context);
  void poll_later(runtime::Context& context);
  [[noreturn]] void give_up();
  [[nodiscard]] std::string missing() const;
  template <class M>
  void tell_others(const M& message, runtime::Context& context) const;

  const ReplicaGroup group_;
  const GatherOptions options_;
  const std::unique_ptr<Communicator> communicator_;

  std::uint32_t epoch_ = 0;
  Phase phase_ = Phase::idle;
  Link link_ = Link::absent;
  std::string id_;
  std::set<std::uint32_t> entered_;
  std::map<std::uint32_t, std::map<std::uint32_t, GatherOffer>> offers_;  // by step, by replica

  std::optional<Contribution> own_;
  Done done_;
  runtime::TimePoint deadline_{};
  std::uint64_t ticket_ = 0;
  std::int64_t next_ = 0;  // floats summed so far
  at::Tensor total_;       // (N)
  at::Tensor outgoing_;    // (rows, chunk)
  at::Tensor incoming_;    // (members, rows, chunk)
};

}  // namespace troupe::actors
