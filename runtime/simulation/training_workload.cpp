#include "runtime/simulation/workload.hpp"

#include <map>
#include <optional>
#include <utility>

namespace troupe::runtime::simulation {

namespace {

constexpr Duration kStepDeadline = std::chrono::milliseconds(120);
constexpr Duration kLookAgain = std::chrono::milliseconds(100);
constexpr Duration kRetry = std::chrono::milliseconds(8);
constexpr Duration kDiskLeast = std::chrono::microseconds(100);
constexpr Duration kDiskMost = std::chrono::milliseconds(4);
constexpr std::uint64_t kCheckpointEach = 3;  // steps
constexpr std::size_t kStages = 2;

std::string stage_name(std::size_t stage) {
  return "stage/s" + std::to_string(stage);
}

/// The sum over the steps that a stage has applied, in order.
std::uint64_t after_step(std::uint64_t sum, std::uint64_t step) {
  return (sum ^ step) * 0x100000001b3ULL + 1;
}

struct NextStep {
  static constexpr std::string_view kName = "simulation.next_step";
  template <class Archive>
  void serialize(Archive&) {}
};

/// A step's data on its way through the stages.
struct Forward {
  static constexpr std::string_view kName = "simulation.forward";
  std::uint64_t number = 0;
  std::uint64_t training_step = 0;
  std::uint64_t value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, training_step, value);
  }
};

struct Loss {
  static constexpr std::string_view kName = "simulation.loss";
  std::uint64_t training_step = 0;
  std::uint64_t value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(training_step, value);
  }
};

/// The step is committed: apply it.
struct Apply {
  static constexpr std::string_view kName = "simulation.apply";
  std::uint64_t number = 0;
  std::uint64_t training_step = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, training_step);
  }
};

struct Applied {
  static constexpr std::string_view kName = "simulation.applied";
  std::uint64_t training_step = 0;  ///< the newest that is
  template <class Archive>
  void serialize(Archive& archive) {
    archive(training_step);
  }
};

struct Written {
  static constexpr std::string_view kName = "simulation.written";
  std::uint64_t training_step = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(training_step);
  }
};

/// What survives a crash: the commit of the trainer, and a checkpoint of each stage.
struct Disk {
  struct Checkpoint {
    std::uint64_t step = 0;
    std::uint64_t sum = 0;
  };
  std::uint64_t committed = 0;
  std::map<std::string, Checkpoint> checkpoints;
  std::map<std::string, Checkpoint> living;  ///< for the check at the end; no actor reads it
};

/// One stage: computes for a step, applies it when it is committed.
///
/// Thread-safety: as any actor.
/// Ownership:     borrows witness, process and disk.
/// Errors:        tells the witness.
/// Restart:       begins from its checkpoint; the trainer gives it the steps since again.
class FakeStage final : public Actor {
public:
  FakeStage(Witness& witness, const SimulatedProcess& process, Disk& disk, std::string next)
      : witness_(witness), process_(process), disk_(disk), next_(std::move(next)) {}

  Behavior behavior() override { return {on(this, &FakeStage::forward), on(this, &FakeStage::apply)}; }
  void on_start(Context& context) override { state_ = disk_.checkpoints[context.self().name]; }

private:
  void forward(const Forward& message, Context& context) {
    witness_.handles(context, Witness::Order::sent, message.number);
    if (message.training_step != state_.step + 1) {
      return context.reply_failure({FailureKind::unknown, "at step " + std::to_string(state_.step)});
    }
    const std::uint64_t value = after_step(message.value, state_.sum);
    if (next_.empty()) return context.reply(Loss{message.training_step, value});
    const ReplyTo asker = context.defer_reply();
    const std::uint64_t request =
        witness_.asks(process_, "forward of step " + std::to_string(message.training_step), kStepDeadline / 2);
    context.request<Loss>(ActorId{next_, 0}, Forward{witness_.next_number(), message.training_step, value},
                          kStepDeadline / 2, [this, asker, request](Result<Loss> loss, Context& turn) {
                            witness_.ended(request);
                            if (loss) return turn.reply_to(asker, *loss);
                            turn.fail_to(asker, loss.failure());
                          });
  }

  void apply(const Apply& message, Context& context) {
    witness_.handles(context, Witness::Order::sent, message.number);
    const std::uint64_t step = message.training_step;
    if (step > disk_.committed) witness_.violate("step " + std::to_string(step) + " is applied, and not committed");
    if (step == state_.step + 1) {
      state_ = {step, after_step(state_.sum, step)};
      disk_.living[context.self().name] = state_;
      if (step % kCheckpointEach == 0) save(context.self().name);
    }
    context.reply(Applied{state_.step});
  }

  // On the disk after a while; not, when the process is gone before.
  void save(const std::string& name) {
    const Duration delay = witness_.random().between(kDiskLeast, kDiskMost);
    witness_.world().events.after(delay, [process = &process_, disk = &disk_, name, state = state_] {
      if (process->is_alive() && disk->checkpoints[name].step < state.step) disk->checkpoints[name] = state;
    });
  }

  Witness& witness_;
  const SimulatedProcess& process_;
  Disk& disk_;
  const std::string next_;
  Disk::Checkpoint state_;
};

/// Leads the steps: forward, commit to disk, apply on all stages, the next.
///
/// Thread-safety: as any actor.
/// Ownership:     borrows witness, process and disk.
/// Errors:        tells the witness.
/// Restart:       goes on from its newest commit.
class FakeTrainer final : public Actor {
public:
  FakeTrainer(Witness& witness, const SimulatedProcess& process, Disk& disk)
      : witness_(witness), process_(process), disk_(disk), applied_(kStages) {}

  Behavior behavior() override { return {on(this, &FakeTrainer::next_step), on(this, &FakeTrainer::written)}; }
  void on_start(Context& context) override {
    committed_ = disk_.committed;
    (void)context.after(kRetry, NextStep{});
  }

private:
  // First every stage must have applied what is committed; one that came back may be far behind.
  void next_step(const NextStep&, Context& context) {
    if (witness_.is_over()) return;
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      if (!applied_[stage] || *applied_[stage] < committed_) return bring_up(stage, context);
    }
    if (!witness_.is_active()) {  // only looks after those who come back
      forget_who_applied();
      return (void)context.after(kLookAgain, NextStep{});
    }
    const std::uint64_t step = committed_ + 1;
    const std::uint64_t request = witness_.asks(process_, "step " + std::to_string(step), kStepDeadline);
    context.request<Loss>(ActorId{stage_name(0), 0}, Forward{witness_.next_number(), step, step}, kStepDeadline,
                          [this, request, step](Result<Loss> loss, Context& turn) {
                            witness_.ended(request);
                            if (loss && loss->training_step == step) return commit(step, turn);
                            // One of them may have come back with less than it had.
                            forget_who_applied();
                            (void)turn.after(kRetry, NextStep{});
                          });
  }

  void forget_who_applied() {
    for (std::optional<std::uint64_t>& each : applied_) each.reset();
  }

  void bring_up(std::size_t stage, Context& context) {
    const std::uint64_t step = applied_[stage] ? *applied_[stage] + 1 : committed_;
    const std::uint64_t request = witness_.asks(process_, "apply step " + std::to_string(step), kStepDeadline);
    context.request<Applied>(ActorId{stage_name(stage), 0}, Apply{witness_.next_number(), step}, kStepDeadline,
                             [this, request, stage](Result<Applied> applied, Context& turn) {
                               witness_.ended(request);
                               if (applied) applied_[stage] = applied->training_step;
                               (void)turn.after(applied ? Duration{0} : kRetry, NextStep{});
                             });
  }

  void commit(std::uint64_t step, Context& context) {
    (void)context.after(witness_.random().between(kDiskLeast, kDiskMost), Written{step});
  }

  void written(const Written& message, Context& context) {
    if (message.training_step != disk_.committed + 1) witness_.violate("a commit is lost or made twice");
    committed_ = disk_.committed = message.training_step;
    (void)context.after(Duration{0}, NextStep{});
  }

  Witness& witness_;
  const SimulatedProcess& process_;
  Disk& disk_;
  std::vector<std::optional<std::uint64_t>> applied_;  // by stage; none = not known
  std::uint64_t committed_ = 0;
};

/// Thread-safety: as Workload.
/// Ownership:     owns the disk.
/// Errors:        as Workload.
/// Restart:       as Workload.
class TrainingWorkload final : public Workload {
public:
  TrainingWorkload(Witness& witness, std::vector<std::string> processes)
      : witness_(witness), processes_(std::move(processes)) {}

  std::vector<Placed> actors_of(SimulatedProcess& process) override {
    std::vector<Placed> placed;
    const std::string& name = process.options().name;
    if (name == processes_[0]) {
      placed.push_back({"trainer", std::make_unique<FakeTrainer>(witness_, process, disk_)});
    }
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      if (name != processes_[stage + 1]) continue;
      const std::string next = stage + 1 < kStages ? stage_name(stage + 1) : "";
      disk_.living[stage_name(stage)] = disk_.checkpoints[stage_name(stage)];
      placed.push_back({stage_name(stage), std::make_unique<FakeStage>(witness_, process, disk_, next)});
    }
    return placed;
  }

  [[nodiscard]] bool is_settled() const override {
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      if (disk_.living.at(stage_name(stage)).step < disk_.committed) return false;
    }
    return true;
  }

  void check_at_end(const std::vector<SimulatedProcess*>&) override {
    std::uint64_t expected = 0;
    for (std::uint64_t step = 1; step <= disk_.committed; ++step) expected = after_step(expected, step);
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      const Disk::Checkpoint& living = disk_.living[stage_name(stage)];
      if (living.step == disk_.committed && living.sum == expected) continue;
      witness_.violate(stage_name(stage) + " is at step " + std::to_string(living.step) + " of " +
                       std::to_string(disk_.committed) + " committed, or has not applied each once");
    }
  }

private:
  Witness& witness_;
  const std::vector<std::string> processes_;
  Disk disk_;
};

}  // namespace

std::unique_ptr<Workload> make_training_workload(Witness& witness, std::vector<std::string> processes) {
  return std::make_unique<TrainingWorkload>(witness, std::move(processes));
}

}  // namespace troupe::runtime::simulation
