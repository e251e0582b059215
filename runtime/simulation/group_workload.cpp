#include "runtime/gather.hpp"
#include "runtime/simulation/workload.hpp"

#include <string>
#include <utility>

namespace troupe::runtime::simulation {

namespace {

constexpr Duration kRoundLeast = std::chrono::milliseconds(3);
constexpr Duration kRoundMost = std::chrono::milliseconds(25);
constexpr Duration kGatherLeast = std::chrono::milliseconds(10);
constexpr Duration kGatherMost = std::chrono::milliseconds(400);
constexpr std::size_t kMembersEach = 2;

struct NextRound {
  static constexpr std::string_view kName = "simulation.next_round";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Share {
  static constexpr std::string_view kName = "simulation.share";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

struct Collect {
  static constexpr std::string_view kName = "simulation.collect";
  std::uint64_t number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

struct Part {
  static constexpr std::string_view kName = "simulation.part";
  std::uint64_t number = 0;
  std::string member;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, member);
  }
};

/// One of a group: hears what is told to all, and gives its part when asked.
///
/// Thread-safety: as any actor.
/// Ownership:     borrows the witness.
/// Errors:        tells the witness.
/// Restart:       begins anew.
class Member final : public Actor {
public:
  explicit Member(Witness& witness) : witness_(witness) {}
  Behavior behavior() override { return {on(this, &Member::hear), on(this, &Member::give)}; }

private:
  void hear(const Share& message, Context& context) { witness_.handles(context, Witness::Order::sent, message.number); }
  void give(const Collect& message, Context& context) {
    witness_.handles(context, Witness::Order::sent, message.number);
    if (witness_.random().one_in(20)) return context.reply_failure({FailureKind::faulted, "on purpose"});
    context.reply(Part{message.number, context.self().name});
  }

  Witness& witness_;
};

/// Tells all members, and gathers from them, again and again.
///
/// Thread-safety: as any actor.
/// Ownership:     borrows witness and process.
/// Errors:        tells the witness.
/// Restart:       begins anew.
class Caller final : public Actor {
public:
  Caller(Witness& witness, const SimulatedProcess& process, std::vector<ActorId> members)
      : witness_(witness), process_(process), members_(std::move(members)) {}
  Behavior behavior() override { return {on(this, &Caller::next_round)}; }
  void on_start(Context& context) override { (void)context.after(kRoundLeast, NextRound{}); }

private:
  void next_round(const NextRound&, Context& context) {
    if (!witness_.is_active()) return;
    (void)broadcast(context, members_, Share{witness_.next_number()});
    const std::uint64_t number = witness_.next_number();
    const Duration deadline = witness_.random().between(kGatherLeast, kGatherMost);
    const std::uint64_t request =
        witness_.asks(process_, "gather " + std::to_string(number) + " of " + context.self().describe(), deadline);
    gather<Part>(context, members_, Collect{number}, deadline,
                 [this, request, number](const std::vector<Result<Part>>& parts, Context&) {
                   witness_.ended(request);
                   check(parts, number);
                 });
    (void)context.after(witness_.random().between(kRoundLeast, kRoundMost), NextRound{});
  }

  void check(const std::vector<Result<Part>>& parts, std::uint64_t number) {
    if (parts.size() != members_.size()) witness_.violate("a gather has not one outcome for each member");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool is_other = parts[i] && (parts[i]->number != number || parts[i]->member != members_[i].name);
      if (is_other) witness_.violate("a gather has the part of " + parts[i]->member + " for " + members_[i].name);
    }
  }

  Witness& witness_;
  const SimulatedProcess& process_;
  const std::vector<ActorId> members_;
};

/// Thread-safety: as Workload.
/// Ownership:     as Workload.
/// Errors:        as Workload.
/// Restart:       as Workload.
class GroupWorkload final : public Workload {
public:
  GroupWorkload(Witness& witness, const std::vector<std::string>& processes)
      : witness_(witness), caller_(processes.front()) {
    for (const std::string& process : processes) {
      for (std::size_t i = 0; i < kMembersEach; ++i) members_.push_back({member_name(process, i), 0});
    }
  }

  std::vector<Placed> actors_of(SimulatedProcess& process) override {
    std::vector<Placed> placed;
    for (std::size_t i = 0; i < kMembersEach; ++i) {
      placed.push_back({member_name(process.options().name, i), std::make_unique<Member>(witness_)});
    }
    if (process.options().name == caller_) {
      placed.push_back({"caller", std::make_unique<Caller>(witness_, process, members_)});
    }
    return placed;
  }

private:
  static std::string member_name(const std::string& process, std::size_t number) {
    return process + "/m" + std::to_string(number);
  }

  Witness& witness_;
  const std::string caller_;
  std::vector<ActorId> members_;
};

}  // namespace

std::unique_ptr<Workload> make_group_workload(Witness& witness, std::vector<std::string> processes) {
  return std::make_unique<GroupWorkload>(witness, processes);
}

}  // namespace troupe::runtime::simulation
