#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::runtime {

/// What the one who hears of a failure should do next. Detail goes in the text.
enum class FailureKind : unsigned char {
  faulted = 1,       ///< the actor broke (threw, crashed, was killed): restart it
  overloaded = 2,    ///< a queue or credit is exhausted: slow down and try again
  disconnected = 3,  ///< the peer cannot be reached, or did not answer in time: reconnect
  unknown = 4,       ///< versions do not match, no such actor, undecodable bytes: stop and look
};

/// "faulted", "overloaded", "disconnected" or "unknown".
[[nodiscard]] std::string_view to_string(FailureKind kind);

/// Longest text that travels: a failure must always fit into a message's body.
inline constexpr std::size_t kMaxFailureText = 8 * 1024;

/// A failure as a value: a kind that says what to do, a text that says what happened.
///
/// Thread-safety: a plain value.
/// Ownership:     owns its text.
/// Errors:        none.
/// Restart:       travels in ActorDown and in failed replies; outlives the actor.
struct Failure {
  FailureKind kind = FailureKind::unknown;  ///< what to do about it
  std::string text;                         ///< what happened, for people

  /// The same failure seen one level up: "context: text".
  [[nodiscard]] Failure within(std::string_view context) const;
  /// The same failure with at most kMaxFailureText bytes of text.
  [[nodiscard]] Failure shortened() const;
  /// "kind: text", for logs.
  [[nodiscard]] std::string describe() const;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(kind, text);
    // Cut at the door: whoever passes it on must be able to.
    if constexpr (requires { archive.refuse("why"); }) {
      if (text.size() > kMaxFailureText) text.resize(kMaxFailureText);
    }
  }
};

}  // namespace troupe::runtime
