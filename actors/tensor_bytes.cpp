#include "actors/tensor_bytes.hpp"

#include "actors/device_copy.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>

namespace troupe::actors {
namespace {

constexpr std::size_t kMostOfEmpty = std::size_t{1} << 31;

at::ScalarType scalar_type(TensorBytes::Type type) {
  switch (type) {
    case TensorBytes::Type::float32:
      return at::kFloat;
    case TensorBytes::Type::int64:
      return at::kLong;
    case TensorBytes::Type::none:
      break;
  }
  throw std::runtime_error("tensor message with unknown element type " + std::to_string(static_cast<int>(type)));
}

}  // namespace

TensorBytes to_bytes(const at::Tensor& tensor) {
  const auto held = std::make_shared<at::Tensor>(to_host(tensor.contiguous()));
  TensorBytes bytes;
  if (held->scalar_type() == at::kFloat) {
    bytes.type = TensorBytes::Type::float32;
  } else if (held->scalar_type() == at::kLong) {
    bytes.type = TensorBytes::Type::int64;
  } else {
    throw std::runtime_error("tensors of this element type do not travel");
  }
  bytes.shape = held->sizes().vec();
  bytes.data = runtime::Payload(held, {static_cast<const std::byte*>(held->const_data_ptr()), held->nbytes()});
  return bytes;
}

at::Tensor to_tensor(const TensorBytes& bytes) {
  const at::ScalarType type = scalar_type(bytes.type);
  const std::size_t element = c10::elementSize(type);
  // A tensor without elements takes no bytes whatever its other sizes, which must not overflow either.
  const bool is_empty = std::find(bytes.shape.begin(), bytes.shape.end(), 0) != bytes.shape.end();
  const std::size_t available = is_empty ? kMostOfEmpty : bytes.data.size() / element;
  std::size_t elements = 1;
  for (const std::int64_t size : bytes.shape) {
    // Compared before multiplied: a hostile shape must not overflow into a plausible size.
    if (size < 0 || (size > 0 && elements > available / static_cast<std::size_t>(size))) {
      throw std::runtime_error("tensor message with a shape larger than its " + std::to_string(bytes.data.size()) +
                               " bytes");
    }
    if (size > 0) elements *= static_cast<std::size_t>(size);
  }
  if (is_empty) elements = 0;
  if (elements * element != bytes.data.size()) {
    throw std::runtime_error("tensor message with " + std::to_string(bytes.data.size()) + " bytes for " +
                             std::to_string(elements) + " elements");
  }
  const runtime::Payload data = bytes.data;
  return at::from_blob(
      const_cast<std::byte*>(data.data()), bytes.shape, [data](void*) {}, at::TensorOptions(type));
}

}  // namespace troupe::actors
