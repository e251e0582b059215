#include "gpt2/sampler.hpp"

#include "gpt2/layers/philox.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace troupe::gpt2 {
namespace {

void check(const Stage& model, const std::vector<std::int64_t>& prompt, const SamplerOptions& options) {
  if (prompt.empty()) throw std::runtime_error("the prompt has no token: give at least one");
  for (const std::int64_t token : prompt) {
    if (token >= 0 && token < model.config().vocabulary) continue;
    throw std::runtime_error("prompt token " + std::to_string(token) + " is outside the vocabulary of " +
                             std::to_string(model.config().vocabulary));
  }
  if (!(options.temperature >= 0.0) || options.top_k < 0 || options.count < 0) {
    throw std::runtime_error("temperature, top_k and count of the sampler must not be negative");
  }
}

/// logits (V) of one place.
std::int64_t choose(const at::Tensor& logits, const SamplerOptions& options, std::uint64_t place) {
  if (options.temperature == 0.0) return logits.argmax().item<std::int64_t>();
  const std::int64_t kept = options.top_k == 0 ? logits.numel() : std::min(options.top_k, logits.numel());
  const auto [values, tokens] = at::topk(logits, kept);                                    // (k), descending
  const at::Tensor shares = at::softmax(values.to(at::kDouble) / options.temperature, 0);  // (k)
  const PhiloxCounter words = philox({static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place >> 32), 0, 0},
                                     philox_key(mix_bits(options.seed)));
  const double target = open_uniform(words[0]);
  const double* share = shares.const_data_ptr<double>();
  double reached = 0.0;
  std::int64_t index = 0;
  while (index + 1 < kept && (reached += share[index]) < target) ++index;
  return tokens[index].item<std::int64_t>();
}

}  // namespace

std::vector<std::int64_t> generate(const Stage& model, const std::vector<std::int64_t>& prompt,
                                   const SamplerOptions& options) {
  check(model, prompt, options);
  std::vector<std::int64_t> tokens = prompt;
  for (std::int64_t made = 0; made < options.count; ++made) {
    const std::int64_t length =
        std::min<std::int64_t>(static_cast<std::int64_t>(tokens.size()), model.config().context);
    const at::Tensor window =
        at::from_blob(tokens.data() + tokens.size() - length, {1, length}, at::TensorOptions(at::kLong)).clone();
    const at::Tensor logits = model.logits(window)[0][length - 1].cpu();  // (V)
    tokens.push_back(choose(logits, options, static_cast<std::uint64_t>(made)));
  }
  return {tokens.begin() + static_cast<std::ptrdiff_t>(prompt.size()), tokens.end()};
}

}  // namespace troupe::gpt2
