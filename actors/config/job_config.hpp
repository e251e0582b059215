#pragma once

#include "gpt2/config.hpp"

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors {

enum class SampleFormat { stream, lines };
enum class PipelineSchedule { gpipe, one_f_one_b };
enum class Exchange { allreduce, ps_sync, ps_async };
enum class Recovery { replay, checkpoint };
enum class RateSchedule { constant, linear, cosine };

/// [data]
struct DataConfig {
  std::filesystem::path path;  ///< text file; made absolute when a run begins
  SampleFormat format = SampleFormat::stream;
  std::string tokenizer = "bytes";  ///< "bytes" or "gpt2"
  double validation_fraction = 0.05;
  std::uint64_t seed = 1;
};

/// [train]. Exactly one of steps and epochs is set; the other is 0.
struct TrainConfig {
  std::uint32_t steps = 0;
  std::uint32_t epochs = 0;
  std::uint32_t global_batch = 64;  ///< samples a step, over all replicas
  std::uint32_t micro_batch = 16;   ///< samples a micro-batch
  double lr = 3e-3;
  RateSchedule schedule = RateSchedule::cosine;
  std::uint32_t warmup_steps = 0;
  double min_lr = 0.0;
  double weight_decay = 0.1;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double clip = 1.0;
  std::uint64_t seed = 1;
  std::uint32_t eval_every = 0;        ///< steps; 0 = at the end of each epoch only (and at the end)
  std::uint32_t checkpoint_every = 0;  ///< steps; 0 = at the end only
};

/// [layout]
struct LayoutConfig {
  std::uint32_t stages = 1;
  std::uint32_t replicas = 1;
  PipelineSchedule schedule = PipelineSchedule::one_f_one_b;
  Exchange exchange = Exchange::allreduce;
  std::uint32_t threads_per_stage = 1;
  std::vector<std::string> devices = {"cpu"};  ///< "auto" is kept as the single entry "auto"
  double memory_per_device_gb = 0.0;           ///< 0 = not checked
  Recovery recovery = Recovery::replay;
};

/// A training job as data. Keys and defaults: docs/configuration.md.
///
/// Thread-safety: a plain value.
/// Ownership:     owns everything.
/// Errors:        parse_job_config() says which key, which value, and what to write instead.
/// Restart:       every process of a job reads the same resolved text.
///
/// JC-1  render_job_config() then parse_job_config() gives the same job.
/// JC-2  An unknown section or key is an error that names the nearest known one.
/// JC-3  A value of the wrong type or out of range is an error that names key, value and what is allowed.
struct JobConfig {
  gpt2::ModelConfig model;  ///< vocabulary follows from data.tokenizer: 256 or 50257
  DataConfig data;
  TrainConfig train;
  LayoutConfig layout;

  /// Micro-batches of a whole step, over all replicas.
  [[nodiscard]] std::uint32_t micro_batches() const { return train.global_batch / train.micro_batch; }
  [[nodiscard]] std::uint32_t micro_batches_per_replica() const { return micro_batches() / layout.replicas; }
  /// Whether a restarted stage goes on from its node's memory, and only a parameter server's job goes back to a
  /// checkpoint.
  [[nodiscard]] bool replays() const {
    return layout.recovery == Recovery::replay && layout.exchange == Exchange::allreduce;
  }
  /// Steps of the optimizer: with ps_async every replica's gradient is an update of its own.
  [[nodiscard]] std::uint32_t updates_per_step() const {
    return layout.exchange == Exchange::ps_async ? layout.replicas : 1;
  }
};

/// Thrown for a job that cannot be run as written: exit code 2.
///
/// Thread-safety: a plain value.
/// Ownership:     owns its text.
/// Errors:        none.
/// Restart:       ends the command line before anything was started.
class ConfigError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Reads a TOML text and then `overrides` of the form "section.key=value" (bare strings allowed). Throws ConfigError.
[[nodiscard]] JobConfig parse_job_config(std::string_view toml, const std::vector<std::string>& overrides,
                                         std::string_view origin);
/// Reads `path`; a missing or unreadable file is a ConfigError.
[[nodiscard]] JobConfig load_job_config(const std::filesystem::path& path, const std::vector<std::string>& overrides);
/// The resolved job as TOML, every key present.
[[nodiscard]] std::string render_job_config(const JobConfig& job);
/// The model part as JSON text, as checkpoints record it (gpt2::settings_difference() compares it).
[[nodiscard]] std::string model_json(const JobConfig& job);
/// What decides which sample comes when and with which random numbers, by config key: a run goes on only with the same.
[[nodiscard]] std::string order_json(const JobConfig& job, std::uint64_t training_samples);

}  // namespace troupe::actors
