#pragma once

#include "runtime/message/envelope.hpp"
#include "runtime/transport/shm_arena.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::runtime {

inline constexpr std::uint32_t kLinkProtocol = 3;  // 2: batches; 3: checksums

/// Of ordinary mail no more bytes than this, and one message, are on the way unconfirmed: urgent mail waits behind at
/// most that. Two large tensors of a common size go side by side; less would cost large payloads by wire their speed.
inline constexpr std::size_t kMaxAheadBytes = 8ULL << 20;
/// So the receiver confirms when that much has come.
inline constexpr std::size_t kConfirmBytes = kMaxAheadBytes / 4;

// What an endpoint begins with.
inline constexpr std::string_view kIpc = "ipc://";
inline constexpr std::string_view kTcp = "tcp://";

/// First on every connection, from the one who dialed.
struct LinkHello {
  static constexpr std::string_view kName = "link.hello";
  std::uint32_t protocol = kLinkProtocol;
  std::uint64_t job = 0;
  std::string node_name;
  std::uint32_t incarnation = 0;
  std::uint64_t instance = 0;  ///< random, one per transport object: tells a restarted process from the old one
  std::uint64_t link = 0;      ///< one per link of that instance; the same when a broken connection is dialed again
  std::string endpoint;        ///< where the dialer listens
  std::string machine;         ///< boot id: only processes of the same boot can share memory
  std::string arena;           ///< file name of the dialer's arena; empty = none
  std::uint64_t arena_cookie = 0;
  std::uint64_t next_sequence = 1;  ///< of the oldest message the dialer can still send
  std::string dialed;               ///< what it calls this endpoint: it has one link for each name

  template <class Archive>
  void serialize(Archive& archive) {
    archive(protocol, job, node_name, incarnation, instance, link, endpoint, machine, arena, arena_cookie,
            next_sequence, dialed);
  }
};

/// Answer to a LinkHello that was accepted.
struct LinkWelcome {
  static constexpr std::string_view kName = "link.welcome";
  std::uint64_t instance = 0;
  std::uint64_t link = 0;
  std::uint64_t received =
      0;  ///< highest sequence that arrived; from the sender: that was sent on this link; 0 on a new one
  std::uint32_t window_messages = 0;
  std::uint64_t window_bytes = 0;
  std::uint32_t arena_open = 0;  ///< 1 = the dialer's arena is mapped, payloads may come through it
  ProcessMark process;           ///< who holds blocks of that arena

  template <class Archive>
  void serialize(Archive& archive) {
    archive(instance, link, received, window_messages, window_bytes, arena_open, process);
  }
};

/// Sign of life. From receiver to sender the totals since the link began (totals, so that a lost note costs nothing);
/// from sender to receiver the last that was sent before it.
struct LinkNote {
  static constexpr std::string_view kName = "link.note";
  std::uint64_t received = 0;           ///< highest sequence that arrived
  std::uint64_t released_messages = 0;  ///< that are done with
  std::uint64_t released_bytes = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(received, released_messages, released_bytes);
  }
};

/// Orderly end of a link, or the refusal of one, with the reason for people.
struct LinkBye {
  static constexpr std::string_view kName = "link.bye";
  std::uint32_t refused = 0;   ///< 1 = this link will never work (another job, another protocol); 2 = kDamaged
  std::uint64_t received = 0;  ///< highest sequence that arrived
  std::string reason;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(refused, received, reason);
  }
};

/// LinkBye::refused of a connection that brought something damaged, and is not listened to any more: the link goes on
/// over the next.
inline constexpr std::uint32_t kDamaged = 2;

/// Who a transport is, for its hellos and welcomes.
struct LinkIdentity {
  std::string node_name;
  std::uint32_t incarnation = 0;
  std::uint64_t job = 0;
  std::uint64_t instance = 0;
  std::string endpoint;       ///< the first one listened on
  std::string also_endpoint;  ///< the second; empty = none
  std::string machine;
  ProcessMark process;
  std::string arena;
  std::uint64_t arena_cookie = 0;
};

/// This machine's boot id, or its host name where there is none.
[[nodiscard]] std::string machine_id();
[[nodiscard]] std::uint64_t random_id();
/// True for "ipc:///path" and "tcp://host:port" of printable characters and sane length.
[[nodiscard]] bool is_sane_endpoint(std::string_view endpoint);
/// Whether what is sent there passes no network: ipc, and tcp to the machine's own loopback.
[[nodiscard]] bool never_leaves_machine(std::string_view endpoint);
/// The own endpoint to announce on a link to `peer`: one of the same scheme when there is one.
[[nodiscard]] const std::string& endpoint_for(const LinkIdentity& self, std::string_view peer);

}  // namespace troupe::runtime
