#include "gpt2/layers/block.hpp"

#include "gpt2/layers/gelu.hpp"

#include <string>

namespace troupe::gpt2 {
namespace {

constexpr double kNormEpsilon = 1e-5;

LinearWeights linear_views(const ParameterTable& table, const at::Tensor& flat, const std::string& prefix) {
  return {parameter_view(flat, table.find(prefix + ".weight")), parameter_view(flat, table.find(prefix + ".bias"))};
}

at::Tensor linear_forward(const at::Tensor& x, const LinearWeights& weights) {
  return at::addmm(weights.bias, x, weights.weight);  // (N, in) x (in, out) -> (N, out)
}

/// residual + linear(x), summed inside the matrix product when nothing is dropped in between.
at::Tensor linear_into_residual(const at::Tensor& residual, const at::Tensor& x, const LinearWeights& weights,
                                const at::Tensor& mask) {
  if (mask.defined()) return at::addcmul(residual, linear_forward(x, weights), mask);  // (N, C)
  return at::add(residual, weights.bias).addmm_(x, weights.weight);                    // (N, C)
}

at::Tensor linear_backward(const at::Tensor& output_gradient, const at::Tensor& x, const LinearWeights& weights,
                           const LinearWeights& gradients) {
  at::Tensor weight_gradient = gradients.weight;
  at::Tensor bias_gradient = gradients.bias;
  at::mm_out(weight_gradient, x.t(), output_gradient);                     // (in, N) x (N, out) -> (in, out)
  at::sum_out(bias_gradient, output_gradient, at::IntArrayRef{0}, false);  // (out)
  return at::mm(output_gradient, weights.weight.t());                      // (N, out) x (out, in) -> (N, in)
}

at::Tensor masked(const at::Tensor& gradient, const at::Tensor& mask) {
  return mask.defined() ? gradient * mask : gradient;
}

}  // namespace

at::Tensor parameter_view(const at::Tensor& flat, const ParameterInfo& info) {
  return flat.narrow(0, info.offset, info.size).view(info.shape);
}

NormWeights norm_views(const ParameterTable& table, const at::Tensor& flat, const std::string& prefix) {
  return {parameter_view(flat, table.find(prefix + ".weight")), parameter_view(flat, table.find(prefix + ".bias"))};
}

BlockWeights block_views(const ParameterTable& table, const at::Tensor& flat, std::int64_t layer) {
  return {norm_views(table, flat, layer_parameter(layer, "ln_1")),
          linear_views(table, flat, layer_parameter(layer, "attn.c_attn")),
          linear_views(table, flat, layer_parameter(layer, "attn.c_proj")),
          norm_views(table, flat, layer_parameter(layer, "ln_2")),
          linear_views(table, flat, layer_parameter(layer, "mlp.c_fc")),
          linear_views(table, flat, layer_parameter(layer, "mlp.c_proj"))};
}

NormForward norm_forward(const at::Tensor& x, const NormWeights& weights) {
  auto [output, mean, inverse] =
      at::native_layer_norm(x, {x.size(1)}, weights.weight, weights.bias, kNormEpsilon);  // (N, C), (N, 1), (N, 1)
  return {output, x, mean, inverse};
}

at::Tensor norm_backward(const at::Tensor& output_gradient, const NormForward& kept, const NormWeights& weights,
                         const NormWeights& gradients) {
  const auto [input, weight, bias] =
      at::native_layer_norm_backward(output_gradient, kept.input, {kept.input.size(1)}, kept.mean, kept.inverse,
                                     weights.weight, weights.bias, {true, true, true});  // (N, C), (C), (C)
  gradients.weight.copy_(weight);
  gradients.bias.copy_(bias);
  return input;
}

BlockForward block_forward(const at::Tensor& x, const BlockWeights& weights, const AttentionShape& shape,
                           const BlockMasks& masks) {
  BlockKept kept;
  kept.masks = masks;
  kept.ln_1 = norm_forward(x, weights.ln_1);                                    // (N, C)
  const at::Tensor qkv = linear_forward(kept.ln_1.output, weights.qkv);         // (N, 3C)
  AttentionForward attention = attention_forward(qkv, shape, masks.attention);  // (N, C)
  kept.attention = attention.kept;
  kept.attended = attention.output;
  const at::Tensor middle =
      linear_into_residual(x, kept.attended, weights.projection, masks.attention_residual);                   // (N, C)
  kept.ln_2 = norm_forward(middle, weights.ln_2);                                                             // (N, C)
  kept.expanded = linear_forward(kept.ln_2.output, weights.expansion);                                        // (N, 4C)
  kept.activated = gelu_forward(kept.expanded);                                                               // (N, 4C)
  at::Tensor output = linear_into_residual(middle, kept.activated, weights.contraction, masks.mlp_residual);  // (N, C)
  return {output, kept};
}

at::Tensor block_backward(const at::Tensor& output_gradient, const BlockKept& kept, const BlockWeights& weights,
                          const BlockWeights& gradients, const AttentionShape& shape) {
  const at::Tensor wide = linear_backward(masked(output_gradient, kept.masks.mlp_residual), kept.activated,
                                          weights.contraction, gradients.contraction);                  // (N, 4C)
  gelu_backward_in_place(wide, kept.expanded);                                                          // (N, 4C)
  at::Tensor narrow = linear_backward(wide, kept.ln_2.output, weights.expansion, gradients.expansion);  // (N, C)
  at::Tensor middle = norm_backward(narrow, kept.ln_2, weights.ln_2, gradients.ln_2);                   // (N, C)
  middle.add_(output_gradient);                                                                         // (N, C)
  const at::Tensor attended = linear_backward(masked(middle, kept.masks.attention_residual), kept.attended,
                                              weights.projection, gradients.projection);  // (N, C)
  const at::Tensor qkv = attention_backward(attended, kept.attention, shape);             // (N, 3C)
  narrow = linear_backward(qkv, kept.ln_1.output, weights.qkv, gradients.qkv);            // (N, C)
  at::Tensor input = norm_backward(narrow, kept.ln_1, weights.ln_1, gradients.ln_1);      // (N, C)
  return input.add_(middle);                                                              // (N, C)
}

}  // namespace troupe::gpt2
