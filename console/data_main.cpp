#include "actors/machine_memory.hpp"
#include "console/commands.hpp"
#include "console/view/render.hpp"
#include "gpt2/data/dataset.hpp"
#include "gpt2/data/partition.hpp"
#include "gpt2/data/token_file.hpp"
#include "gpt2/data/tokenizer.hpp"
#include "gpt2/store/storage.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

/// tokenize and partition: the data side without a model.
namespace troupe::console {
namespace {

std::string read_input(const std::string& name) {
  if (name == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::error_code ignored;
  if (std::filesystem::is_directory(name, ignored)) {
    throw CommandError(ExitCode::not_found, "cannot read " + name + ": it is a folder");
  }
  std::ifstream file(name, std::ios::binary);
  if (!file) throw CommandError(ExitCode::not_found, "cannot read " + name + ": " + std::strerror(errno));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<gpt2::TokenId> read_tokens(const std::string& text) {
  std::vector<gpt2::TokenId> tokens;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    gpt2::TokenId token = 0;
    const auto [stop, problem] = std::from_chars(word.data(), word.data() + word.size(), token);
    if (problem != std::errc{} || stop != word.data() + word.size()) {
      throw CommandError(ExitCode::usage, "word " + std::to_string(tokens.size() + 1) + " of the input, \"" + word +
                                              "\", is no token: --decode reads numbers with spaces between");
    }
    tokens.push_back(token);
  }
  return tokens;
}

std::string as_line(const std::vector<gpt2::TokenId>& tokens) {
  std::string line;
  for (const gpt2::TokenId token : tokens) {
    if (!line.empty()) line += ' ';
    line += std::to_string(token);
  }
  return line;
}

/// "label" or "label group" a line; with groups every line has one.
void read_labels(const std::string& file, gpt2::PartitionRequest& request) {
  std::istringstream lines(read_input(file));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string label;
    std::string group;
    words >> label >> group;
    const std::size_t number = request.labels.size() + 1;
    const bool is_first = request.labels.empty();
    const bool has_groups = !request.groups.empty() || (is_first && !group.empty());
    if (label.empty() || has_groups == group.empty()) {
      throw CommandError(ExitCode::usage, file + ":" + std::to_string(number) +
                                              (label.empty() ? ": the line is empty"
                                               : has_groups  ? ": no group, though lines before have one"
                                                             : ": a group, though lines before have none"));
    }
    request.labels.push_back(label);
    if (has_groups) request.groups.push_back(group);
  }
  if (request.labels.empty()) throw CommandError(ExitCode::usage, file + " has no lines: there is nothing to cut");
}

void check_memory(const gpt2::PartitionRequest& request, double machine) {
  constexpr double kBytesPerItem = 24.0;  // the items, the same shuffled, and in their parts
  const double bytes = kBytesPerItem * static_cast<double>(request.count);
  if (bytes <= machine) return;
  throw CommandError(ExitCode::usage, "--count " + std::to_string(request.count) + " needs " +
                                          actors::gigabytes(bytes) + " of memory, this machine has " +
                                          actors::gigabytes(machine) + ": use a smaller --count");
}

gpt2::PartitionRequest partition_request(const ParsedCommand& command) {
  if (command.has("count") == command.has("labels")) {
    throw CommandError(ExitCode::usage, "give either --count N or --labels FILE");
  }
  gpt2::PartitionRequest request;
  request.count = static_cast<std::uint64_t>(command.integer("count", 0, 0, std::int64_t{1} << 62));
  request.parts = static_cast<std::uint32_t>(command.integer("parts", 1, 0, 1'000'000));
  request.mode = gpt2::parse_partition_mode(command.get("mode", std::string(gpt2::to_string(request.mode))));
  request.bound = command.number("bound", request.bound, 0.0, 1.0);
  request.seed = static_cast<std::uint64_t>(command.integer("seed", 1, 0, std::int64_t{1} << 62));
  if (command.has("labels")) read_labels(command.get("labels"), request);
  check_memory(request, static_cast<double>(actors::machine_memory()));
  return request;
}

void write_or_throw(const std::filesystem::path& file, const std::string& bytes) {
  const std::string problem = gpt2::replace_file(std::filesystem::absolute(file), bytes);
  if (!problem.empty()) throw std::runtime_error(problem);
}

int write_token_file(const ParsedCommand& command, const gpt2::Tokenizer& tokenizer, const std::string& text) {
  const bool is_lines = command.get("format", "stream") == "lines";
  const gpt2::EncodedLines encoded =
      is_lines ? gpt2::encode_lines(text, tokenizer) : gpt2::EncodedLines{tokenizer.encode(text), 0};
  if (encoded.tokens.empty()) throw CommandError(ExitCode::usage, "the input is empty: there is nothing to write");
  const gpt2::TokenFileHead head{std::string(tokenizer.name()), static_cast<std::uint32_t>(tokenizer.vocabulary()),
                                 encoded.lines};
  write_or_throw(command.get("out"), gpt2::token_file_bytes(head, encoded.tokens));
  std::cerr << "wrote " << encoded.tokens.size() << " tokens to " << command.get("out") << "\n";
  return to_int(ExitCode::ok);
}

void write_parts(const std::filesystem::path& folder, const gpt2::PartitionResult& result) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) throw std::runtime_error("cannot make " + folder.string() + ": " + problem.message());
  for (std::size_t part = 0; part < result.parts.size(); ++part) {
    std::string text;
    for (const std::uint64_t item : result.parts[part]) text += std::to_string(item) + "\n";
    write_or_throw(folder / ("part-" + std::to_string(part) + ".txt"), text);
  }
  // Last: a folder with a report has all its parts.
  write_or_throw(folder / "report.json", gpt2::partition_json(result) + "\n");
}

}  // namespace

int run_tokenize(const ParsedCommand& command) {
  const auto tokenizer = gpt2::make_tokenizer(command.get("tokenizer", "bytes"));
  const std::string input = read_input(command.argument(0, "-"));
  if (command.has("out")) return write_token_file(command, *tokenizer, input);
  const auto tokens = command.has("decode") ? read_tokens(input) : tokenizer->encode(input);
  if (command.wants_json()) {
    nlohmann::ordered_json json = {{"tokenizer", tokenizer->name()}, {"count", tokens.size()}, {"tokens", tokens}};
    if (command.has("decode")) json["text"] = tokenizer->decode(tokens);
    print_json(json);
  } else if (command.has("decode")) {
    std::cout << tokenizer->decode(tokens);
  } else {
    std::cout << as_line(tokens) << "\n";
  }
  return to_int(ExitCode::ok);
}

int run_partition(const ParsedCommand& command) {
  const gpt2::PartitionResult result = gpt2::partition(partition_request(command));
  if (command.has("out")) write_parts(command.get("out"), result);
  if (command.wants_json()) {
    std::cout << gpt2::partition_json(result) << "\n";
  } else {
    std::cout << gpt2::partition_table(result);
  }
  return to_int(ExitCode::ok);
}

}  // namespace troupe::console
