#include "gpt2/store/checkpoint_manifest.hpp"

#include <algorithm>

#include "gpt2/store/json_depth.hpp"

namespace troupe::gpt2 {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr std::size_t kChunk = 64 * 1024;
// 24 bytes a chunk: enough for checkpoints of 170 GB.
constexpr std::size_t kMostBytes = 64 * 1024 * 1024;

std::string self_hash(const ordered_json& manifest) {
  ordered_json rest = manifest;
  rest.erase("self");
  const std::string text = rest.dump();
  return hash_hex(std::as_bytes(std::span(text)));
}

std::string chunk_hash(std::span<const std::byte> bytes, std::size_t begin) {
  return hash_hex(bytes.subspan(begin, std::min(kChunk, bytes.size() - begin))).substr(16);
}

bool has_number(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned();
}

bool has_text(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string();
}

/// Empty when the text may be parsed and passed around.
std::string check_bounds(std::string_view text) {
  if (text.size() > kMostBytes) {
    return std::string(kManifestName) + ": " + std::to_string(text.size()) + " bytes, at most " +
           std::to_string(kMostBytes) + " are read";
  }
  const std::size_t deep = find_too_deep(text);
  if (deep == std::string_view::npos) return "";
  return std::string(kManifestName) + ": at offset " + std::to_string(deep) + ": more than " +
         std::to_string(kMostJsonLevels) + " levels of brackets";
}

/// A name that stays in the folder, a size, hashes.
bool is_record(const ordered_json& record) {
  const bool typed = record.is_object() && has_text(record, "name") && has_number(record, "size") &&
                     has_text(record, "xxh3_128") && record.contains("chunks") && record["chunks"].is_array();
  return typed && record["name"].get<std::string>().find('/') == std::string::npos;
}

bool has_all_fields(const ordered_json& manifest) {
  const bool numbers = has_number(manifest, "step") && has_number(manifest, "epoch") &&
                       has_number(manifest, "next_position") && has_number(manifest, "seed");
  const auto files = manifest.find("files");
  return numbers && has_text(manifest, "layout") && manifest.contains("model") && manifest.contains("order") &&
         files != manifest.end() && files->is_array() && std::all_of(files->begin(), files->end(), is_record);
}

}  // namespace

ordered_json file_record(const fs::path& path) {
  const MappedFile file(path);
  ordered_json chunks = ordered_json::array();
  for (std::size_t begin = 0; begin < file.bytes().size(); begin += kChunk) {
    chunks.push_back(chunk_hash(file.bytes(), begin));
  }
  return {{"name", path.filename().string()},
          {"size", file.bytes().size()},
          {"xxh3_128", hash_hex(file.bytes())},
          {"chunks", chunks}};
}

std::string check_file(const fs::path& folder, const ordered_json& record) {
  if (!is_record(record)) return "no record of a file: " + record.dump();
  const std::string name = record.value("name", "");
  const std::size_t size = record.value("size", std::size_t{0});
  std::error_code error;
  const std::size_t actual = fs::file_size(folder / name, error);
  if (error) return name + ": " + error.message();
  if (actual != size) {
    return name + ": at offset " + std::to_string(std::min(actual, size)) + ": " + std::to_string(actual) +
           " bytes instead of " + std::to_string(size);
  }
  const MappedFile file(folder / name);
  if (hash_hex(file.bytes()) == record.value("xxh3_128", "")) return "";
  const ordered_json chunks = record.value("chunks", ordered_json::array());
  for (std::size_t i = 0; i < chunks.size() && i * kChunk < size; ++i) {
    if (chunks[i] != chunk_hash(file.bytes(), i * kChunk)) {
      return name + ": damaged in the 64 KiB at offset " + std::to_string(i * kChunk);
    }
  }
  return name + ": damaged at offset 0: the hash of the whole file differs";
}

std::string render_manifest(const CheckpointHead& head, const ordered_json& files) {
  ordered_json manifest;
  manifest["format"] = kFormat;
  manifest["step"] = head.step;
  manifest["epoch"] = head.epoch;
  manifest["next_position"] = head.next_position;
  manifest["updates"] = head.updates;
  manifest["seed"] = head.seed;
  manifest["model"] = ordered_json::parse(head.model);
  manifest["layout"] = head.layout;
  manifest["order"] = ordered_json::parse(head.order);
  manifest["files"] = files;
  manifest["self"] = self_hash(manifest);
  return manifest.dump(1) + "\n";
}

ReadManifest read_manifest(const fs::path& folder) {
  ReadManifest result;
  const fs::path path = folder / kManifestName;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    result.problem = std::string(kManifestName) + " is missing: the checkpoint was never finished";
    return result;
  }
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  result.problem = check_bounds(text);
  if (!result.problem.empty()) return result;
  const ordered_json manifest = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool sound = manifest.is_object() && manifest.contains("self") && manifest["self"] == self_hash(manifest);
  if (!sound) {
    result.problem = std::string(kManifestName) + ": at offset 0: damaged, it does not fit its own hash";
    return result;
  }
  if (!manifest.contains("format") || manifest["format"] != kFormat) {
    result.problem = std::string(kManifestName) + ": format " + manifest.value("format", ordered_json()).dump() +
                     ", this build reads " + std::to_string(kFormat);
    return result;
  }
  if (!has_all_fields(manifest)) {
    result.problem = std::string(kManifestName) + ": a field is missing or of the wrong type";
    return result;
  }
  result.head.step = manifest.value("step", 0U);
  result.head.epoch = manifest.value("epoch", 0U);
  result.head.next_position = manifest.value("next_position", std::uint64_t{0});
  // Older ones do not say.
  result.head.updates = has_number(manifest, "updates") ? manifest["updates"].get<std::uint64_t>() : result.head.step;
  result.head.seed = manifest.value("seed", std::uint64_t{0});
  result.head.model = manifest.value("model", ordered_json::object()).dump();
  result.head.layout = manifest.value("layout", "");
  result.head.order = manifest.value("order", ordered_json::object()).dump();
  result.files = manifest.value("files", ordered_json::array());
  return result;
}

std::string settings_difference(const std::string& checkpoint, const std::string& job) {
  const ordered_json theirs = ordered_json::parse(checkpoint, nullptr, false);
  const ordered_json ours = ordered_json::parse(job, nullptr, false);
  std::string difference;
  for (const auto& [key, value] : ours.items()) {
    if (key == "dropout") continue;  // no part of the weights
    const ordered_json other = theirs.is_object() && theirs.contains(key) ? theirs[key] : ordered_json();
    if (other != value) {
      difference += (difference.empty() ? "" : ", ") + key + " is " + other.dump() + " in the checkpoint and " +
                    value.dump() + " in the job";
    }
  }
  return difference;
}

std::string hugging_face_config(const std::string& model) {
  const ordered_json ours = ordered_json::parse(model);
  const auto number = [&ours](const char* key) { return ours.value(key, std::int64_t{0}); };
  const double dropout = ours.value("dropout", 0.0);
  ordered_json config;
  config["architectures"] = {"GPT2LMHeadModel"};
  config["model_type"] = "gpt2";
  config["activation_function"] = "gelu_new";
  config["n_layer"] = number("layers");
  config["n_head"] = number("heads");
  config["n_embd"] = number("width");
  config["n_positions"] = number("context");
  config["n_ctx"] = number("context");
  config["vocab_size"] = number("vocabulary");
  config["layer_norm_epsilon"] = 1e-5;
  config["embd_pdrop"] = dropout;
  config["attn_pdrop"] = dropout;
  config["resid_pdrop"] = dropout;
  config["tie_word_embeddings"] = (ours.value("head", "tied") == "tied");
  return config.dump(2);
}

}  // namespace troupe::gpt2
