#pragma once

#include "console/parsed_command.hpp"

#include <string>
#include <vector>

/// One function for each row of the table of commands. Each prints data on stdout, talk on stderr, and returns the exit
/// status, or throws CommandError. Implemented in the *_main.cpp files, where the layers meet.
namespace troupe::console {

/// The program (troupe_main.cpp): runs the command that `words` say, and tells on stderr what failed.
int run_program(const std::vector<std::string>& words);

// train_main.cpp, node_main.cpp, worker_main.cpp
int run_train(const ParsedCommand& command);
int run_head(const ParsedCommand& command);
int run_node(const ParsedCommand& command);
int run_worker(const ParsedCommand& command);
int run_kill(const ParsedCommand& command);

// inspect_main.cpp
int run_ps(const ParsedCommand& command);
int run_show(const ParsedCommand& command);
int run_logs(const ParsedCommand& command);
int run_events(const ParsedCommand& command);
int run_report(const ParsedCommand& command);
int run_doctor(const ParsedCommand& command);
int run_simulate(const ParsedCommand& command);
int run_version(const ParsedCommand& command);
int run_help(const ParsedCommand& command);

// model_main.cpp
int run_generate(const ParsedCommand& command);
int run_eval(const ParsedCommand& command);
int run_digest(const ParsedCommand& command);

// data_main.cpp
int run_tokenize(const ParsedCommand& command);
int run_partition(const ParsedCommand& command);

}  // namespace troupe::console
