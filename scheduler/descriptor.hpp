#pragma once

#include "runtime/failure.hpp"

#include <string>
#include <utility>

namespace troupe::scheduler {

/// A file descriptor, closed at the end of its scope.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the descriptor; -1 is none.
/// Errors:        none.
/// Restart:       the kernel closes it when the process ends.
class Descriptor final {
public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }
  void reset();

private:
  int number_;
};

/// From which `text` can be read to its end, without a second process to feed a pipe. Closed when errno says why not.
[[nodiscard]] Descriptor make_text_descriptor(const std::string& text);

/// Makes `to` another name of `from`, for a child. Where the parent has no standard input or output, `from` may be `to`
/// already, and must only survive exec(). Async-signal-safe.
void attach(int from, int to);

/// What a call of the system that has just failed says: `what`, then errno in words.
[[nodiscard]] runtime::Failure system_failure(const std::string& what);

}  // namespace troupe::scheduler
