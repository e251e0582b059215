#include "gpt2/tied.hpp"

#include <stdexcept>
#include <string>

namespace troupe::gpt2 {
namespace {

at::Tensor segment_view(const at::Tensor& gradient, const Segment& segment) {
  return gradient.narrow(0, segment.offset, segment.size);
}

}  // namespace

at::Tensor tied_part(const ParameterTable& table, const at::Tensor& gradient) {
  const bool has_lookup = table.lookup.size > 0;
  const bool has_head = table.head.size > 0;
  if (has_lookup == has_head) return {};
  return segment_view(gradient, has_lookup ? table.lookup : table.head);
}

at::Tensor fold_tied(const ParameterTable& table, const at::Tensor& gradient, const at::Tensor& other_part) {
  if (gradient.numel() != table.gradient_size) {
    throw std::runtime_error("a flat gradient of this stage has " + std::to_string(table.gradient_size) +
                             " floats, not " + std::to_string(gradient.numel()));
  }
  if (table.lookup.size > 0 && table.head.size > 0) {
    segment_view(gradient, table.lookup).add_(segment_view(gradient, table.head));
  } else if (at::Tensor own = tied_part(table, gradient); own.defined()) {
    if (!other_part.defined() || other_part.numel() != own.numel()) {
      throw std::runtime_error("the gradient of the tied wte.weight needs the other end's part of " +
                               std::to_string(own.numel()) + " floats, not " +
                               std::to_string(other_part.defined() ? other_part.numel() : 0));
    }
    own.add_(other_part.view({-1}));
  }
  return gradient.narrow(0, 0, table.flat_size);
}

}  // namespace troupe::gpt2
