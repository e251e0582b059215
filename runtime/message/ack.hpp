#pragma once

#include <string_view>

namespace troupe::runtime {

/// "Done": the answer to requests that have nothing else to say.
struct Ack {
  static constexpr std::string_view kName = "runtime.ack";
  template <class Archive>
  void serialize(Archive&) {}
};

}  // namespace troupe::runtime
