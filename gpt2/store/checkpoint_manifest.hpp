#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "gpt2/store/checkpoint.hpp"

namespace troupe::gpt2 {

inline constexpr const char* kManifestName = "MANIFEST.json";

/// A file's size, hash, and the hash of each 64 KiB chunk, by which damage is located.
nlohmann::ordered_json file_record(const std::filesystem::path& path);
/// Empty when the file is as recorded; else "file: at offset N: what". A record that is none is refused in words too.
std::string check_file(const std::filesystem::path& folder, const nlohmann::ordered_json& record);

/// The manifest as text, with its own hash in it.
std::string render_manifest(const CheckpointHead& head, const nlohmann::ordered_json& files);

struct ReadManifest {
  CheckpointHead head;
  nlohmann::ordered_json files;
  std::string problem;  ///< empty = sound
};
/// Never throws for what is in the file.
ReadManifest read_manifest(const std::filesystem::path& folder);

/// config.json of Hugging Face's GPT2LMHeadModel for a model in our own JSON.
std::string hugging_face_config(const std::string& model);

}  // namespace troupe::gpt2
