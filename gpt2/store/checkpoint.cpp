#include "gpt2/store/checkpoint.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "gpt2/store/checkpoint_manifest.hpp"
#include "gpt2/store/json_depth.hpp"

namespace troupe::gpt2 {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

std::string shard_name(const std::string& kind, ShardNumber number) {
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%s-%05d-of-%05d.safetensors", kind.c_str(),
                                   number.index + 1, number.count);
  return {text.data(), static_cast<std::size_t>(length)};
}

/// The step of a folder named step-N; nothing for any other name.
std::optional<std::uint32_t> step_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  if (!name.starts_with("step-")) return std::nullopt;
  std::uint32_t step = 0;
  const char* end = name.data() + name.size();
  const auto [stopped, error] = std::from_chars(name.data() + 5, end, step);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return step;
}

/// Folders step-N, highest step first.
std::vector<std::pair<std::uint32_t, fs::path>> published(const fs::path& root) {
  std::vector<std::pair<std::uint32_t, fs::path>> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error)) {
    if (const std::optional<std::uint32_t> step = step_of(entry.path())) found.emplace_back(*step, entry.path());
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

/// What Hugging Face transformers wants beside the weights.
std::string write_index(const fs::path& folder, const CheckpointHead& head) {
  ordered_json map = ordered_json::object();
  std::size_t bytes = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("model-")) continue;
    const SafetensorsFile file(entry.path());
    for (const auto& [tensor, where] : file.entries()) {
      map[tensor] = name;
      bytes += where.end - where.begin;
    }
  }
  const ordered_json index = {{"metadata", {{"total_size", bytes}}}, {"weight_map", map}};
  const std::string problem = replace_file(folder / "model.safetensors.index.json", index.dump(2) + "\n");
  return problem.empty() ? replace_file(folder / "config.json", hugging_face_config(head.model) + "\n") : problem;
}

/// Empty when each file is as its record says.
std::string check_files(const fs::path& folder, const ordered_json& records) {
  for (const ordered_json& record : records) {
    const std::string problem = check_file(folder, record);
    if (!problem.empty()) return "the checkpoint reads back differently from what was written: " + problem;
  }
  return "";
}

/// One step, so that at no instant `to` is missing: a step that is saved again changes places with what was there.
bool put_in_place(const fs::path& from, const fs::path& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return true;
  if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) return false;
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return true;
  // A file system without exchange (NFS): the old one steps aside first.
  const fs::path aside = from.string() + ".old";
  return errno == EINVAL && rename(to.c_str(), aside.c_str()) == 0 && rename(from.c_str(), to.c_str()) == 0;
}

}  // namespace

WrittenShard write_shard(const fs::path& folder, ShardNumber number, std::span<const NamedTensor> weights,
                         std::span<const NamedTensor> moments) {
  const std::string model_file = shard_name("model", number);
  const std::string optimizer_file = shard_name("optimizer", number);
  std::string problem = write_safetensors(folder / model_file, weights, {{"format", "pt"}});
  if (problem.empty()) problem = write_safetensors(folder / optimizer_file, moments, {});
  if (!problem.empty()) return {"", problem};
  return {ordered_json::array({file_record(folder / model_file), file_record(folder / optimizer_file)}).dump(), ""};
}

fs::path begin_checkpoint(const fs::path& root, const CheckpointHead& head) {
  const fs::path folder = root / ("step-" + std::to_string(head.step) + ".e" + std::to_string(head.epoch) + ".tmp-" +
                                  std::to_string(getpid()));
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  return folder;
}

std::string publish_checkpoint(const fs::path& temporary, const CheckpointHead& head,
                               std::span<const std::string> reports, const PublishMoments& moments) {
  ordered_json files = ordered_json::array();
  for (const std::string& report : reports) {
    if (find_too_deep(report) != std::string::npos) return "a report of written files has too many levels of brackets";
    for (const ordered_json& record : ordered_json::parse(report, nullptr, /*allow_exceptions=*/false)) {
      files.push_back(record);
    }
  }
  // Before anything reads them for what they say.
  std::string problem = check_files(temporary, files);
  if (problem.empty()) problem = write_index(temporary, head);
  if (!problem.empty()) return problem;
  files.push_back(file_record(temporary / "model.safetensors.index.json"));
  files.push_back(file_record(temporary / "config.json"));
  problem = replace_file(temporary / kManifestName, render_manifest(head, files));
  if (problem.empty()) problem = read_manifest(temporary).problem;
  if (problem.empty()) problem = sync_folder(temporary);
  if (!problem.empty()) return problem;
  if (moments.before_rename) moments.before_rename();
  const fs::path root = temporary.parent_path();
  const fs::path final_folder = root / ("step-" + std::to_string(head.step));
  if (!put_in_place(temporary, final_folder)) {
    return "cannot rename " + temporary.string() + ": " + std::strerror(errno);
  }
  problem = sync_folder(root);
  if (moments.renamed) moments.renamed();
  std::error_code ignored;
  fs::remove_all(temporary, ignored);  // a repeated step: what was there before
  return problem.empty() ? replace_file(root / "LATEST", final_folder.filename().string() + "\n") : problem;
}

std::string verify_checkpoint(const fs::path& folder) {
  const ReadManifest manifest = read_manifest(folder);
  if (!manifest.problem.empty()) return manifest.problem;
  for (const ordered_json& record : manifest.files) {
    const std::string problem = check_file(folder, record);
    if (!problem.empty()) return problem;
  }
  return "";
}

NewestCheckpoint find_newest_checkpoint(const fs::path& root, std::uint32_t last_recorded) {
  NewestCheckpoint newest;
  for (const auto& [step, folder] : published(root)) {
    if (step > last_recorded) {
      newest.rejections.push_back(folder.string() +
                                  ": the record of the run (metrics.jsonl, ledger.jsonl) ends at step " +
                                  std::to_string(last_recorded) + ", before it");
      continue;
    }
    const std::string problem = verify_checkpoint(folder);
    if (problem.empty()) {
      newest.folder = folder;
      newest.head = read_manifest(folder).head;
      return newest;
    }
    newest.rejections.push_back(folder.string() + ": " + problem);
  }
  return newest;
}

void prune_checkpoints(const fs::path& root, std::size_t keep, const std::set<std::uint32_t>& also) {
  const auto folders = published(root);
  if (folders.empty() || !verify_checkpoint(folders.front().second).empty()) return;
  for (std::size_t i = std::max<std::size_t>(keep, 2); i < folders.size(); ++i) {
    std::error_code ignored;
    if (!also.contains(folders[i].first)) fs::remove_all(folders[i].second, ignored);
  }
}

void remove_checkpoints_after(const fs::path& root, std::uint32_t step) {
  for (const auto& [each, folder] : published(root)) {
    std::error_code error;
    if (each > step) fs::remove_all(folder, error);
    if (error) throw StorageError("cannot delete " + folder.string() + ": " + error.message());
  }
}

void remove_unfinished(const fs::path& root) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && name.find(".tmp-") != std::string::npos) fs::remove_all(entry.path(), ignored);
  }
}

CheckpointReader::CheckpointReader(const fs::path& folder) : folder_(folder) {
  const ReadManifest manifest = read_manifest(folder);
  if (!manifest.problem.empty()) throw StorageError(folder.string() + " is not a checkpoint: " + manifest.problem);
  head_ = manifest.head;
  for (const ordered_json& record : manifest.files) {
    const std::string name = record.value("name", "");
    if (name.ends_with(".safetensors")) files_.push_back(std::make_unique<SafetensorsFile>(folder / name));
  }
}

void CheckpointReader::read(const std::string& name, std::span<float> values) const {
  for (const auto& file : files_) {
    if (file->entries().contains(name)) return file->read(name, values);
  }
  throw StorageError(folder_.string() + " has no tensor " + name);
}

std::string CheckpointReader::digest() const {
  std::vector<std::string> lines;
  for (const auto& file : files_) {
    for (const auto& [name, entry] : file->entries()) {
      std::string line = name + " F32";
      for (const std::int64_t size : entry.shape) line += " " + std::to_string(size);
      lines.push_back(line + " " + hash_hex(file->bytes(name)) + "\n");
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string text = "step " + std::to_string(head_.step) + "\n";
  for (const std::string& line : lines) text += line;
  return hash_hex(std::as_bytes(std::span(text)));
}

}  // namespace troupe::gpt2
