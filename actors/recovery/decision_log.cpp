#include "actors/recovery/decision_log.hpp"

#include "runtime/message/span_archive.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

struct DecisionLog::Record {
  Kind kind = Kind::step;
  std::uint64_t job = 0;
  std::uint32_t epoch = 0;
  std::uint32_t since = 0;
  Decision decision;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(kind, job, epoch, since, decision);
  }
};

DecisionLog::DecisionLog(const std::filesystem::path& file, std::uint64_t job) : log_(open(file, job, *this)) {
  if (!of_this_job_) write({Kind::job, job, 0, 0, {}});
}

runtime::RecordLog DecisionLog::open(const std::filesystem::path& file, std::uint64_t job, DecisionLog& into) {
  const auto replay = [&into, job](std::span<const std::byte> payload) { return into.replay(payload, job); };
  auto opened = runtime::RecordLog::open(file, replay);
  if (!opened) throw std::runtime_error(opened.failure().text);
  auto found = std::move(opened).value();
  if (into.of_this_job_ || found.replayed.records == 0) return std::move(found.log);
  // Of an earlier job in this folder: what counts then is its newest checkpoint.
  into.last_.reset();
  into.epoch_ = 0;
  into.since_ = 0;
  { const runtime::RecordLog closed = std::move(found.log); }
  std::filesystem::remove(file);
  auto fresh = runtime::RecordLog::open(file, [](std::span<const std::byte>) { return runtime::Done{}; });
  if (!fresh) throw std::runtime_error(fresh.failure().text);
  return std::move(std::move(fresh).value().log);
}

runtime::Result<runtime::Done> DecisionLog::replay(std::span<const std::byte> payload, std::uint64_t job) {
  Record record;
  runtime::SpanReader reader({reinterpret_cast<const char*>(payload.data()), payload.size()}, {});
  reader(record);
  if (!reader.finish()) {
    return runtime::Failure{runtime::FailureKind::unknown,
                            "a record of another version of this program: " + reader.error()};
  }
  if (record.kind == Kind::job) of_this_job_ = record.job == job;
  if (record.kind == Kind::epoch) {
    epoch_ = record.epoch;
    since_ = record.since;
  }
  if (record.kind == Kind::step) last_ = record.decision;
  return runtime::Done{};
}

void DecisionLog::decide(const Decision& decision) {
  if (last_ && (decision.step < last_->step || decision == *last_)) return;
  write({Kind::step, 0, 0, 0, decision});
  last_ = decision;
}

void DecisionLog::begin_epoch(std::uint32_t epoch, std::uint32_t since) {
  write({Kind::epoch, 0, epoch, since, {}});
  epoch_ = epoch;
  since_ = since;
}

void DecisionLog::write(const Record& record) {
  std::string body;
  std::vector<runtime::Payload> payloads;
  runtime::SpanWriter writer(body, payloads);
  writer(record);
  const auto written = log_.append(std::as_bytes(std::span(body)), runtime::RecordLog::Durable::yes);
  if (!written) throw std::runtime_error(written.failure().text);
}

}  // namespace troupe::actors
