#pragma once

#include <cstdint>
#include <string_view>

/// What the two ends of a stream say to each other beside its items. All travel as replies: their number is bounded by
/// what was asked and granted.
namespace troupe::runtime {

/// To the reader, first of all: there will be items. Its sender is who produces them.
struct StreamOpened {
  static constexpr std::string_view kName = "runtime.stream_opened";
  std::uint64_t number = 0;  ///< of the producer's
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

/// To the reader: that was the last item.
struct StreamEnd {
  static constexpr std::string_view kName = "runtime.stream_end";
  template <class Archive>
  void serialize(Archive&) {}
};

/// Items that may be granted and not come, at most.
inline constexpr std::uint32_t kMostCredit = 65536;

/// To the producer: so many more items may come, or none is wanted any more.
struct StreamGrant {
  static constexpr std::string_view kName = "runtime.stream_grant";
  std::uint64_t number = 0;
  std::uint32_t more = 0;  ///< 0 = the reader does not read any more
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, more);
  }
};

}  // namespace troupe::runtime
