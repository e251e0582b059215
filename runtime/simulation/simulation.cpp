#include "runtime/simulation/simulation.hpp"

#include "runtime/simulation/simulated_transport.hpp"
#include "runtime/simulation/workload.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace troupe::runtime::simulation {

namespace {

using std::chrono::milliseconds;

constexpr Duration kStill = milliseconds(900);  // of it nobody does anything: the last words arrive
constexpr Duration kPutOffBy = milliseconds(100);
constexpr Duration kMostDetection = milliseconds(30);
constexpr std::int64_t kMostClockPpm = 50'000;
constexpr std::uint64_t kMostEvents = 3'000'000;
constexpr std::uint32_t kLeastWindow = 4;
constexpr std::uint64_t kMostWindow = 32;

std::string process_name(std::size_t place) {
  return "n" + std::to_string(place);
}

WireMode draw_wire(Random& random) {
  constexpr std::array kDrawn = {WireMode::hostile, WireMode::hostile, WireMode::corrupt, WireMode::honest,
                                 WireMode::honest,  WireMode::honest,  WireMode::honest,  WireMode::honest};
  return kDrawn.at(random.below(kDrawn.size()));
}

/// The processes of one simulation, their faults, and who tells each of the others' deaths and starts, as a head does.
///
/// Thread-safety: one thread.
/// Ownership:     owns everything in it.
/// Errors:        in the outcome.
/// Restart:       runs once.
class Run {
public:
  Run(std::uint64_t seed, const Scenario& scenario, const SimulationOptions& options);
  SimulationOutcome run();

private:
  [[nodiscard]] static std::unique_ptr<Workload> make_workload(WorkloadKind kind, Witness& witness,
                                                               std::size_t processes);
  void start(std::size_t place);
  void crash(std::size_t place);
  void announce(std::size_t at, std::size_t place);
  void tell_of_death(std::size_t at, const std::vector<ActorId>& actors);
  void inflict(const Fault& fault);
  void block_for(std::size_t from, std::size_t to, Duration length);
  void come_to_rest(TimePoint planned);
  void check_at_end();

  struct Place {
    std::unique_ptr<SimulatedProcess> process;
    std::vector<ActorId> actors;
    std::uint32_t incarnation = 0;
  };

  Random random_;
  const Scenario& scenario_;
  const SimulationOptions& options_;
  const WorkloadKind kind_;
  const WireMode wire_;
  std::vector<Fault> faults_;
  Trace trace_;
  EventQueue events_;
  SimulatedNetwork network_;
  MailLedger ledger_;
  World world_;
  Witness witness_;
  std::unique_ptr<Workload> workload_;
  std::vector<std::unique_ptr<SimulatedProcess>> dead_;  // known to the witness
  std::vector<Place> places_;
  std::uint64_t processes_ = 0;
  TimePoint end_ = TimePoint::max();
  Duration put_off_{0};
};

Run::Run(std::uint64_t seed, const Scenario& scenario, const SimulationOptions& options)
    : random_(seed),
      scenario_(scenario),
      options_(options),
      kind_(scenario.workload.value_or(static_cast<WorkloadKind>(random_.below(4)))),
      wire_(scenario.wire.value_or(draw_wire(random_))),
      faults_(scenario.faults),
      trace_(options.reader),
      events_(random_.fork()),
      network_(events_, random_.fork(), trace_, wire_),
      ledger_(trace_),
      world_{events_, network_, ledger_, trace_},
      witness_(world_, random_.fork()),
      workload_(make_workload(kind_, witness_, scenario.processes)),
      places_(scenario.processes) {
  const FaultLimits limits{scenario.most_faults, scenario.kinds, scenario.processes, scenario.active};
  const Random faults = random_.fork();
  if (faults_.empty()) faults_ = draw_faults(limits, faults);
}

std::unique_ptr<Workload> Run::make_workload(WorkloadKind kind, Witness& witness, std::size_t processes) {
  std::vector<std::string> names;
  for (std::size_t place = 0; place < processes; ++place) names.push_back(process_name(place));
  switch (kind) {
    case WorkloadKind::requests:
      return make_requests_workload(witness, std::move(names));
    case WorkloadKind::group:
      return make_group_workload(witness, std::move(names));
    case WorkloadKind::tree:
      return make_tree_workload(witness, std::move(names));
    case WorkloadKind::training:
      return make_training_workload(witness, std::move(names));
  }
  return nullptr;
}

void Run::start(std::size_t place) {
  Place& here = places_[place];
  ProcessOptions options;
  options.name = process_name(place);
  options.incarnation = ++here.incarnation;
  options.clock_ppm = static_cast<std::int64_t>(random_.below(2 * kMostClockPpm)) - kMostClockPpm;
  options.window_messages = kLeastWindow + static_cast<std::uint32_t>(random_.below(kMostWindow));
  options.wire = wire_;
  options.checks = options_.checks;
  trace_.add(events_.now(), processes_, [&] {
    return "start " + options.name + "#" + std::to_string(options.incarnation) + " as process " +
           std::to_string(processes_ + 1);
  });
  here.process = std::make_unique<SimulatedProcess>(world_, ++processes_, options, random_.fork());
  here.actors.clear();
  for (std::size_t other = 0; other < places_.size(); ++other) {
    if (other != place) announce(place, other);
  }
  for (Workload::Placed& placed : workload_->actors_of(*here.process)) {
    SpawnOptions spawn;
    spawn.incarnation = here.incarnation;
    const Result<ActorId> actor = here.process->node().spawn_later(placed.name, std::move(placed.actor), spawn);
    if (!actor) return witness_.violate("cannot start " + placed.name + ": " + actor.failure().text);
    here.actors.push_back(*actor);
  }
  for (std::size_t other = 0; other < places_.size(); ++other) {
    if (other == place) continue;
    events_.after(random_.between(Duration{0}, kMostDetection), [this, other, place] { announce(other, place); });
  }
}

void Run::announce(std::size_t at, std::size_t place) {
  SimulatedProcess* const process = places_[at].process.get();
  if (process == nullptr) return;
  for (const ActorId& actor : places_[place].actors) {
    process->node().announce({actor, places_[place].process ? places_[place].process->endpoint() : "tcp://nowhere:1"});
    ledger_.learned(process->number(), name_hash(actor.name), actor.incarnation);
  }
}

void Run::crash(std::size_t place) {
  Place& here = places_[place];
  if (!here.process) return;
  trace_.add(events_.now(), place, [&] { return "crash " + process_name(place); });
  here.process->crash();
  workload_->crashed(*here.process);
  dead_.push_back(std::move(here.process));
  for (std::size_t other = 0; other < places_.size(); ++other) {
    if (other == place) continue;
    events_.after(random_.between(Duration{0}, kMostDetection),
                  [this, other, actors = here.actors] { tell_of_death(other, actors); });
  }
}

void Run::tell_of_death(std::size_t at, const std::vector<ActorId>& actors) {
  SimulatedProcess* const process = places_[at].process.get();
  if (process == nullptr) return;
  for (const ActorId& actor : actors) {
    process->node().declare_down(actor, {FailureKind::faulted, "its process crashed"});
    ledger_.learned(process->number(), name_hash(actor.name), actor.incarnation + 1);
  }
}

void Run::block_for(std::size_t from, std::size_t to, Duration length) {
  const std::string one = endpoint_of(process_name(from));
  const std::string other = endpoint_of(process_name(to));
  network_.block(one, other);
  events_.after(length, [this, one, other] { network_.unblock(one, other); });
}

void Run::inflict(const Fault& fault) {
  trace_.add(events_.now(), fault.process, [&] { return "fault: " + describe(fault); });
  SimulatedProcess* const process = places_[fault.process].process.get();
  switch (fault.kind) {
    case FaultKind::crash:
      if (process == nullptr) return;  // it is down already
      crash(fault.process);
      return events_.after(fault.length, [this, place = fault.process] { start(place); });
    case FaultKind::cut:
      return network_.break_connections(endpoint_of(process_name(fault.process)),
                                        endpoint_of(process_name(fault.other)));
    case FaultKind::partition:
      block_for(fault.other, fault.process, fault.length);
      return block_for(fault.process, fault.other, fault.length);
    case FaultKind::one_way:
      return block_for(fault.process, fault.other, fault.length);
    case FaultKind::pause:
      if (process != nullptr) process->pause(fault.length);
      return;
    case FaultKind::slow:
      if (process != nullptr) process->be_slow(fault.length);
      return;
  }
}

void Run::come_to_rest(TimePoint planned) {
  put_off_ = events_.now() - planned;
  if (wire_ == WireMode::hostile && !workload_->is_settled() && put_off_ < options_.most_put_off) {
    return events_.after(kPutOffBy, [this, planned] { come_to_rest(planned); });
  }
  witness_.end();
  end_ = events_.now() + kStill;
}

void Run::check_at_end() {
  std::vector<SimulatedProcess*> living;
  for (const Place& place : places_) living.push_back(place.process.get());
  witness_.close();
  ledger_.close(events_.now(), wire_ == WireMode::hostile);
  workload_->check_at_end(living);
}

SimulationOutcome Run::run() {
  const TimePoint begin = events_.now();
  TimePoint end = begin + scenario_.active;
  for (std::size_t i = 0; i < faults_.size(); ++i) {
    const Fault& fault = faults_[i];
    if (options_.only && std::find(options_.only->begin(), options_.only->end(), i + 1) == options_.only->end())
      continue;
    events_.at(begin + fault.at, [this, &fault] { inflict(fault); });
    end = std::max(end, begin + fault.at + fault.length);
  }
  for (std::size_t place = 0; place < places_.size(); ++place) start(place);
  events_.at(begin + scenario_.active, [this] { witness_.calm_down(); });
  const TimePoint planned = end + options_.rest - kStill;
  events_.at(planned, [this, planned] { come_to_rest(planned); });
  while (!trace_.violation() && events_.run_next(end_)) {
    if (events_.happened() > kMostEvents) witness_.violate("it does not come to rest");
  }
  if (!trace_.violation()) check_at_end();
  SimulationOutcome outcome{trace_.violation(),
                            trace_.hash(),
                            events_.happened(),
                            ledger_.accepted(),
                            witness_.requests(),
                            kind_,
                            wire_,
                            faults_,
                            put_off_};
  for (Place& place : places_) {
    if (place.process) place.process->crash();  // before the workload that its actors know
  }
  return outcome;
}

}  // namespace

SimulationOutcome simulate(std::uint64_t seed, const Scenario& scenario, const SimulationOptions& options) {
  return Run(seed, scenario, options).run();
}

std::vector<std::size_t> shrink(std::uint64_t seed, const Scenario& scenario, const SimulationOptions& options) {
  SimulationOptions trial = options;
  trial.reader = nullptr;
  const auto fails = [&](const std::vector<std::size_t>& faults) {
    trial.only = faults;
    return simulate(seed, scenario, trial).violation.has_value();
  };
  std::vector<std::size_t> kept;
  for (std::size_t i = 1; i <= simulate(seed, scenario, trial).faults.size(); ++i) {
    if (!options.only || std::find(options.only->begin(), options.only->end(), i) != options.only->end())
      kept.push_back(i);
  }
  for (std::size_t part = std::max<std::size_t>(1, kept.size() / 2); !kept.empty();) {
    bool has_shrunk = false;
    for (std::size_t from = 0; from < kept.size();) {
      std::vector<std::size_t> rest = kept;
      const auto first = rest.begin() + static_cast<std::ptrdiff_t>(from);
      rest.erase(first, first + static_cast<std::ptrdiff_t>(std::min(part, rest.size() - from)));
      if (fails(rest)) {
        kept = std::move(rest);
        has_shrunk = true;
      } else {
        from += part;
      }
    }
    if (part == 1 && !has_shrunk) break;
    part = std::max<std::size_t>(1, part / 2);
  }
  return kept;
}

}  // namespace troupe::runtime::simulation
