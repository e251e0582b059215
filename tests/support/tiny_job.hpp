#pragma once

#include "actors/config/job_config.hpp"
#include "actors/data_protocol.hpp"
#include "actors/stage_protocol.hpp"
#include "tests/support/temporary_folder.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe::test {

/// A job that trains in milliseconds: steps of four micro-batches of two samples, bytes as tokens.
[[nodiscard]] inline actors::JobConfig tiny_job(std::uint32_t stages, std::uint32_t replicas) {
  actors::JobConfig job;
  job.model = {.layers = 3, .heads = 2, .width = 8, .context = 8, .vocabulary = 256, .dropout = 0.1};
  job.train.steps = 6;
  job.train.global_batch = 8;
  job.train.micro_batch = 2;
  job.train.lr = 1e-2;
  job.layout.stages = stages;
  job.layout.replicas = replicas;
  return job;
}

/// All begin at `step`, with the initial weights.
[[nodiscard]] inline actors::LoadState load_order(std::uint32_t epoch, std::uint32_t step) {
  actors::LoadState order;
  order.epoch = epoch;
  order.since = epoch;
  order.step = step;
  return order;
}

/// Writes a text that `job` can train on.
inline void write_text(const TemporaryFolder& folder, actors::JobConfig& job) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "word " + std::to_string(i * i) + " ";
  job.data.path = folder.write("text.txt", text);
  job.data.validation_fraction = 0.2;
}

/// Which micro-batch, of which epoch.
struct Which {
  std::uint32_t epoch = 1;
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  actors::Purpose purpose = actors::Purpose::train;

  /// Another number for every step, micro-batch and purpose, and the same in every epoch.
  [[nodiscard]] std::uint64_t seed() const {
    return 1000 * step + 10 * micro_batch + (purpose == actors::Purpose::train ? 1 : 2);
  }
};

template <class Number>
[[nodiscard]] actors::TensorBytes bytes_of(std::vector<std::int64_t> shape, const std::vector<Number>& numbers) {
  const auto type =
      std::is_same_v<Number, float> ? actors::TensorBytes::Type::float32 : actors::TensorBytes::Type::int64;
  return {type, std::move(shape), runtime::Payload::copy_of(std::as_bytes(std::span(numbers)))};
}

/// `count` numbers from 0 to 255 that look random and are the same everywhere.
[[nodiscard]] inline std::vector<std::int64_t> scattered(std::uint64_t seed, std::int64_t count) {
  std::vector<std::int64_t> numbers;
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    numbers.push_back(static_cast<std::int64_t>(state >> 56));
  }
  return numbers;
}

/// Tokens or targets of a micro-batch (B, T).
[[nodiscard]] inline actors::TensorBytes tokens_of(const actors::JobConfig& job, std::uint64_t seed) {
  const std::int64_t rows = job.train.micro_batch;
  return bytes_of({rows, job.model.context}, scattered(seed, rows * job.model.context));
}

/// Activations, or their gradient (B, T, C).
[[nodiscard]] inline actors::TensorBytes activations_of(const actors::JobConfig& job, std::uint64_t seed) {
  const std::int64_t rows = job.train.micro_batch;
  std::vector<float> values;
  for (const std::int64_t number : scattered(seed, rows * job.model.context * job.model.width)) {
    values.push_back(static_cast<float>(number - 128) / 128.0F);
  }
  return bytes_of({rows, job.model.context, job.model.width}, values);
}

[[nodiscard]] inline actors::BatchInputs inputs_of(const actors::JobConfig& job, const Which& which) {
  return {which.epoch, which.step, which.micro_batch, which.purpose, tokens_of(job, which.seed())};
}

[[nodiscard]] inline actors::BatchTargets targets_of(const actors::JobConfig& job, const Which& which) {
  actors::BatchTargets targets{which.epoch, which.step, which.micro_batch, which.purpose, {}, 0, {}};
  for (std::uint32_t row = 0; row < job.train.micro_batch; ++row) targets.samples.push_back(10 * which.seed() + row);
  targets.valid_tokens = static_cast<std::int64_t>(job.train.global_batch) * job.model.context;
  targets.targets = tokens_of(job, which.seed() + 500000);
  return targets;
}

[[nodiscard]] inline bool is_same(const actors::TensorBytes& a, const actors::TensorBytes& b) {
  return a.type == b.type && a.shape == b.shape && std::ranges::equal(a.data.bytes(), b.data.bytes());
}

[[nodiscard]] inline std::string text_of(const runtime::Payload& payload) {
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

}  // namespace troupe::test
