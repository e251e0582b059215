#include "scheduler/worker_input.hpp"

#include "scheduler/shallow_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <stdexcept>

namespace troupe::scheduler {
namespace {

using nlohmann::json;

const json& field(const json& object, const char* name, json::value_t type) {
  const auto found = object.find(name);
  const bool number = type == json::value_t::number_unsigned;
  const bool fits = found != object.end() && (number ? found->is_number_unsigned() : found->type() == type);
  if (!fits) {
    throw std::runtime_error("the worker's input has no " + std::string(name) +
                             ": 'troupe worker' is started by a node agent, not by hand");
  }
  return *found;
}

}  // namespace

std::string WorkerInput::listen_address() const {
  if (listen.starts_with("tcp://")) return listen + ":*";
  std::string name = actor.name;
  std::replace(name.begin(), name.end(), '/', '_');
  return listen + "/" + name + "." + std::to_string(actor.incarnation);
}

std::string render_worker_input(const WorkerInput& input) {
  json object;
  object["actor"] = input.actor.name;
  object["incarnation"] = input.actor.incarnation;
  object["job"] = input.job;
  object["term"] = input.term;
  object["head"] = input.head_endpoint;
  object["head_incarnation"] = input.head_incarnation;
  object["run_directory"] = input.run_directory;
  object["listen"] = input.listen;
  object["job_text"] = input.job_text;
  object["memory"] = input.memory;
  return object.dump();
}

WorkerInput parse_worker_input(std::string_view text) {
  const json object = parse_shallow_json(text);
  const json empty = json::object();
  const json& from = object.is_object() ? object : empty;
  constexpr auto kText = json::value_t::string;
  constexpr auto kNumber = json::value_t::number_unsigned;
  WorkerInput input;
  input.actor.name = field(from, "actor", kText).get<std::string>();
  input.actor.incarnation = field(from, "incarnation", kNumber).get<std::uint32_t>();
  input.job = field(from, "job", kNumber).get<std::uint64_t>();
  input.term = field(from, "term", kNumber).get<std::uint32_t>();
  input.head_endpoint = field(from, "head", kText).get<std::string>();
  input.head_incarnation = field(from, "head_incarnation", kNumber).get<std::uint32_t>();
  input.run_directory = field(from, "run_directory", kText).get<std::string>();
  input.listen = field(from, "listen", kText).get<std::string>();
  input.job_text = field(from, "job_text", kText).get<std::string>();
  input.memory = field(from, "memory", kText).get<std::string>();
  return input;
}

}  // namespace troupe::scheduler
