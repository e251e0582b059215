#include "actors/checkpoint_keeper.hpp"

#include "gpt2/store/checkpoint.hpp"
#include "gpt2/store/json_depth.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <stdexcept>
#include <utility>

namespace troupe::actors {
namespace {

// A 124M checkpoint takes 1.4 s on a cold disk here; minutes mean that the disk hangs.
constexpr runtime::Duration kShardDeadline = std::chrono::minutes(5);
constexpr std::size_t kKept = 3;

bool is_list(const nlohmann::ordered_json& json) {
  return json.is_array() && !json.empty();
}

/// A shard's report is one JSON array of files, or (from the parameter server) an array of such arrays. Empty when it
/// is neither: an owner that reports no file wrote no shard.
std::vector<std::string> reports_of(const runtime::Payload& payload) {
  const std::string text(reinterpret_cast<const char*>(payload.data()), payload.size());
  if (gpt2::find_too_deep(text) != std::string::npos) return {};
  const auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!is_list(json)) return {};
  if (!json.front().is_array()) return {text};
  if (!std::all_of(json.begin(), json.end(), is_list)) return {};
  std::vector<std::string> reports;
  for (const auto& report : json) reports.push_back(report.dump());
  return reports;
}

std::string layout_words(const LayoutConfig& layout) {
  return std::to_string(layout.replicas) + " replicas x " + std::to_string(layout.stages) + " stages";
}

}  // namespace

struct CheckpointKeeper::Collected {
  SaveRequest request;
  gpt2::CheckpointHead head;
  std::filesystem::path temporary;
  std::vector<std::string> reports;
  std::size_t waiting = 0;
  std::string error;
  std::vector<runtime::ActorId> gone;
  Done done;
};

CheckpointKeeper::CheckpointKeeper(std::filesystem::path root, const JobConfig& job, std::uint64_t training_samples)
    : root_(std::move(root)), job_(job), order_(order_json(job, training_samples)) {
  gpt2::remove_unfinished(root_);
}

FoundCheckpoint CheckpointKeeper::find_newest(std::uint32_t last_recorded) const {
  const gpt2::NewestCheckpoint newest = gpt2::find_newest_checkpoint(root_, last_recorded);
  FoundCheckpoint found{0, "", 0, newest.rejections};
  if (newest.folder.empty()) return found;
  const std::string model = gpt2::settings_difference(newest.head.model, model_json(job_));
  if (!model.empty()) {
    throw std::runtime_error("checkpoint " + newest.folder.string() + " is of another model: " + model);
  }
  const std::string order = gpt2::settings_difference(newest.head.order, order_);
  if (!order.empty()) {
    throw std::runtime_error("checkpoint " + newest.folder.string() + " is of another order of samples: " + order +
                             "; keep these settings, or begin a new run");
  }
  found.step = newest.head.step;
  found.updates = newest.head.updates;
  found.directory = newest.folder.string();
  return found;
}

void CheckpointKeeper::save(const SaveRequest& request, Done done, runtime::Context& context) {
  const auto collected = std::make_shared<Collected>();  // shared by the answers of all owners
  collected->request = request;
  collected->head = {request.step,    request.epoch,    request.next_position,
                     job_.train.seed, model_json(job_), layout_words(job_.layout),
                     order_,          request.updates};
  collected->done = std::move(done);
  collected->waiting = request.owners.size();
  collected->temporary = gpt2::begin_checkpoint(root_, collected->head);
  for (const runtime::ActorId& owner : request.owners) {
    const SaveShard order{request.epoch, request.step, collected->temporary.string()};
    context.request_when_room<ShardSaved>(
        owner, order, kShardDeadline,
        [this, collected, owner](runtime::Result<ShardSaved> answer, runtime::Context& turn) {
          collect(owner, answer, *collected);
          if (--collected->waiting == 0) collected->done(publish(*collected), turn);
        });
  }
}

void CheckpointKeeper::collect(const runtime::ActorId& owner, const runtime::Result<ShardSaved>& answer,
                               Collected& collected) {
  std::string error;
  if (!answer) {
    error = answer.failure().within(owner.name).text;
    // An owner that lives and could not write says "unknown": stop and look.
    if (answer.failure().kind != runtime::FailureKind::unknown) collected.gone.push_back(owner);
  } else {
    std::vector<std::string> reports = reports_of(answer->report);
    if (reports.empty()) error = owner.name + " reports no file of its shard: it runs another program";
    std::move(reports.begin(), reports.end(), std::back_inserter(collected.reports));
  }
  if (collected.error.empty()) collected.error = error;
}

SaveOutcome CheckpointKeeper::publish(const Collected& collected) const {
  SaveOutcome outcome{collected.request.epoch, collected.request.step, collected.error, collected.gone};
  if (collected.request.is_wanted && !collected.request.is_wanted()) outcome.error = "its epoch has ended";
  if (outcome.error.empty()) {
    outcome.error =
        gpt2::publish_checkpoint(collected.temporary, collected.head, collected.reports, collected.request.moments);
  }
  if (!outcome.error.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(collected.temporary, ignored);
    return outcome;
  }
  std::set<std::uint32_t> best;
  if (collected.request.best_step > 0) best.insert(collected.request.best_step);
  gpt2::prune_checkpoints(root_, kKept, best);
  return outcome;
}

}  // namespace troupe::actors
