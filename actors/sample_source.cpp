#include "actors/sample_source.hpp"

#include <algorithm>

namespace troupe::actors {
namespace {

std::unique_ptr<const gpt2::Dataset> open_data(const JobConfig& job) {
  gpt2::DatasetSpec spec;
  spec.path = job.data.path;
  spec.format = job.data.format == SampleFormat::lines ? gpt2::DataFormat::lines : gpt2::DataFormat::stream;
  spec.context = job.model.context;
  spec.validation_fraction = job.data.validation_fraction;
  const std::unique_ptr<gpt2::Tokenizer> tokenizer = gpt2::make_tokenizer(job.data.tokenizer);
  return std::make_unique<const gpt2::Dataset>(spec, *tokenizer);
}

}  // namespace

SampleSource::SampleSource(const JobConfig& job)
    : job_(job), data_(open_data(job)), order_(data_->samples(gpt2::Split::training), job.data.seed) {}

std::uint64_t SampleSource::training_samples() const {
  return data_->samples(gpt2::Split::training);
}

std::uint64_t SampleSource::validation_samples() const {
  return data_->samples(gpt2::Split::validation);
}

std::uint64_t SampleSource::first_position(std::uint32_t step) const {
  return static_cast<std::uint64_t>(step) * job_.train.global_batch;
}

std::vector<std::uint64_t> SampleSource::samples(std::uint32_t step, MicroBatches range) const {
  return order_.samples(first_position(step) + static_cast<std::uint64_t>(range.first) * job_.train.micro_batch,
                        static_cast<std::uint64_t>(range.count) * job_.train.micro_batch);
}

std::int64_t SampleSource::valid_tokens(std::uint32_t step, MicroBatches range) const {
  return data_->valid_tokens(gpt2::Split::training, samples(step, range));
}

SampleBatch SampleSource::training_batch(std::uint32_t step, std::uint32_t micro_batch) const {
  SampleBatch batch;
  batch.samples = samples(step, {micro_batch, 1});
  gpt2::Batch rows = data_->batch(gpt2::Split::training, batch.samples);
  batch.inputs = std::move(rows.inputs);
  batch.targets = std::move(rows.targets);
  return batch;
}

SampleBatch SampleSource::validation_batch(std::uint32_t batch_index, std::uint32_t batches) const {
  SampleBatch batch;
  batch.purpose = Purpose::evaluate;
  const std::uint64_t count = std::min<std::uint64_t>(job_.train.micro_batch, validation_samples());
  const std::uint64_t groups = validation_samples() / count;
  const std::uint64_t first = groups * batch_index / batches * count;
  for (std::uint64_t i = 0; i < count; ++i) batch.samples.push_back(first + i);
  gpt2::Batch rows = data_->batch(gpt2::Split::validation, batch.samples);
  batch.inputs = std::move(rows.inputs);
  batch.targets = std::move(rows.targets);
  batch.valid_tokens = rows.valid_tokens;
  return batch;
}

}  // namespace troupe::actors
