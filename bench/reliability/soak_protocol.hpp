#pragma once

#include "runtime/directory.hpp"
#include "runtime/message/payload.hpp"
#include "runtime/message/span_archive.hpp"

#include <cstdint>
#include <string_view>

namespace troupe::bench {

/// To the host of a process: start this incarnation (answered with Ack).
struct Start {
  static constexpr std::string_view kName = "soak.start";
  runtime::ActorId actor;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor);
  }
};

/// To the host: end it in good order.
struct End {
  static constexpr std::string_view kName = "soak.end";
  runtime::ActorId actor;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor);
  }
};

/// To a worker: throw.
struct Break {
  static constexpr std::string_view kName = "soak.break";
  template <class Archive>
  void serialize(Archive&) {}
};

/// To a worker: ask `next`, if there is one, and answer with the sum.
struct Call {
  static constexpr std::string_view kName = "soak.call";
  std::uint64_t number = 0;
  runtime::DirectoryEntry next;  ///< no name = nobody
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, next);
  }
};

struct Sum {
  static constexpr std::string_view kName = "soak.sum";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

struct News {
  static constexpr std::string_view kName = "soak.news";
  runtime::Payload bulk;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(bulk);
  }
};

struct Tick {
  static constexpr std::string_view kName = "soak.tick";
  template <class Archive>
  void serialize(Archive&) {}
};

/// To the driver: a process was killed, this one is in its place (answered with Ack).
struct Replaced {
  static constexpr std::string_view kName = "soak.replaced";
  std::uint32_t place = 0;
  std::uint32_t incarnation = 0;
  std::string endpoint;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(place, incarnation, endpoint);
  }
};

/// To the driver: no more; answered with Totals when every request has its outcome.
struct Finish {
  static constexpr std::string_view kName = "soak.finish";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Totals {
  static constexpr std::string_view kName = "soak.totals";
  std::uint64_t starts = 0;
  std::uint64_t ends = 0;
  std::uint64_t calls = 0;
  std::uint64_t answered = 0;
  std::uint64_t failed = 0;
  std::uint64_t wrong = 0;
  std::uint64_t broadcasts = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(starts, ends, calls, answered, failed, wrong, broadcasts);
  }
};

}  // namespace troupe::bench
