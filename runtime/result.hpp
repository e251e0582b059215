#pragma once

#include "runtime/failure.hpp"

#include <stdexcept>
#include <utility>
#include <variant>

namespace troupe::runtime {

/// Nothing, as a value: Result<Done> is "it worked, or here is why not".
struct Done {};

/// A value or a Failure; the shape of std::expected, which this compiler's library does not have yet.
///
/// Thread-safety: as safe as T.
/// Ownership:     owns the value or the failure.
/// Errors:        value() on a failure throws std::runtime_error with the failure's text.
/// Restart:       a plain value.
template <class T>
class [[nodiscard]] Result {
public:
  /// It worked.
  Result(T value) : content_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  /// It did not.
  Result(Failure failure) : content_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  /// True when there is a value.
  explicit operator bool() const { return content_.index() == 0; }

  /// The value; throws std::runtime_error with describe() of the failure when there is none.
  const T& value() const& {
    require_value();
    return std::get<0>(content_);
  }
  /// The same of a temporary, by value, so that `for (x : f().value())` does not look into what has gone.
  T value() && {
    require_value();
    return std::get<0>(std::move(content_));
  }
  /// value().
  const T& operator*() const& { return value(); }
  /// Of value().
  const T* operator->() const { return &value(); }
  /// Why there is no value; throws std::bad_variant_access when there is one.
  const Failure& failure() const { return std::get<1>(content_); }

private:
  void require_value() const {
    if (content_.index() != 0) throw std::runtime_error(std::get<1>(content_).describe());
  }

  std::variant<T, Failure> content_;
};

}  // namespace troupe::runtime
