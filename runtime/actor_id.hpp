#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::runtime {

/// 64-bit FNV-1a of an actor's name: what the fixed-size envelope carries instead of the name.
[[nodiscard]] constexpr std::uint64_t name_hash(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char letter : name) {
    hash ^= static_cast<unsigned char>(letter);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

/// Longest name of an actor, a message or a sender that travels.
inline constexpr std::size_t kMaxNameBytes = 200;

/// Who: a stable name ("stage/r1.s2") and the incarnation that grows at each start.
/// Incarnation 0 in an address means "whoever holds the name now".
struct ActorId {
  std::string name;               ///< 1 to kMaxNameBytes bytes
  std::uint32_t incarnation = 0;  ///< from 1; 0 = whoever holds the name now

  // No aggregate: g++ 12 miscompiles temporaries of aggregates with text in an expression with co_await. Of its own
  // type is the text for {"a"} to be an ActorId, as of an aggregate, and "a" alone to be none.
  /// What a name is given as: any text, in braces.
  struct Text {
    std::string text;  ///< becomes ActorId::name
    /// A copy of it.
    template <std::convertible_to<std::string> From>
    Text(From&& from) : text(std::forward<From>(from)) {}  // NOLINT(google-explicit-constructor)
  };
  /// Nobody: an empty name.
  ActorId() = default;
  /// {"stage/r1.s2"} means whoever holds the name, {"stage/r1.s2", 3} that incarnation alone.
  ActorId(Text actor, std::uint32_t start = 0)  // NOLINT(google-explicit-constructor)
      : name(std::move(actor.text)), incarnation(start) {}

  bool operator==(const ActorId&) const = default;

  /// "stage/r1.s2#3".
  [[nodiscard]] std::string describe() const { return name + "#" + std::to_string(incarnation); }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, incarnation);
    // A name that no actor can have: whoever answers or passes it on could not, it would not fit into a body.
    if constexpr (requires { archive.refuse("why"); }) {
      if (name.size() > kMaxNameBytes) archive.refuse("an actor's name that is too long");
    }
  }
};

}  // namespace troupe::runtime
