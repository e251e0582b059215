#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/message/mail.hpp"
#include "runtime/result.hpp"

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::runtime {

/// Requests from outside any actor (a main function, a test) that wait for their one outcome. What actors ask is in
/// their OpenRequests.
///
/// Thread-safety: all methods from any thread; completions run on the caller's thread, outside the lock.
/// Ownership:     owns the completions until each was called.
/// Errors:        an answer to a request that is not waiting is refused: it came late.
/// Restart:       emptied with the node; everything waiting is failed.
///
/// PR-1  Each completion is called exactly once.
/// PR-2  After close() every request fails at once: none waits for an answer that nobody brings any more.
class PendingRequests final {
public:
  using Completion = std::function<void(Result<MailPtr>)>;
  struct Request {
    std::uint64_t target = 0;              ///< name_hash of the asked
    std::uint32_t target_incarnation = 0;  ///< 0 = whoever holds the name
    std::string endpoint;                  ///< of the asked; empty = this node
    Completion complete;
  };

  /// @threadsafe  The correlation id to send along.
  [[nodiscard]] std::uint64_t add(Request request);
  /// @threadsafe  False when the request is not waiting any more.
  bool complete(std::uint64_t correlation, Result<MailPtr> outcome);
  /// @threadsafe  Fails what waits for that incarnation or an older one.
  void fail_target(std::uint64_t target, std::uint32_t incarnation, const Failure& why);
  /// @threadsafe
  void fail_endpoint(const std::string& endpoint, const Failure& why);
  /// @threadsafe  Fails what waits, and from now on whatever is added.
  void close(const Failure& why);

private:
  void fail_if(const std::function<bool(const Request&)>& matches, const Failure& why);

  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Request> waiting_;  // guarded by mutex_
  std::uint64_t next_ = 1;                              // guarded by mutex_
  std::optional<Failure> closed_;                       // guarded by mutex_
};

}  // namespace troupe::runtime
