#include "actors/config/job_config.hpp"

#include "actors/config/job_config_checks.hpp"
#include "actors/config/job_config_keys.hpp"
#include "actors/config/job_config_toml.hpp"
#include "actors/config/nearest_key.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace troupe::actors {
namespace {

constexpr std::int64_t kByteVocabulary = 256;
constexpr std::int64_t kGpt2Vocabulary = 50257;

const JobKey* find_key(const std::vector<JobKey>& keys, std::string_view section, std::string_view name) {
  for (const JobKey& key : keys) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

void apply(JobConfig& job, const std::vector<JobKey>& keys, JobEntry entry) {
  const JobKey* key = find_key(keys, entry.section, entry.name);
  if (key == nullptr) {
    throw ConfigError(entry.where + ": " + describe_unknown_key(keys, entry.section, entry.name));
  }
  const std::string problem = check_job_value(*key, entry.value);
  if (!problem.empty()) throw ConfigError(entry.where + ": " + problem);
  key->set(job, entry.value);
}

/// A text of the command line as the value of `key`: quotes may be left out, and 7 may be the name of a file.
JobValue read_override_value(const JobKey* key, std::string_view text) {
  auto value = read_toml_value(text);
  const bool takes_text = key != nullptr && (key->kind == JobValueKind::text || key->kind == JobValueKind::word);
  const bool is_text = value && std::holds_alternative<std::string>(*value);
  if (!value || (takes_text && !is_text)) return std::string(text);
  return *value;
}

JobEntry read_override(const std::vector<JobKey>& keys, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t dot = text.find('.');
  if (equals == std::string::npos) {
    throw ConfigError("override \"" + text + "\" has no '=': write section.key=value, such as train.lr=0.001");
  }
  JobEntry entry;
  entry.where = "override " + text;
  if (dot < equals) {
    entry.section = text.substr(0, dot);
    entry.name = text.substr(dot + 1, equals - dot - 1);
  } else {
    entry.name = text.substr(0, equals);
  }
  entry.value = read_override_value(find_key(keys, entry.section, entry.name), text.substr(equals + 1));
  return entry;
}

}  // namespace

JobConfig parse_job_config(std::string_view toml, const std::vector<std::string>& overrides, std::string_view origin) {
  const std::vector<JobKey> keys = job_keys();
  JobConfig job;
  for (JobEntry& entry : read_toml_entries(toml, origin)) {
    const bool known_but_empty = entry.name.empty() && nearest_section(keys, entry.section) == entry.section;
    if (!known_but_empty) apply(job, keys, std::move(entry));
  }
  for (const std::string& text : overrides) apply(job, keys, read_override(keys, text));
  job.model.vocabulary = job.data.tokenizer == "gpt2" ? kGpt2Vocabulary : kByteVocabulary;
  const std::string problem = find_misfit(job);
  if (!problem.empty()) throw ConfigError(std::string(origin) + ": " + problem);
  return job;
}

JobConfig load_job_config(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw ConfigError("cannot read job file " + path.string() + ": it is a folder");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ConfigError("cannot read job file " + path.string() + ": " + std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) throw ConfigError("cannot read job file " + path.string() + ": " + std::strerror(errno));
  return parse_job_config(text.str(), overrides, path.string());
}

std::string render_job_config(const JobConfig& job) {
  std::string text;
  std::string section;
  for (const JobKey& key : job_keys()) {
    if (key.section != section) {
      text += (section.empty() ? "[" : "\n[") + key.section + "]\n";
      section = key.section;
    }
    text += key.name + " = " + render_job_value(key.get(job)) + "\n";
  }
  return text;
}

std::string model_json(const JobConfig& job) {
  nlohmann::ordered_json model;
  model["layers"] = job.model.layers;
  model["heads"] = job.model.heads;
  model["width"] = job.model.width;
  model["context"] = job.model.context;
  model["vocabulary"] = job.model.vocabulary;
  model["dropout"] = job.model.dropout;
  model["positions"] = job.model.positions == gpt2::Positions::learned ? "learned" : "sinusoidal";
  model["head"] = job.model.head == gpt2::HeadWeights::tied ? "tied" : "untied";
  return model.dump();
}

std::string order_json(const JobConfig& job, std::uint64_t training_samples) {
  nlohmann::ordered_json order;
  order["data.seed"] = job.data.seed;
  order["data.format"] = job.data.format == SampleFormat::stream ? "stream" : "lines";
  order["data.tokenizer"] = job.data.tokenizer;
  order["data.validation_fraction"] = job.data.validation_fraction;
  order["training samples"] = training_samples;
  order["train.seed"] = job.train.seed;
  order["train.global_batch"] = job.train.global_batch;
  return order.dump();
}

}  // namespace troupe::actors
