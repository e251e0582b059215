#include "runtime/simulation/witness.hpp"

namespace troupe::runtime::simulation {

namespace {

// Beyond the deadline: the asker's clock may be slow by a twentieth, and its turn has to come.
constexpr Duration kGrace = std::chrono::milliseconds(60);
constexpr int kClockPart = 18;
constexpr Duration kHeldUpGrace = std::chrono::seconds(1);

Duration latest(Duration deadline) {
  return deadline + deadline / kClockPart + kGrace;
}

}  // namespace

void Witness::handles(const Context& context, Order order, std::uint64_t number) {
  const Header& header = context.current().header;
  const ActorId& self = context.self();
  const TimePoint now = world_.events.now();
  world_.trace.add(now, number, [&] {
    return "handle " + std::string(context.current().name()) + " " + std::to_string(number) + " in " + self.describe() +
           (header.epoch == 0 ? "" : " (message " + std::to_string(header.epoch) + ")");
  });
  if (header.receiver_incarnation != 0 && header.receiver_incarnation != self.incarnation) {
    violate(std::string(context.current().name()) + " for incarnation " + std::to_string(header.receiver_incarnation) +
            " was handled by " + self.describe());
  }
  world_.ledger.handled(header, now);
  const Pair pair{header.sender, header.sender_incarnation, name_hash(self.name), self.incarnation, order};
  std::uint64_t& last = last_handled_[pair];
  if (number <= last) {
    violate(self.describe() + " handled number " + std::to_string(number) + " of one sender after " +
            std::to_string(last));
  }
  last = number;
}

std::uint64_t Witness::asks(const SimulatedProcess& process, const std::string& what, Duration deadline) {
  requests_.push_back({&process, what, world_.events.now(), deadline});
  const std::uint64_t request = requests_.size();
  world_.events.after(latest(deadline), [this, request] { look_at(request); });
  return request;
}

void Witness::ended(std::uint64_t request) {
  Request& row = requests_[request - 1];
  world_.trace.add(world_.events.now(), request, [&] { return "outcome of " + row.what; });
  if (!row.is_open) violate("a second outcome of " + row.what);
  row.is_open = false;
}

void Witness::look_at(std::uint64_t request) {
  const Request& row = requests_[request - 1];
  if (!row.is_open || !row.process->is_alive()) return;
  if (row.process->was_held_up(row.asked) && world_.events.now() - row.asked < row.deadline + 4 * kHeldUpGrace) {
    return world_.events.after(kHeldUpGrace, [this, request] { look_at(request); });
  }
  violate(
      row.what + " has no outcome " +
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(world_.events.now() - row.asked).count()) +
      " ms after it was asked");
}

void Witness::close() {
  for (const Request& row : requests_) {
    const bool is_over = world_.events.now() - row.asked > latest(row.deadline);
    if (row.is_open && is_over && row.process->is_alive()) violate(row.what + " never had an outcome");
  }
}

}  // namespace troupe::runtime::simulation
