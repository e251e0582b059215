#include "scheduler/post_mortem.hpp"

#include "runtime/observe/status_page.hpp"
#include "scheduler/event_log.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <system_error>

namespace troupe::scheduler {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::streamoff kLogTail = 8 * 1024;

std::string flat_name(const std::string& actor) {
  std::string name = actor;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

/// The last whole lines of a log; those of the incarnations before may be among them.
std::vector<std::string> tail_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const std::streamoff size = in ? static_cast<std::streamoff>(in.tellg()) : 0;
  in.seekg(std::max<std::streamoff>(0, size - kLogTail));
  std::vector<std::string> lines;
  std::string line;
  while (std::getline(in, line)) lines.push_back(line);
  if (size > kLogTail && lines.size() > 1) lines.erase(lines.begin());  // it begins in the middle of one
  return lines;
}

ordered_json describe_page(const runtime::Snapshot& page) {
  ordered_json json;
  json["status"] = to_string(page.status);
  json["phase"] = to_string(page.phase);
  json["step"] = page.step;
  json["micro_batch"] = page.micro_batch;
  json["epoch"] = page.epoch;
  json["last_message"] = page.last_message;
  json["handled"] = page.handled;
  json["queued"] = page.queued;
  json["stale_rejected"] = page.stale_rejected;
  json["dead_letters"] = page.dead_letters;
  json["updated_ns"] = page.updated_ns;
  json["busy_since_ns"] = page.busy_since_ns;
  return json;
}

ordered_json describe_flight(const std::vector<runtime::FlightRecord>& records) {
  ordered_json list = ordered_json::array();
  for (const runtime::FlightRecord& record : records) {
    ordered_json json;
    json["number"] = record.number;
    json["began_ns"] = record.began_ns;
    json["message"] = record.message;
    json["sender"] = record.sender;
    json["cause"] = record.cause;
    json["step"] = record.step;
    json["micro_batch"] = record.micro_batch;
    list.push_back(std::move(json));
  }
  return list;
}

ordered_json describe(const Death& death) {
  ordered_json json;
  json["actor"] = death.actor.name;
  json["incarnation"] = death.actor.incarnation;
  json["node"] = death.node;
  json["pid"] = death.process;
  json["time"] = wall_time();
  json["monotonic_ns"] = std::chrono::steady_clock::now().time_since_epoch().count();
  json["lived_seconds"] = death.lived_seconds;
  json["cause"] = death.cause.text;
  const fs::path pages = death.run_directory / "actors";
  const auto page = runtime::read_status_page(pages, death.actor);
  const bool is_its_own = page && page->process == death.process;  // else of an earlier run in the same folder
  if (is_its_own) json["doing"] = describe_page(*page);
  if (!death.threads.empty()) json["threads"] = death.threads;
  json["messages"] =
      describe_flight(is_its_own ? runtime::read_flight(pages, death.actor) : std::vector<runtime::FlightRecord>{});
  json["log"] = tail_of(death.run_directory / "logs" / (flat_name(death.actor.name) + ".log"));
  return json;
}

void drop_oldest(const fs::path& folder) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".json") files.emplace_back(at->last_write_time(error), at->path());
  }
  if (files.size() <= kMostPostMortems) return;
  std::sort(files.begin(), files.end());
  for (std::size_t i = 0; i + kMostPostMortems < files.size(); ++i) fs::remove(files[i].second, error);
}

}  // namespace

fs::path post_mortem_file(const runtime::ActorId& actor) {
  return fs::path("post-mortem") / (flat_name(actor.name) + "#" + std::to_string(actor.incarnation) + ".json");
}

runtime::Result<fs::path> write_post_mortem(const Death& death) {
  const fs::path file = death.run_directory / post_mortem_file(death.actor);
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  const fs::path aside = file.string() + ".new";
  std::ofstream out(aside, std::ios::trunc);
  out << describe(death).dump(1, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  out.close();
  if (!out || std::rename(aside.c_str(), file.c_str()) != 0) {
    fs::remove(aside, error);
    return runtime::Failure{runtime::FailureKind::faulted, "cannot write " + file.string()};
  }
  drop_oldest(file.parent_path());
  return file;
}

}  // namespace troupe::scheduler
