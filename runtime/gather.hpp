#pragma once

#include "runtime/context.hpp"
#include "runtime/group/group.hpp"

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// Sends a copy of `message` to each; what each send() said, in the order of `targets`.
template <Message M>
std::vector<Result<Done>> broadcast(Context& context, const std::vector<ActorId>& targets, const M& message) {
  std::vector<Result<Done>> sent;
  sent.reserve(targets.size());
  for (const ActorId& target : targets) sent.push_back(context.send(target, message));
  return sent;
}

/// The same to every actor of a group or a slice, in its order.
template <Message M, std::same_as<Group> G>
std::vector<Result<Done>> broadcast(Context& context, const G& group, const M& message) {
  return broadcast(context, group.actors(), message);
}

/// Asks all of `targets` and calls `then(std::vector<Result<Reply>>, Context&)` once, in a turn of this actor, when
/// each has an outcome, at the latest at the deadline; the outcomes are in the order of `targets`. Of nobody the
/// outcome is there at once: `then` is called before gather() returns.
template <Message Reply, Message M, class Then>
void gather(Context& context, const std::vector<ActorId>& targets, const M& message, Duration deadline, Then then) {
  if (targets.empty()) return then(std::vector<Result<Reply>>{}, context);
  struct Gathered {
    std::vector<std::optional<Result<Reply>>> outcomes;
    std::size_t missing;
    Then then;
  };
  // Shared by the requests, of which the last calls.
  const auto gathered = std::make_shared<Gathered>(
      Gathered{std::vector<std::optional<Result<Reply>>>(targets.size()), targets.size(), std::move(then)});
  for (std::size_t at = 0; at < targets.size(); ++at) {
    context.request<Reply>(targets[at], message, deadline, [gathered, at](Result<Reply> outcome, Context& turn) {
      gathered->outcomes[at].emplace(std::move(outcome));
      if (--gathered->missing > 0) return;
      std::vector<Result<Reply>> outcomes;
      outcomes.reserve(gathered->outcomes.size());
      for (std::optional<Result<Reply>>& each : gathered->outcomes) outcomes.push_back(std::move(*each));
      gathered->then(std::move(outcomes), turn);
    });
  }
}

/// The same for every actor of a group or a slice; outcomes in its order.
template <Message Reply, Message M, class Then, std::same_as<Group> G>
void gather(Context& context, const G& group, const M& message, Duration deadline, Then then) {
  gather<Reply>(context, group.actors(), message, deadline, std::move(then));
}

}  // namespace troupe::runtime
