#pragma once

#include "gpt2/layers/torch.hpp"

namespace troupe::gpt2 {

/// GELU in GPT-2's tanh form, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (openai/gpt-2 src/model.py), computed as
/// x / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3))), which is the same function with one exponential.
/// GE-1  Value and gradient within 1e-6 absolute of at::gelu(x, "tanh") for |x| <= 10.
at::Tensor gelu_forward(const at::Tensor& x);

/// Overwrites `gradient` (the output's) with the input's; both contiguous and of x's shape.
void gelu_backward_in_place(const at::Tensor& gradient, const at::Tensor& x);

}  // namespace troupe::gpt2
