#include "runtime/simulation/workload.hpp"
#include "runtime/supervision/supervisor.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

namespace troupe::runtime::simulation {

namespace {

constexpr Duration kWorkLeast = std::chrono::milliseconds(2);
constexpr Duration kWorkMost = std::chrono::milliseconds(40);
constexpr std::size_t kChildren = 4;
constexpr std::uint64_t kFailOneIn = 25;

struct Work {
  static constexpr std::string_view kName = "simulation.work";
  template <class Archive>
  void serialize(Archive&) {}
};

/// What is known of the children of one supervisor, from outside: the check of SV-1 to SV-4.
struct Nursery {
  struct Child {
    Restart restart = Restart::permanent;
    int objects = 0;           ///< more than one only for a moment: a name that is taken is refused
    std::uint32_t family = 0;  ///< number of the supervisor that has made it last
    std::uint32_t lives = 0;   ///< that this supervisor has given it
    std::uint32_t newest = 0;  ///< incarnation
    TimePoint made;
  };
  RestartScope scope = RestartScope::one_for_one;
  std::vector<Child> children;
  std::uint32_t supervisors = 0;  ///< started so far: each begins with all children

  /// A child is made; what is wrong with that, or nothing.
  [[nodiscard]] std::string make(std::size_t at, TimePoint now) {
    Child& child = children[at];
    if (child.family != supervisors) child.lives = 0;
    child.family = supervisors;
    child.made = now;
    if (++child.lives > 1 && child.restart == Restart::temporary) return "a temporary child is started again";
    for (std::size_t other = 0; other < children.size(); ++other) {
      const bool is_touched = scope == RestartScope::one_for_all || (scope == RestartScope::rest_for_one && other > at);
      const Child& sibling = children[other];
      if (other == at || !is_touched || sibling.objects == 0 || sibling.family != supervisors) continue;
      if (sibling.made != now) return "a child is started while one lives that had to stop with it";
      if (other > at) return "children are not started in the order of the list";
    }
    return {};
  }
  /// It has its first turn.
  [[nodiscard]] std::string start(std::size_t at, std::uint32_t incarnation) {
    Child& child = children[at];
    if (child.objects != 1) return "a child is started while it lives";
    if (incarnation <= child.newest) return "a child is started under an incarnation that has been";
    child.newest = incarnation;
    return {};
  }
};

/// A child that works, and fails now and then.
///
/// Thread-safety: as any actor.
/// Ownership:     borrows the witness; shares the nursery with its siblings, which may outlive the supervisor.
/// Errors:        throws on purpose.
/// Restart:       begins anew.
class FrailChild final : public Actor {
public:
  FrailChild(Witness& witness, std::shared_ptr<Nursery> nursery, std::size_t at)
      : witness_(witness), nursery_(std::move(nursery)), at_(at) {
    ++nursery_->children[at_].objects;
  }
  ~FrailChild() override { --nursery_->children[at_].objects; }
  FrailChild(const FrailChild&) = delete;
  FrailChild& operator=(const FrailChild&) = delete;

  Behavior behavior() override { return {on(this, &FrailChild::work)}; }
  void on_start(Context& context) override {
    const std::string wrong = nursery_->start(at_, context.self().incarnation);
    if (!wrong.empty()) witness_.violate(context.self().describe() + ": " + wrong);
    if (witness_.is_active() && witness_.random().one_in(3 * kFailOneIn)) throw std::runtime_error("cannot start");
    (void)context.after(witness_.random().between(kWorkLeast, kWorkMost), Work{});
  }

private:
  void work(const Work&, Context& context) {
    if (!witness_.is_active()) return;
    if (witness_.random().one_in(kFailOneIn)) throw std::runtime_error("failed on purpose");
    if (witness_.random().one_in(2 * kFailOneIn)) return context.stop();
    (void)context.after(witness_.random().between(kWorkLeast, kWorkMost), Work{});
  }

  Witness& witness_;
  const std::shared_ptr<Nursery> nursery_;
  const std::size_t at_;
};

/// Thread-safety: as Workload.
/// Ownership:     shares the nurseries with the children.
/// Errors:        as Workload.
/// Restart:       as Workload.
class TreeWorkload final : public Workload {
public:
  TreeWorkload(Witness& witness, std::vector<std::string> processes)
      : witness_(witness), traffic_(make_requests_workload(witness, std::move(processes))) {}

  std::vector<Placed> actors_of(SimulatedProcess& process) override;
  void check_at_end(const std::vector<SimulatedProcess*>& processes) override;

private:
  [[nodiscard]] SupervisorSpec tree(const std::string& name, const std::shared_ptr<Nursery>& nursery);

  Witness& witness_;
  const std::unique_ptr<Workload> traffic_;
  std::map<std::string, std::shared_ptr<Nursery>> nurseries_;  // of the living processes
};

SupervisorSpec TreeWorkload::tree(const std::string& name, const std::shared_ptr<Nursery>& nursery) {
  SupervisorSpec spec;
  spec.scope = nursery->scope;
  spec.seed = witness_.random().next();
  spec.limits.max_restarts = static_cast<int>(witness_.random().below(8)) + 2;
  spec.limits.window = std::chrono::milliseconds(500);
  spec.limits.backoff = {Duration{0}, std::chrono::milliseconds(5), std::chrono::milliseconds(20)};
  for (std::size_t at = 0; at < nursery->children.size(); ++at) {
    ChildSpec child;
    child.name = name + "/c" + std::to_string(at);
    child.restart = nursery->children[at].restart;
    child.make = [this, nursery, at, label = child.name] {
      const TimePoint now = witness_.world().events.now();
      witness_.world().trace.add(now, at, [&label] { return "start child " + label; });
      if (const std::string wrong = nursery->make(at, now); !wrong.empty()) witness_.violate(label + ": " + wrong);
      return std::make_unique<FrailChild>(witness_, nursery, at);
    };
    spec.children.push_back(std::move(child));
  }
  return spec;
}

std::vector<Workload::Placed> TreeWorkload::actors_of(SimulatedProcess& process) {
  Random& random = witness_.random();
  const std::string& name = process.options().name;
  auto nursery = std::make_shared<Nursery>();
  nursery->scope = static_cast<RestartScope>(random.below(3));
  for (std::size_t at = 0; at < kChildren; ++at) {
    nursery->children.emplace_back();
    nursery->children.back().restart = static_cast<Restart>(random.below(3));
  }
  nurseries_[name] = nursery;
  std::vector<Placed> placed = traffic_->actors_of(process);
  // The inner supervisor gives up when it fails too often; the outer one starts it again.
  SupervisorSpec root;
  root.limits.max_restarts = 1000;
  root.limits.backoff = {std::chrono::milliseconds(1)};
  ChildSpec inner;
  inner.name = name + "/inner";
  inner.make = [this, name, nursery]() -> std::unique_ptr<Actor> {
    ++nursery->supervisors;
    return std::make_unique<Supervisor>(tree(name, nursery));
  };
  root.children.push_back(std::move(inner));
  placed.push_back({name + "/root", std::make_unique<Supervisor>(std::move(root))});
  return placed;
}

void TreeWorkload::check_at_end(const std::vector<SimulatedProcess*>& processes) {
  for (SimulatedProcess* const process : processes) {
    const std::string& name = process->options().name;
    const Nursery& nursery = *nurseries_.at(name);
    for (std::size_t at = 0; at < nursery.children.size(); ++at) {
      const Nursery::Child& child = nursery.children[at];
      if (child.family != nursery.supervisors && child.objects > 0) {
        witness_.violate(name + "/c" + std::to_string(at) + " has outlived its supervisor");
      }
      if (child.restart != Restart::permanent || child.objects > 0) continue;
      witness_.violate(name + "/c" + std::to_string(at) + " is down for good, and was to be started always");
    }
  }
}

}  // namespace

std::unique_ptr<Workload> make_tree_workload(Witness& witness, std::vector<std::string> processes) {
  return std::make_unique<TreeWorkload>(witness, std::move(processes));
}

}  // namespace troupe::runtime::simulation
