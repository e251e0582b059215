#include "actors/run_recorder.hpp"

#include "gpt2/store/storage.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace troupe::actors {
namespace {

using nlohmann::ordered_json;

std::vector<std::string> compared_fields(RunRecorder::Repeats repeats) {
  if (repeats == RunRecorder::Repeats::free) return {};
  return {"loss_hex", "grad_norm_hex"};
}

ordered_json metrics_json(const StepLine& line) {
  ordered_json json;
  json["step"] = line.step;
  json["loss"] = line.result.loss();
  json["loss_hex"] = hex_float(line.result.loss());
  json["grad_norm"] = line.result.gradient_norm;
  json["grad_norm_hex"] = hex_float(line.result.gradient_norm);
  json["accuracy"] = line.result.accuracy();
  json["lr"] = line.learning_rate;
  json["tokens"] = line.result.valid;
  json["tokens_per_second"] = line.tokens_per_second;
  json["seconds"] = line.seconds;
  if (!line.result.staleness.empty()) json["staleness"] = line.result.staleness;
  return json;
}

}  // namespace

RunRecorder::RunRecorder(const std::filesystem::path& run_directory, Repeats repeats)
    : validation_file_(run_directory / "validation.jsonl"),
      metrics_(run_directory / "metrics.jsonl", compared_fields(repeats)),
      ledger_(run_directory / "ledger.jsonl", {"samples"}) {
  // The two files are written one after the other: a crash between them leaves one step more in the first.
  const std::uint32_t both = std::min(metrics_.steps(), ledger_.steps());
  metrics_.cut_after(both);
  ledger_.cut_after(both);
  load_numbers(run_directory / "metrics.jsonl");
  load_validation(std::numeric_limits<std::uint32_t>::max());
}

std::uint32_t RunRecorder::count_steps(const std::filesystem::path& run_directory) {
  return std::min(actors::count_steps(run_directory / "metrics.jsonl"),
                  actors::count_steps(run_directory / "ledger.jsonl"));
}

void RunRecorder::load_numbers(const std::filesystem::path& metrics) {
  std::ifstream in(metrics);
  std::string text;
  while (std::getline(in, text)) {
    const auto line = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object()) return;
    const auto number = [&line](const char* name) {
      const auto found = line.find(name);
      return found != line.end() && found->is_number() ? found->get<double>() : 0.0;
    };
    const double valid = number("tokens");
    numbers_.push_back({number("loss") * valid, number("accuracy") * valid, valid});
  }
}

/// Keeps the file's lines up to that step, and not a torn one.
void RunRecorder::load_validation(std::uint32_t last_step) {
  validated_steps_.clear();
  best_loss_ = std::numeric_limits<double>::infinity();
  best_step_ = 0;
  std::ifstream in(validation_file_);
  std::uintmax_t kept = 0;
  std::string text;
  while (std::getline(in, text)) {
    const auto line = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (in.eof() || !line.is_object()) break;  // torn
    const std::uint32_t step = line.value("step", 0U);
    if (step > last_step) break;
    kept += text.size() + 1;
    validated_steps_.push_back(step);
    const auto loss = line.find("loss");  // null where an older program wrote one that was not finite
    if (loss != line.end() && loss->is_number() && loss->get<double>() < best_loss_) {
      best_loss_ = loss->get<double>();
      best_step_ = validated_steps_.back();
    }
  }
  in.close();
  std::ofstream(validation_file_, std::ios::app).close();  // there may be none yet
  std::filesystem::resize_file(validation_file_, kept);
}

std::string RunRecorder::record_step(const StepLine& line, const LedgerLine& ledger) {
  ordered_json entry;
  entry["step"] = ledger.step;
  entry["epoch"] = ledger.epoch;
  entry["first_position"] = ledger.first_position;
  entry["samples"] = ledger.samples;
  std::string difference = metrics_.record(line.step, metrics_json(line));
  const std::string other = ledger_.record(ledger.step, entry);
  if (!other.empty()) difference += (difference.empty() ? "samples: " : "; samples: ") + other;
  if (line.step > numbers_.size()) numbers_.resize(line.step);
  numbers_[line.step - 1] = {line.result.loss_sum, static_cast<double>(line.result.correct),
                             static_cast<double>(line.result.valid)};
  return difference;
}

RunRecorder::Numbers RunRecorder::sum_numbers(std::uint64_t begin, std::uint64_t end) const {
  Numbers total;
  for (std::uint64_t i = begin; i < end && i < numbers_.size(); ++i) {
    total.loss_sum += numbers_[i].loss_sum;
    total.correct += numbers_[i].correct;
    total.valid += numbers_[i].valid;
  }
  return total;
}

bool RunRecorder::record_validation(const ValidationLine& line) {
  const double valid = static_cast<double>(std::max<std::int64_t>(line.loss.valid, 1));
  const double loss = line.loss.loss_sum / valid;
  const bool best = loss < best_loss_ || line.step == best_step_;
  if (best) {
    best_loss_ = loss;
    best_step_ = line.step;
  }
  if (std::binary_search(validated_steps_.begin(), validated_steps_.end(), line.step)) return best;
  const Numbers epoch = sum_numbers(line.epoch_begin, line.step);
  ordered_json json;
  json["step"] = line.step;
  json["epoch"] = line.epoch;
  json["loss"] = loss;
  json["loss_hex"] = hex_float(loss);
  json["accuracy"] = static_cast<double>(line.loss.correct) / valid;
  json["tokens"] = line.loss.valid;
  json["best"] = best;
  if (epoch.valid > 0) {
    json["train_loss"] = epoch.loss_sum / epoch.valid;
    json["train_accuracy"] = epoch.correct / epoch.valid;
  }
  if (line.epoch_seconds) json["epoch_seconds"] = *line.epoch_seconds;
  std::ofstream out(validation_file_, std::ios::app);
  out << json.dump() << "\n" << std::flush;
  if (!out) throw std::runtime_error(validation_file_.string() + ": cannot write: is the disk full?");
  validated_steps_.push_back(line.step);
  return best;
}

void RunRecorder::cut_after(std::uint32_t step) {
  metrics_.cut_after(step);
  ledger_.cut_after(step);
  if (numbers_.size() > step) numbers_.resize(step);
  load_validation(step);
}

void RunRecorder::cut_validations_after(std::uint32_t step) {
  load_validation(step);
}

void RunRecorder::sync() {
  metrics_.sync();
  ledger_.sync();
  if (const std::string error = gpt2::sync_file(validation_file_); !error.empty()) throw std::runtime_error(error);
}

std::uint32_t RunRecorder::steps() const {
  return std::min(metrics_.steps(), ledger_.steps());
}

}  // namespace troupe::actors
