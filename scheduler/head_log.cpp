#include "scheduler/head_log.hpp"

#include "runtime/message/span_archive.hpp"

#include <spdlog/spdlog.h>

#include <span>
#include <stdexcept>
#include <utility>

namespace troupe::scheduler {

HeadLog::Content HeadLog::read(const std::filesystem::path& file) {
  std::vector<HeadRecord> past;
  const auto take = [&past](std::span<const std::byte> bytes) -> runtime::Result<runtime::Done> {
    runtime::SpanReader reader({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, {});
    HeadRecord record;
    reader(record);
    if (!reader.finish()) return runtime::Failure{runtime::FailureKind::unknown, reader.error()};
    past.push_back(std::move(record));
    return runtime::Done{};
  };
  runtime::Result<runtime::RecordLog::Opened> opened = runtime::RecordLog::open(file, take);
  if (!opened) throw std::runtime_error(opened.failure().text);
  runtime::RecordLog::Opened log = std::move(opened).value();
  if (log.replayed.cut_bytes > 0) spdlog::warn("event=head_log_torn cause=\"{}\"", log.replayed.in_words);
  return {std::move(past), std::move(log.log)};
}

HeadLog::HeadLog(const std::filesystem::path& file) : HeadLog(read(file)) {}

void HeadLog::write(const HeadRecord& record) {
  std::string body;
  std::vector<runtime::Payload> none;
  runtime::SpanWriter writer(body, none);
  writer(const_cast<HeadRecord&>(record));  // serialize() is one function for both directions; writing changes nothing
  const runtime::Result<runtime::Done> written =
      log_.append(std::as_bytes(std::span(body.data(), body.size())), runtime::RecordLog::Durable::no);
  if (!written) throw std::runtime_error(written.failure().text);
}

}  // namespace troupe::scheduler
