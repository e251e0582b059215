#include "runtime/placing/actor_classes.hpp"

#include "runtime/observe/nearest_word.hpp"

#include <exception>
#include <stdexcept>

namespace troupe::runtime {

Failure Arguments::wrong(std::string_view wanted) const {
  std::string what = name_.empty() ? "nothing" : "a " + name_;
  if (name_.empty() && !payloads_.empty()) what = "bulk bytes";
  return {FailureKind::unknown, "arguments are to be " + std::string(wanted) + ", and are " + what};
}

Result<Payload> Arguments::as_payload() const {
  if (!name_.empty() || payloads_.size() != 1) return wrong("bulk bytes");
  return payloads_.front();
}

void ActorClasses::insert(std::string name, Factory factory) {
  if (name.empty() || name.size() > kMaxNameBytes) throw std::invalid_argument("a class's name has 1 to 200 letters");
  const auto [at, is_new] = factories_.emplace(std::move(name), std::move(factory));
  if (!is_new) throw std::invalid_argument("there is already a class named " + at->first);
}

/// Runs code that is not the runtime's, in the turn of an actor that has others to keep alive: what it throws ends
/// here.
Result<std::unique_ptr<Actor>> ActorClasses::call(const Factory& factory, const Arguments& arguments) {
  try {
    return factory(arguments);
  } catch (const std::exception& problem) {
    return Failure{FailureKind::faulted, std::string(problem.what()) + " (while it was made)"};
  } catch (...) {
    return Failure{FailureKind::faulted, "an exception that is no std::exception (while it was made)"};
  }
}

Result<std::unique_ptr<Actor>> ActorClasses::make(std::string_view name, const Arguments& arguments) const {
  const auto found = factories_.find(name);
  if (found == factories_.end()) {
    std::string there;
    for (const auto& [each, factory] : factories_) there += (there.empty() ? "" : ", ") + each;
    return Failure{FailureKind::unknown, "no class named " + std::string(name) + " here" + did_you_mean(names(), name) +
                                             "; there are: " + (there.empty() ? "none" : there)};
  }
  Result<std::unique_ptr<Actor>> made = call(found->second, arguments);
  if (!made) return made.failure().within("class " + found->first);
  if (*made == nullptr) return Failure{FailureKind::unknown, "class " + found->first + " made no actor"};
  return made;
}

std::vector<std::string> ActorClasses::names() const {
  std::vector<std::string> names;
  for (const auto& [name, factory] : factories_) names.push_back(name);
  return names;
}

}  // namespace troupe::runtime
