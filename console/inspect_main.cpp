#include "console/cli/version.hpp"
#include "console/command_table.hpp"
#include "console/commands.hpp"
#include "console/report.hpp"
#include "console/run_folder.hpp"
#include "console/view/doctor.hpp"
#include "console/view/follow.hpp"
#include "console/view/inspect.hpp"
#include "console/view/render.hpp"
#include "console/view/selection.hpp"
#include "console/view/table.hpp"

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <limits>

namespace troupe::console {
namespace {

std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// One line about the run itself, so that a list of dead actors explains itself.
std::string describe_head(const RunFolder& folder) {
  const auto info = read_head_info(folder);
  if (!info) return "run " + folder.root.string() + ": no head.json";
  std::string text = "run " + folder.root.string() + ": head pid " + std::to_string(info->process) + " " + info->state;
  if (info->state == "running" && !is_run_alive(folder)) {
    const bool led_nodes = info->endpoint.starts_with("tcp://");
    text += std::string(", but that process is gone: `troupe ") + (led_nodes ? "head" : "train") + " --resume`";
  }
  return text;
}

FollowOptions follow_options(const ParsedCommand& command, const RunFolder& folder) {
  FollowOptions options;
  if (command.has("follow")) options.until = FollowOptions::Until::run_over;
  constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();
  options.last_lines = static_cast<std::size_t>(command.integer("lines", kAll, 0, kAll));
  if (!command.has("lines")) options.last_lines = std::numeric_limits<std::size_t>::max();
  options.is_run_over = [folder] { return !is_run_alive(folder); };
  return options;
}

/// Every line at once: whoever reads the other end of a pipe wants to see it now.
void print_line(const std::string& line) {
  std::cout << line << std::endl;
}

/// Those that a name means, of all the run has had, or a group, of the job as it is now.
std::vector<ActorView> select_in(const RunFolder& folder, const std::string& text) {
  std::vector<ActorView> actors = look_at_run(folder);
  if (is_group_text(text)) actors = only_job_actors(std::move(actors));
  return select_actors(actors, text);
}

void print_log(const RunFolder& folder, const std::string& name, const ParsedCommand& command) {
  const std::filesystem::path file = folder.log(name);
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    const std::vector<ActorView> actors = look_at_run(folder);
    const ActorView& actor = find_actor(actors, name);
    throw CommandError(ExitCode::not_found, actor.name + " has no log here (" + file.string() +
                                                "): it runs in the head's process, or on another host");
  }
  follow_file(file, follow_options(command, folder), print_line);
}

}  // namespace

int run_ps(const ParsedCommand& command) {
  const RunFolder folder = find_run_folder(command.get("run-dir"));
  std::vector<ActorView> actors = look_at_run(folder);
  if (!command.has("all")) actors = only_job_actors(std::move(actors));
  if (const std::string wanted = command.argument(0); !wanted.empty()) actors = select_actors(actors, wanted);
  if (command.wants_json()) {
    std::cout << json_text(actors_json(actors)) << "\n";
    return to_int(ExitCode::ok);
  }
  std::cerr << describe_head(folder) << "\n";
  std::cout << render_actors(actors, terminal_width(STDOUT_FILENO));
  return to_int(ExitCode::ok);
}

int run_show(const ParsedCommand& command) {
  const RunFolder folder = find_run_folder(command.get("run-dir"));
  std::vector<ActorView> actors = select_in(folder, command.argument(0));
  look_at_messages(folder, look_at_run(folder), actors);
  if (command.wants_json()) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const ActorView& each : actors) all.push_back(actor_json(each));
    std::cout << json_text(is_group_text(command.argument(0)) ? all : all.front()) << "\n";
    return to_int(ExitCode::ok);
  }
  std::cerr << describe_head(folder) << "\n";
  for (const ActorView& each : actors) {
    std::cout << (&each == &actors.front() ? "" : "\n") << render_actor(each, terminal_width(STDOUT_FILENO));
  }
  return to_int(ExitCode::ok);
}

int run_logs(const ParsedCommand& command) {
  const RunFolder folder = find_run_folder(command.get("run-dir"));
  const std::string wanted = command.argument(0);
  if (!is_group_text(wanted)) {
    print_log(folder, wanted, command);
    return to_int(ExitCode::ok);
  }
  const std::vector<ActorView> actors = select_in(folder, wanted);
  if (actors.size() > 1 && command.has("follow")) {
    throw CommandError(ExitCode::usage, wanted + " selects " + std::to_string(actors.size()) +
                                            " actors: --follow goes on with one alone");
  }
  for (const ActorView& each : actors) {
    if (actors.size() > 1) print_line("==> " + each.name + " <==");
    print_log(folder, each.name, command);
  }
  return to_int(ExitCode::ok);
}

int run_events(const ParsedCommand& command) {
  const RunFolder folder = find_run_folder(command.get("run-dir"));
  const auto print = [&](const std::string& line) { print_line(command.wants_json() ? line : render_event(line)); };
  follow_file(folder.events(), follow_options(command, folder), print);
  return to_int(ExitCode::ok);
}

int run_report(const ParsedCommand& command) {
  std::cout << write_report(find_run_folder(command.get("run-dir"))).string() << "\n";
  return to_int(ExitCode::ok);
}

int run_doctor(const ParsedCommand& command) {
  const std::vector<Check> checks = judge_machine(look_at_machine(std::filesystem::current_path()));
  if (command.wants_json()) {
    std::cout << checks_json(checks) << "\n";
  } else {
    std::cout << render_checks(checks);
  }
  return to_int(has_failure(checks) ? ExitCode::failed : ExitCode::ok);
}

int run_version(const ParsedCommand& command) {
  std::cout << (command.wants_json() ? version_json() : render_version()) << "\n";
  return to_int(ExitCode::ok);
}

int run_help(const ParsedCommand& command) {
  std::cout << render_help(command.argument(0));
  return to_int(ExitCode::ok);
}

}  // namespace troupe::console
