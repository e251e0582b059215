#pragma once

namespace at {
class Tensor;
}
namespace c10 {
struct Device;
}

/// Copies between host and GPU by way of page-locked memory, which the GPU reads and writes at full speed and without a
/// second copy by the driver. Device-generic: the same source serves builds without CUDA.
namespace troupe::actors {

/// `host` itself when `device` is the CPU. The copy runs in the device's current stream: work queued there sees it.
[[nodiscard]] at::Tensor to_device(const at::Tensor& host, c10::Device device);

/// `tensor` itself when it is on the CPU; otherwise a page-locked copy, complete when the call returns. A message may
/// carry it without another copy.
[[nodiscard]] at::Tensor to_host(const at::Tensor& tensor);

}  // namespace troupe::actors
