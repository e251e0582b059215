// Tokens/s of training on one device: a stage as the actors drive it (messages in host memory, hand-written passes, the
// gradient tree) against the same model in plain LibTorch operators. Prints both and their ratio comes from the same
// run.
#include "actors/device_check.hpp"
#include "actors/stage_model.hpp"
#include "bench/gpu/plain_gpt2.hpp"
#include "gpt2/numerics.hpp"

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace troupe {
namespace {

struct Setting {
  actors::JobConfig job;
  std::string device;
};

/// GPT-2 124M on a GPU. On the CPU a small model, to try the program out: those figures mean nothing.
Setting setting() {
  Setting setting;
  const bool has_gpu = actors::cuda_devices() > 0;
  setting.device = has_gpu ? "cuda:0" : "cpu";
  setting.job.model = gpt2::model_size(has_gpu ? "124M" : "tiny");
  setting.job.train.micro_batch = 4;
  setting.job.train.global_batch = 8;
  setting.job.layout.devices = {setting.device};
  return setting;
}

std::int64_t tokens_a_step(const actors::JobConfig& job) {
  return job.train.global_batch * job.model.context;
}

/// Random tokens (M, B, T).
at::Tensor random_tokens(const actors::JobConfig& job) {
  return at::randint(job.model.vocabulary,
                     {job.micro_batches(), static_cast<std::int64_t>(job.train.micro_batch), job.model.context},
                     at::TensorOptions(at::kLong));
}

void note(benchmark::State& state, const Setting& setting) {
  state.SetItemsProcessed(state.iterations() * tokens_a_step(setting.job));
  state.SetLabel(setting.device);
}

void train_stage(benchmark::State& state) {
  const Setting setting = troupe::setting();
  const actors::JobConfig& job = setting.job;
  actors::StageModel model(job, 0);
  model.load("");
  const at::Tensor tokens = random_tokens(job);
  const std::uint32_t count = job.micro_batches();
  std::uint32_t step = 0;
  for (auto _ : state) {
    model.begin_step({step++, 0, count, count});
    for (std::uint32_t i = 0; i < count; ++i) {
      actors::BatchTargets targets{0, step, i, actors::Purpose::train, {0, 1, 2, 3}, tokens_a_step(job), {}};
      targets.targets = actors::to_bytes(tokens[i]);
      benchmark::DoNotOptimize(model.forward_loss(i, {actors::to_bytes(tokens[i]), targets}).loss_sum);
      (void)model.backward(i, std::nullopt);
    }
    const actors::Contribution contribution = model.take_contribution(0);
    std::vector<at::Tensor> sums;
    for (const auto& sum : contribution.sums) sums.push_back(*sum);
    model.set_gradient(actors::sum_blocks(contribution.blocks, sums, count));
    model.fold_tied(std::nullopt);
    benchmark::DoNotOptimize(model.squares());  // the norm's parts, as sent to the trainer; also waits for the device
    model.apply(1e-4, 1.0);
  }
  note(state, setting);
}

void train_plain(benchmark::State& state) {
  const Setting setting = troupe::setting();
  bench::PlainGpt2 model(setting.job.model, c10::Device(setting.device));
  const at::Tensor tokens = random_tokens(setting.job);
  const double inverse = 1.0 / static_cast<double>(tokens_a_step(setting.job));
  for (auto _ : state) {
    for (std::int64_t i = 0; i < tokens.size(0); ++i) {
      benchmark::DoNotOptimize(model.forward_backward(tokens[i], tokens[i], inverse));
    }
    model.update(1e-4);
  }
  note(state, setting);
}

BENCHMARK(train_stage)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(train_plain)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) {
  troupe::gpt2::fix_numerics(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return EXIT_SUCCESS;
}
