#pragma once

#include <stdexcept>

namespace troupe::gpt2 {

/// The data that somebody named does not do, or cannot be cut as asked: they are to name other data or other numbers.
/// (A machine that fails is a StorageError or another std::runtime_error.)
class DataError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

}  // namespace troupe::gpt2
