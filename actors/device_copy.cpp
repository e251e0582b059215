#include "actors/device_copy.hpp"

#include <ATen/ATen.h>

namespace troupe::actors {
namespace {

at::Tensor page_locked_like(const at::Tensor& tensor) {
  return at::empty(tensor.sizes(), at::TensorOptions(tensor.scalar_type()).pinned_memory(true));
}

}  // namespace

at::Tensor to_device(const at::Tensor& host, c10::Device device) {
  if (device.is_cpu()) return host;
  at::Tensor staging = page_locked_like(host);
  staging.copy_(host);
  // The allocator of page-locked memory keeps `staging` until the stream has passed this copy.
  return staging.to(device, /*non_blocking=*/true);
}

at::Tensor to_host(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  at::Tensor staging = page_locked_like(tensor);
  staging.copy_(tensor);  // blocking: the bytes travel at once
  return staging;
}

}  // namespace troupe::actors
