#include "actors/config/job_config.hpp"
#include "console/command_table.hpp"
#include "console/commands.hpp"
#include "gpt2/data/data_error.hpp"

#include <array>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using troupe::console::ExitCode;
using troupe::console::ParsedCommand;

struct Handler {
  std::string_view command;
  int (*run)(const ParsedCommand&);
};

int dispatch(const ParsedCommand& command) {
  namespace console = troupe::console;
  constexpr std::array kHandlers = {
      Handler{"train", console::run_train},
      Handler{"head", console::run_head},
      Handler{"node", console::run_node},
      Handler{"worker", console::run_worker},
      Handler{"ps", console::run_ps},
      Handler{"show", console::run_show},
      Handler{"kill", console::run_kill},
      Handler{"logs", console::run_logs},
      Handler{"events", console::run_events},
      Handler{"report", console::run_report},
      Handler{"generate", console::run_generate},
      Handler{"eval", console::run_eval},
      Handler{"digest", console::run_digest},
      Handler{"tokenize", console::run_tokenize},
      Handler{"partition", console::run_partition},
      Handler{"doctor", console::run_doctor},
      Handler{"simulate", console::run_simulate},
      Handler{"version", console::run_version},
      Handler{"help", console::run_help},
  };
  for (const Handler& handler : kHandlers) {
    if (handler.command == command.command) return handler.run(command);
  }
  throw std::logic_error("command " + command.command + " has no handler");
}

/// A full disk or a closed pipe behind stdout shows only when the last bytes go out.
int flushed(int status) {
  std::cout.flush();
  if (std::cout) return status;
  std::cerr << "troupe: cannot write to standard output\n";
  return to_int(ExitCode::failed);
}

int report(std::string_view message, ExitCode code) {
  std::cout.flush();
  std::cerr << "troupe: " << message << (message.ends_with('\n') ? "" : "\n");
  return to_int(code);
}

}  // namespace

int troupe::console::run_program(const std::vector<std::string>& words) {
  try {
    return flushed(dispatch(parse_command(words)));
  } catch (const CommandError& error) {
    return report(error.what(), error.code());
  } catch (const actors::ConfigError& error) {
    return report(error.what(), ExitCode::usage);
  } catch (const gpt2::DataError& error) {
    return report(error.what(), ExitCode::usage);
  } catch (const std::exception& error) {
    return report(error.what(), ExitCode::failed);
  }
}

int main(int count, char** arguments) {
  return troupe::console::run_program({arguments + 1, arguments + count});
}
