#pragma once

#include "runtime/clock.hpp"
#include "runtime/message/envelope.hpp"
#include "runtime/simulation/trace.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace troupe::runtime::simulation {

/// Every envelope that a transport accepted, and what became of it, seen from outside: the check of what transport.hpp
/// promises. It marks envelopes in Header::epoch, which the runtime carries and never reads.
///
/// Thread-safety: one thread.
/// Ownership:     borrows the trace, to which it tells what is wrong.
/// Errors:        Trace::violate().
/// Restart:       one for each simulation.
class MailLedger {
public:
  explicit MailLedger(Trace& trace) : trace_(trace) {}

  /// Process `from` is about to hand it to its transport.
  void mark(std::uint64_t from, const std::string& to, Envelope& envelope, TimePoint now);
  /// The transport refused it.
  void refused(const Envelope& envelope);
  void arrived(std::uint64_t at, const std::string& endpoint, const Envelope& envelope, TimePoint now);
  void came_back(const Envelope& envelope, TimePoint now);
  /// The sink of `at` has heard that the peer there is gone.
  void end_told(std::uint64_t at, const std::string& peer);
  void crashed(std::uint64_t process);
  /// `process` knows that incarnations of that actor older than `least` are dead.
  void learned(std::uint64_t process, std::uint64_t actor, std::uint32_t least);
  /// An actor handles it: what was stale when it arrived must not come so far.
  void handled(const Header& header, TimePoint now);
  /// When all has come to rest: what has had no fate is lost.
  void close(TimePoint now, bool may_lose_the_last);

  [[nodiscard]] std::uint64_t accepted() const { return records_.size() - refused_; }

private:
  enum class Fate : unsigned char { open, refused, arrived, came_back, told, died };
  struct Record {
    std::uint64_t from = 0;
    std::string to;
    std::string message;
    Lane lane = Lane::ordinary;
    std::uint32_t content = 0;  // a checksum of what must not change on the way
    Fate fate = Fate::open;
    bool has_arrived = false;
    bool was_stale = false;  // when it arrived
  };
  using Path = std::pair<std::uint64_t, std::string>;  // from a process to an endpoint
  using Open = std::array<std::set<std::uint32_t>, kLanes>;

  [[nodiscard]] Record* find(const Envelope& envelope);
  [[nodiscard]] std::set<std::uint32_t>& open_like(const Record& record);
  [[nodiscard]] static std::string describe(const Record& record, std::uint32_t id);

  Trace& trace_;
  std::vector<Record> records_;  // by mark, from 1
  std::uint64_t refused_ = 0;
  std::map<Path, Open> open_;
  std::map<std::tuple<Path, Lane, std::uint64_t>, std::uint32_t> last_;      // arrived at a process by a path
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> living_;  // what a process knows of an actor
};

}  // namespace troupe::runtime::simulation
