#include "actors/config/job_config_keys.hpp"

#include "gpt2/model_bounds.hpp"

#include <utility>

namespace troupe::actors {
namespace {

using Kind = JobValueKind;
using Ends = JobRange::Ends;

constexpr double kMaxCount = 4294967295.0;  // what std::uint32_t holds
constexpr double kMaxSeed = 9.2e18;         // TOML integers are 64 bits with a sign

JobRange up_to(std::int64_t most) {
  return {1, static_cast<double>(most), Ends::closed};
}

JobRange count_from(double least) {
  return {least, kMaxCount, Ends::closed};
}

/// `path` is a function JobConfig& -> Field&, for const jobs too.
template <class Path>
JobKey number(std::string section, std::string name, JobRange range, std::string meaning, Path path) {
  using Field = std::remove_cvref_t<decltype(path(std::declval<JobConfig&>()))>;
  JobKey key{std::move(section), std::move(name), Kind::integer, range, {}, std::move(meaning), {}, {}};
  if constexpr (std::is_floating_point_v<Field>) {
    key.kind = Kind::real;
    key.get = [path](const JobConfig& job) { return JobValue(path(job)); };
    key.set = [path](JobConfig& job, const JobValue& value) { path(job) = std::get<double>(value); };
  } else {
    key.get = [path](const JobConfig& job) { return JobValue(static_cast<std::int64_t>(path(job))); };
    key.set = [path](JobConfig& job, const JobValue& value) {
      path(job) = static_cast<Field>(std::get<std::int64_t>(value));
    };
  }
  return key;
}

template <class Enum>
using Spelling = std::vector<std::pair<std::string, Enum>>;

template <class Enum, class Path>
JobKey word(std::string section, std::string name, Spelling<Enum> spelling, std::string meaning, Path path) {
  JobKey key{std::move(section), std::move(name), Kind::word, {}, {}, std::move(meaning), {}, {}};
  for (const auto& [text, value] : spelling) key.words.push_back(text);
  key.get = [path, spelling](const JobConfig& job) {
    for (const auto& [text, value] : spelling) {
      if (value == path(job)) return JobValue(text);
    }
    throw std::logic_error("an enum value of the job has no spelling");
  };
  key.set = [path, spelling](JobConfig& job, const JobValue& chosen) {
    for (const auto& [text, value] : spelling) {
      if (text == std::get<std::string>(chosen)) path(job) = value;
    }
  };
  return key;
}

std::vector<JobKey> model_keys() {
  std::vector<JobKey> keys;
  keys.push_back(number(
      "model", "layers", up_to(gpt2::kMostLayers), "transformer blocks",
      [](auto& job) -> auto& { return job.model.layers; }));
  keys.push_back(number(
      "model", "heads", up_to(gpt2::kMostHeads), "attention heads; must divide `width`",
      [](auto& job) -> auto& { return job.model.heads; }));
  keys.push_back(number(
      "model", "width", up_to(gpt2::kMostWidth), "size of a token's vector",
      [](auto& job) -> auto& { return job.model.width; }));
  keys.push_back(number(
      "model", "context", up_to(gpt2::kMostContext), "tokens of a sample",
      [](auto& job) -> auto& { return job.model.context; }));
  keys.push_back(number(
      "model", "dropout", {0, 1, Ends::below_most}, "share of values dropped in training",
      [](auto& job) -> auto& { return job.model.dropout; }));
  keys.push_back(word<gpt2::Positions>(
      "model", "positions", {{"learned", gpt2::Positions::learned}, {"sinusoidal", gpt2::Positions::sinusoidal}},
      "position vectors: trained, or fixed sines", [](auto& job) -> auto& { return job.model.positions; }));
  JobKey tied{"model", "tied", Kind::boolean, {}, {}, "the head shares the token embedding's weights", {}, {}};
  tied.get = [](const JobConfig& job) { return JobValue(job.model.head == gpt2::HeadWeights::tied); };
  tied.set = [](JobConfig& job, const JobValue& value) {
    job.model.head = std::get<bool>(value) ? gpt2::HeadWeights::tied : gpt2::HeadWeights::untied;
  };
  keys.push_back(std::move(tied));
  return keys;
}

std::vector<JobKey> data_keys() {
  std::vector<JobKey> keys;
  JobKey path{"data", "path", Kind::text, {}, {}, "", {}, {}};
  path.meaning =
      "text file to train on; a relative path counts from the working directory, and the run folder records it "
      "absolute (not with `troupe head`: each node counts it from its own)";
  path.get = [](const JobConfig& job) { return JobValue(job.data.path.string()); };
  path.set = [](JobConfig& job, const JobValue& value) { job.data.path = std::get<std::string>(value); };
  keys.push_back(std::move(path));
  keys.push_back(word<SampleFormat>(
      "data", "format", {{"stream", SampleFormat::stream}, {"lines", SampleFormat::lines}},
      "`stream`: windows of one long text; `lines`: one sample a line, padded",
      [](auto& job) -> auto& { return job.data.format; }));
  keys.push_back(word<std::string>(
      "data", "tokenizer", {{"bytes", "bytes"}, {"gpt2", "gpt2"}},
      "`bytes`: 256 tokens; `gpt2`: 50,257 tokens of byte-pair encoding",
      [](auto& job) -> auto& { return job.data.tokenizer; }));
  keys.push_back(number(
      "data", "validation_fraction", {0, 1, Ends::below_most}, "share of the samples kept for validation",
      [](auto& job) -> auto& { return job.data.validation_fraction; }));
  keys.push_back(number(
      "data", "seed", {0, kMaxSeed, Ends::closed}, "of the order of the samples",
      [](auto& job) -> auto& { return job.data.seed; }));
  return keys;
}

std::vector<JobKey> train_keys() {
  std::vector<JobKey> keys;
  const auto add = [&keys](std::string name, JobRange range, std::string meaning, auto path) {
    keys.push_back(number("train", std::move(name), range, std::move(meaning), path));
  };
  const JobRange positive{0, std::numeric_limits<double>::infinity(), Ends::above_least};
  const JobRange below_one{0, 1, Ends::below_most};
  add(
      "steps", count_from(0), "optimizer steps of the job; 0 = count by `epochs`",
      [](auto& job) -> auto& { return job.train.steps; });
  add(
      "epochs", count_from(0), "passes over the data; 0 = count by `steps`",
      [](auto& job) -> auto& { return job.train.epochs; });
  add(
      "global_batch", count_from(1), "samples a step, over all replicas",
      [](auto& job) -> auto& { return job.train.global_batch; });
  add(
      "micro_batch", count_from(1), "samples a micro-batch; `micro_batch` x replicas must divide `global_batch`",
      [](auto& job) -> auto& { return job.train.micro_batch; });
  add(
      "lr", positive, "highest learning rate", [](auto& job) -> auto& { return job.train.lr; });
  keys.push_back(word<RateSchedule>(
      "train", "schedule",
      {{"constant", RateSchedule::constant}, {"linear", RateSchedule::linear}, {"cosine", RateSchedule::cosine}},
      "how the learning rate falls after the warm-up", [](auto& job) -> auto& { return job.train.schedule; }));
  add(
      "warmup_steps", count_from(0), "steps in which the learning rate rises to `lr`",
      [](auto& job) -> auto& { return job.train.warmup_steps; });
  add(
      "min_lr", {}, "learning rate at the end; at most `lr`", [](auto& job) -> auto& { return job.train.min_lr; });
  add(
      "weight_decay", {}, "AdamW's decay, of matrices only", [](auto& job) -> auto& { return job.train.weight_decay; });
  add(
      "beta1", below_one, "AdamW's decay of the mean", [](auto& job) -> auto& { return job.train.beta1; });
  add(
      "beta2", below_one, "AdamW's decay of the squares", [](auto& job) -> auto& { return job.train.beta2; });
  add(
      "clip", {}, "largest norm of the gradient; 0 = not clipped", [](auto& job) -> auto& { return job.train.clip; });
  add(
      "seed", {0, kMaxSeed, Ends::closed}, "of weights and dropout", [](auto& job) -> auto& { return job.train.seed; });
  add(
      "eval_every", count_from(0), "steps between validations; 0 = at the end of each epoch only",
      [](auto& job) -> auto& { return job.train.eval_every; });
  add(
      "checkpoint_every", count_from(0), "steps between checkpoints; 0 = at the end only",
      [](auto& job) -> auto& { return job.train.checkpoint_every; });
  return keys;
}

std::vector<JobKey> layout_keys() {
  std::vector<JobKey> keys;
  keys.push_back(number(
      "layout", "stages", count_from(1), "pipeline stages; at most `model.layers`",
      [](auto& job) -> auto& { return job.layout.stages; }));
  keys.push_back(number(
      "layout", "replicas", count_from(1), "copies of the pipeline, each with its share of the batch",
      [](auto& job) -> auto& { return job.layout.replicas; }));
  keys.push_back(word<PipelineSchedule>(
      "layout", "schedule", {{"gpipe", PipelineSchedule::gpipe}, {"1f1b", PipelineSchedule::one_f_one_b}},
      "order of forwards and backwards in a stage", [](auto& job) -> auto& { return job.layout.schedule; }));
  keys.push_back(word<Exchange>(
      "layout", "exchange",
      {{"allreduce", Exchange::allreduce}, {"ps_sync", Exchange::ps_sync}, {"ps_async", Exchange::ps_async}},
      "how replicas agree on weights: all-reduce, or a parameter server in step or out of step",
      [](auto& job) -> auto& { return job.layout.exchange; }));
  keys.push_back(number(
      "layout", "threads_per_stage", {1, 1024, Ends::closed}, "threads that compute in one stage",
      [](auto& job) -> auto& { return job.layout.threads_per_stage; }));
  JobKey devices{"layout", "devices", Kind::devices, {}, {}, "", {}, {}};
  devices.meaning = "where stages run; a list is dealt to stages and replicas in turn";
  devices.get = [](const JobConfig& job) {
    if (job.layout.devices.size() == 1) return JobValue(job.layout.devices.front());
    return JobValue(job.layout.devices);
  };
  devices.set = [](JobConfig& job, const JobValue& value) {
    job.layout.devices = std::get<std::vector<std::string>>(value);
  };
  keys.push_back(std::move(devices));
  keys.push_back(number(
      "layout", "memory_per_device_gb", {}, "refuse a layout that needs more on one device; 0 = not checked",
      [](auto& job) -> auto& { return job.layout.memory_per_device_gb; }));
  keys.push_back(word<Recovery>(
      "layout", "recovery", {{"replay", Recovery::replay}, {"checkpoint", Recovery::checkpoint}},
      "after a death: the restarted stage does its last step again, or all go back to the newest checkpoint (always so "
      "with a parameter server)",
      [](auto& job) -> auto& { return job.layout.recovery; }));
  return keys;
}

}  // namespace

std::vector<JobKey> job_keys() {
  std::vector<JobKey> all;
  for (auto part : {model_keys, data_keys, train_keys, layout_keys}) {
    for (JobKey& key : part()) all.push_back(std::move(key));
  }
  return all;
}

}  // namespace troupe::actors
