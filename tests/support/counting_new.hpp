#pragma once

#include <cstddef>

namespace troupe::runtime {

/// Counts the bytes that operator new hands out on this thread while it lives. Programs that use it link
/// counting_new.cpp, which replaces operator new.
class CountingNew {
public:
  CountingNew();
  /// Handed out since construction; what was freed meanwhile is not taken off.
  [[nodiscard]] std::size_t bytes() const;

private:
  std::size_t before_;
};

}  // namespace troupe::runtime
