#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "gpt2/store/safetensors.hpp"

namespace troupe::gpt2 {

/// Which part of how many: parts are counted from 1 in file names, as Hugging Face does.
struct ShardNumber {
  int index = 0;  ///< from 0
  int count = 1;
};

/// What write_shard() did.
struct WrittenShard {
  std::string report;  ///< the files' records as JSON
  std::string error;   ///< empty, or what went wrong
};

/// Writes a stage's part of a checkpoint into the temporary folder: model-0000i-of-0000n.safetensors (weights, Hugging
/// Face's GPT-2 names) and optimizer-0000i-of-0000n.safetensors (m.<name>, v.<name>). Returns the files' records.
[[nodiscard]] WrittenShard write_shard(const std::filesystem::path& folder, ShardNumber number,
                                       std::span<const NamedTensor> weights, std::span<const NamedTensor> moments);

/// What a checkpoint is of.
struct CheckpointHead {
  std::uint32_t step = 0;           ///< committed steps
  std::uint32_t epoch = 0;          ///< of the membership that wrote it
  std::uint64_t next_position = 0;  ///< of the data order
  std::uint64_t seed = 0;           ///< key of the counter-based random numbers, with step and sample
  std::string model;                ///< the model as JSON
  std::string layout;               ///< in words; any other layout can load it
  std::string order;                ///< what decides which sample comes when, as JSON
  std::uint64_t updates = 0;        ///< of the optimizer: more than one a step where replicas update by themselves
};

/// The temporary folder `step-N.eE.tmp-P` for the process P under `root`, made empty where that is possible; where it
/// is not, the first write into it says why.
std::filesystem::path begin_checkpoint(const std::filesystem::path& root, const CheckpointHead& head);

/// Called on the way of publish_checkpoint(), for tests of crashes; either may be empty.
struct PublishMoments {
  std::function<void()> before_rename;  ///< complete, and not visible yet
  std::function<void()> renamed;        ///< visible, and LATEST still names the one before
};

/// Makes the checkpoint in `temporary` complete and visible as `root/step-N`: index and config for Hugging Face,
/// MANIFEST (temporary name, sync, rename), re-read and verified, folder synced, renamed, parent synced, LATEST
/// replaced. `reports` are write_shard()'s. Empty, or what went wrong; before the rename nothing is visible.
///
/// CP-1  A folder named step-N either verifies, or was damaged after it was published.
/// CP-2  A crash between any two of these operations leaves every earlier checkpoint as it was.
[[nodiscard]] std::string publish_checkpoint(const std::filesystem::path& temporary, const CheckpointHead& head,
                                             std::span<const std::string> reports, const PublishMoments& moments = {});

/// Empty when every byte of the checkpoint is as it was written; else which file, at which offset, and what is wrong.
std::string verify_checkpoint(const std::filesystem::path& folder);

struct NewestCheckpoint {
  std::filesystem::path folder;  ///< empty = none
  CheckpointHead head;
  std::vector<std::string> rejections;  ///< "folder: reason", newest first
};

/// The highest step that verifies, up to `last_recorded`: the step at which the record of the run ends, since what
/// follows a checkpoint must also follow in the record. LATEST is a hint for people; the folders decide.
///
/// CP-3  A damaged checkpoint is passed over, with the reason, and the one before it is found.
NewestCheckpoint find_newest_checkpoint(const std::filesystem::path& root,
                                        std::uint32_t last_recorded = std::numeric_limits<std::uint32_t>::max());

/// Deletes checkpoints except the `keep` newest and `also`; only when the newest verifies. At least two are kept.
///
/// CP-4  The newest complete checkpoint is never deleted.
void prune_checkpoints(const std::filesystem::path& root, std::size_t keep, const std::set<std::uint32_t>& also);
/// Deletes the checkpoints of steps after `step`. Throws StorageError when one cannot be deleted.
void remove_checkpoints_after(const std::filesystem::path& root, std::uint32_t step);
/// Removes temporary folders that other processes left.
void remove_unfinished(const std::filesystem::path& root);

/// Which keys of two JSON objects (CheckpointHead::model or ::order) differ, with both values; empty when they are the
/// same.
std::string settings_difference(const std::string& checkpoint, const std::string& job);

/// A complete checkpoint, open for reading by name from whichever file holds it.
///
/// CP-5  Any layout reads what any other wrote.
class CheckpointReader {
public:
  /// Throws StorageError when the folder is no checkpoint.
  explicit CheckpointReader(const std::filesystem::path& folder);

  const CheckpointHead& head() const { return head_; }
  /// Throws StorageError when the tensor is not there or of another size.
  void read(const std::string& name, std::span<float> values) const;
  /// Over names, shapes and bytes of weights and moments, and the step: the same for every layout.
  std::string digest() const;

private:
  std::filesystem::path folder_;
  CheckpointHead head_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
};

}  // namespace troupe::gpt2
