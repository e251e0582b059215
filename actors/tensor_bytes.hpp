#pragma once

#include "runtime/message/span_archive.hpp"

#include <cstdint>
#include <vector>

namespace at {
class Tensor;
}

namespace troupe::actors {

/// A tensor on its way: element type, shape, and its bytes beside the message's body.
///
/// Thread-safety: a plain value over immutable bytes.
/// Ownership:     shares the bytes (of the sender's tensor, or of a received block).
/// Errors:        to_tensor() throws std::runtime_error when type, shape and size do not fit together.
/// Restart:       gone with the message.
///
/// TB-1  to_tensor(to_bytes(t)) equals t bit for bit.
/// TB-2  Bytes that do not fit type and shape are refused.
struct TensorBytes {
  enum class Type : std::uint8_t { none = 0, float32 = 1, int64 = 2 };
  Type type = Type::none;
  std::vector<std::int64_t> shape;
  runtime::Payload data;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(type, shape, data);
  }
};

/// Shares the memory of a contiguous CPU tensor; copies any other one.
[[nodiscard]] TensorBytes to_bytes(const at::Tensor& tensor);
/// A CPU tensor over the bytes, without a copy; the bytes live as long as the tensor.
[[nodiscard]] at::Tensor to_tensor(const TensorBytes& bytes);

}  // namespace troupe::actors
