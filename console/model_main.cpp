#include "actors/job_plan.hpp"
#include "actors/sample_source.hpp"
#include "console/commands.hpp"
#include "console/run_folder.hpp"
#include "console/view/render.hpp"
#include "gpt2/data/dataset.hpp"
#include "gpt2/data/tokenizer.hpp"
#include "gpt2/numerics.hpp"
#include "gpt2/sampler.hpp"
#include "gpt2/stage.hpp"
#include "gpt2/store/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <optional>
#include <thread>

/// generate, eval and digest: what is done with a checkpoint.
namespace troupe::console {
namespace {

constexpr std::int64_t kEvaluationRows = 16;  // samples at a time, where no job says otherwise

/// A checkpoint and, where it is known, the run it belongs to.
struct Chosen {
  std::filesystem::path checkpoint;
  std::optional<RunFolder> run;
};

/// The newest sound checkpoint of a run folder, or the checkpoint folder itself when that is sound.
Chosen choose_checkpoint(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) {
    throw CommandError(ExitCode::not_found, "no folder " + path.string() + ": name a run folder or a checkpoint");
  }
  const RunFolder as_run{path};
  if (std::filesystem::is_directory(as_run.checkpoints(), ignored)) {
    const gpt2::NewestCheckpoint newest = gpt2::find_newest_checkpoint(as_run.checkpoints());
    for (const std::string& rejection : newest.rejections) std::cerr << "passed over " << rejection << "\n";
    if (newest.folder.empty()) {
      const std::string what = newest.rejections.empty() ? "no checkpoint yet in " : "no sound checkpoint in ";
      throw CommandError(ExitCode::not_found, what + as_run.checkpoints().string());
    }
    return {newest.folder, as_run};
  }
  const std::string damage = gpt2::verify_checkpoint(path);
  if (!damage.empty()) throw CommandError(ExitCode::failed, path.string() + " cannot be used: " + damage);
  const RunFolder around{std::filesystem::absolute(path).lexically_normal().parent_path().parent_path()};
  if (std::filesystem::exists(around.config(), ignored)) return {path, around};
  return {path, std::nullopt};
}

/// The shape of the model as the checkpoint records it (actors::model_json() wrote it).
gpt2::ModelConfig read_model(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw std::runtime_error("the checkpoint's model is no JSON object: " + text);
  gpt2::ModelConfig model;
  const auto take = [&](const char* name, std::int64_t& field) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_number_integer()) {
      throw std::runtime_error(std::string("the checkpoint's model has no whole number \"") + name + "\": " + text);
    }
    field = found->get<std::int64_t>();
  };
  take("layers", model.layers);
  take("heads", model.heads);
  take("width", model.width);
  take("context", model.context);
  take("vocabulary", model.vocabulary);
  if (json.contains("positions") && json["positions"] == "sinusoidal") model.positions = gpt2::Positions::sinusoidal;
  if (json.contains("head") && json["head"] == "untied") model.head = gpt2::HeadWeights::untied;
  const std::string problem = gpt2::validate(model);
  if (!problem.empty()) throw std::runtime_error("the checkpoint's model cannot be built: " + problem);
  return model;
}

std::unique_ptr<gpt2::Tokenizer> tokenizer_of(const gpt2::ModelConfig& model) {
  const char* name = model.vocabulary == 256 ? "bytes" : "gpt2";
  auto tokenizer = gpt2::make_tokenizer(name);
  if (tokenizer->vocabulary() == model.vocabulary) return tokenizer;
  throw std::runtime_error("no tokenizer has the model's vocabulary of " + std::to_string(model.vocabulary));
}

gpt2::Stage load_whole_model(const gpt2::CheckpointReader& reader) {
  const gpt2::ModelConfig model = read_model(reader.head().model);
  gpt2::Stage stage(model, gpt2::plan_stages(model, 1).front(), reader.head().seed);
  for (const gpt2::ParameterInfo& each : stage.parameters().entries) {
    float* first = stage.weights().data_ptr<float>() + each.offset;
    reader.read(each.name, {first, static_cast<std::size_t>(each.size)});
  }
  return stage;
}

/// The machine's cores; a job's own count where results are to be the job's own.
void fix_numerics_for(const std::optional<actors::JobConfig>& job) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  gpt2::fix_numerics(static_cast<int>(job ? job->layout.threads_per_stage : cores));
}

gpt2::LossSums evaluate(const gpt2::Stage& model, std::vector<std::int64_t> inputs, std::vector<std::int64_t> targets) {
  const std::int64_t context = model.config().context;
  const std::int64_t rows = static_cast<std::int64_t>(inputs.size()) / context;
  return model.evaluate(at::from_blob(inputs.data(), {rows, context}, at::kLong),
                        at::from_blob(targets.data(), {rows, context}, at::kLong));
}

/// The same batches as validation in the run, so that the same number comes out.
gpt2::LossSums evaluate_held_out(const gpt2::Stage& model, const actors::JobConfig& job) {
  const actors::SampleSource source(job);
  const actors::JobPlan plan(job, source.training_samples(), source.validation_samples());
  gpt2::LossSums sums;
  for (std::uint32_t batch = 0; batch < plan.evaluation_batches(); ++batch) {
    const actors::SampleBatch samples = source.validation_batch(batch, plan.evaluation_batches());
    sums += evaluate(model, samples.inputs, samples.targets);
  }
  return sums;
}

gpt2::LossSums evaluate_file(const gpt2::Stage& model, const std::filesystem::path& file,
                             const std::optional<actors::JobConfig>& job) {
  const auto tokenizer = tokenizer_of(model.config());
  const bool is_lines = job && job->data.format == actors::SampleFormat::lines;
  const gpt2::DatasetSpec spec{file, is_lines ? gpt2::DataFormat::lines : gpt2::DataFormat::stream,
                               model.config().context, 0.0};
  const gpt2::Dataset data(spec, *tokenizer);
  gpt2::LossSums sums;
  const std::uint64_t count = data.samples(gpt2::Split::training);
  for (std::uint64_t first = 0; first < count; first += kEvaluationRows) {
    std::vector<std::uint64_t> samples(std::min<std::uint64_t>(kEvaluationRows, count - first));
    std::iota(samples.begin(), samples.end(), first);
    const gpt2::Batch batch = data.batch(gpt2::Split::training, samples);
    sums += evaluate(model, batch.inputs, batch.targets);
  }
  return sums;
}

std::vector<std::int64_t> prompt_tokens(const gpt2::Tokenizer& tokenizer, const std::string& prompt) {
  // A model goes on from something: without a prompt, from where a text begins.
  if (prompt.empty()) return {static_cast<std::int64_t>(tokenizer.end_of_text())};
  const std::vector<gpt2::TokenId> tokens = tokenizer.encode(prompt);
  return {tokens.begin(), tokens.end()};
}

}  // namespace

int run_generate(const ParsedCommand& command) {
  gpt2::SamplerOptions options;
  options.count = command.integer("count", 200, 1, 1'000'000);
  options.temperature = command.number("temperature", 0.8, 0.0, 100.0);
  options.top_k = command.integer("top-k", 40, 0, 1'000'000);
  options.seed = static_cast<std::uint64_t>(command.integer("seed", 1, 0, std::int64_t{1} << 62));
  const Chosen chosen = choose_checkpoint(command.argument(0));
  fix_numerics_for(std::nullopt);
  const gpt2::CheckpointReader reader(chosen.checkpoint);
  const gpt2::Stage model = load_whole_model(reader);
  const auto tokenizer = tokenizer_of(model.config());
  const std::string prompt = command.get("prompt");
  const std::vector<std::int64_t> written = gpt2::generate(model, prompt_tokens(*tokenizer, prompt), options);
  const std::vector<gpt2::TokenId> tokens(written.begin(), written.end());
  if (command.wants_json()) {
    print_json({{"checkpoint", chosen.checkpoint.string()},
                {"step", reader.head().step},
                {"prompt", prompt},
                {"text", tokenizer->decode(tokens)},
                {"tokens", tokens}});
  } else {
    std::cerr << "checkpoint " << chosen.checkpoint.string() << "\n";
    std::cout << prompt << tokenizer->decode(tokens) << "\n";
  }
  return to_int(ExitCode::ok);
}

int run_eval(const ParsedCommand& command) {
  const Chosen chosen = choose_checkpoint(command.argument(0));
  std::optional<actors::JobConfig> job;
  if (chosen.run) job = actors::load_job_config(chosen.run->config(), {});
  if (!job && !command.has("data")) {
    throw CommandError(ExitCode::usage, chosen.checkpoint.string() +
                                            " lies in no run folder, so its validation samples are not known: name a "
                                            "text with --data FILE");
  }
  fix_numerics_for(job);
  const gpt2::CheckpointReader reader(chosen.checkpoint);
  const gpt2::Stage model = load_whole_model(reader);
  const gpt2::LossSums sums =
      command.has("data") ? evaluate_file(model, command.get("data"), job) : evaluate_held_out(model, *job);
  if (sums.valid == 0) throw CommandError(ExitCode::failed, "the data has no token to predict");
  const double loss = sums.loss_sum / static_cast<double>(sums.valid);
  const double accuracy = static_cast<double>(sums.correct) / static_cast<double>(sums.valid);
  if (command.wants_json()) {
    print_json({{"checkpoint", chosen.checkpoint.string()},
                {"step", reader.head().step},
                {"loss", loss},
                {"accuracy", accuracy},
                {"tokens", sums.valid}});
  } else {
    std::cerr << "checkpoint " << chosen.checkpoint.string() << ", " << sums.valid << " tokens\n";
    std::cout << "loss " << loss << "  accuracy " << accuracy << "\n";
  }
  return to_int(ExitCode::ok);
}

int run_digest(const ParsedCommand& command) {
  const Chosen chosen = choose_checkpoint(command.argument(0));
  const gpt2::CheckpointReader reader(chosen.checkpoint);
  const std::string digest = reader.digest();
  if (command.wants_json()) {
    print_json({{"checkpoint", chosen.checkpoint.string()}, {"step", reader.head().step}, {"digest", digest}});
  } else {
    std::cout << digest << "\n";
  }
  return to_int(ExitCode::ok);
}

}  // namespace troupe::console
