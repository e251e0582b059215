#pragma once

#include "actors/collective/collective.hpp"
#include "gpt2/gradient_tree.hpp"
#include "runtime/node.hpp"
#include "runtime/transport/memory_transport.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::tests {

/// Ask a member to sum a step; the reply is the sum.
struct SumStep {
  static constexpr std::string_view kName = "test.sum_step";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step);
  }
};

struct Summed {
  static constexpr std::string_view kName = "test.summed";
  actors::TensorBytes total;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(total);
  }
};

/// Ask a member to begin an epoch; the reply is the same message.
struct BeginEpoch {
  static constexpr std::string_view kName = "test.begin_epoch";
  std::uint32_t epoch = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch);
  }
};

/// A step to sum: N floats, some micro-batches, spread evenly over the members.
struct SumCase {
  std::uint32_t members = 1;
  std::uint32_t micro_batches = 1;
  std::int64_t elements = 1;
  c10::Device device = c10::kCPU;

  /// The gradient of one micro-batch (N).
  at::Tensor gradient(std::uint32_t step, std::uint32_t micro_batch) const {
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1000 * step + micro_batch);
    return at::randn({elements}, generator, at::TensorOptions(at::kFloat));
  }
  /// What one member brings.
  actors::Contribution contribution(std::uint32_t member, const SumStep& which) const {
    const std::uint32_t count = micro_batches / members;
    gpt2::GradientTree tree(elements, device);
    tree.begin(micro_batches, member * count, count);
    for (std::uint32_t i = member * count; i < (member + 1) * count; ++i) {
      tree.add(i, gradient(which.step, i).to(device));
    }
    actors::Contribution contribution{which.epoch, which.step, {}, {}};
    for (gpt2::GradientBlock& block : tree.take_blocks()) {
      contribution.blocks.push_back({block.first, block.count});
      contribution.sums.push_back(std::make_shared<at::Tensor>(std::move(block.sum)));
    }
    return contribution;
  }
  /// The tree over all gradients, summed in one place on the CPU (N).
  at::Tensor expected(std::uint32_t step) const {
    std::vector<actors::BlockRange> ranges;
    std::vector<at::Tensor> sums;
    for (std::uint32_t i = 0; i < micro_batches; ++i) {
      ranges.push_back({i, 1});
      sums.push_back(gradient(step, i));
    }
    return actors::sum_blocks(ranges, sums, micro_batches);
  }
  actors::ReplicaGroup group(std::uint32_t self) const {
    actors::ReplicaGroup group{{}, self, micro_batches};
    for (std::uint32_t i = 0; i < members; ++i) group.members.push_back(name(i));
    return group;
  }
  static std::string name(std::uint32_t member) { return "stage/r" + std::to_string(member) + ".s0"; }
};

/// Stands for a stage actor: hears the collective's messages and sums when asked.
///
/// Thread-safety: one turn at a time.
/// Ownership:     owns its collective.
/// Errors:        what the collective throws ends the actor, and the request with it.
/// Restart:       not restarted.
class CollectiveMember final : public runtime::Actor {
public:
  CollectiveMember(std::uint32_t member, SumCase what, std::unique_ptr<actors::Collective> collective)
      : member_(member), case_(what), collective_(std::move(collective)) {}

  runtime::Behavior behavior() override {
    using runtime::on;
    return {on(this, &CollectiveMember::sum),
            on(this, &CollectiveMember::begin_epoch),
            on(this, &CollectiveMember::deliver<actors::SliceSums>),
            on(this, &CollectiveMember::deliver<actors::SliceTotal>),
            on(this, &CollectiveMember::deliver<actors::GatherOffer>),
            on(this, &CollectiveMember::deliver<actors::CommunicatorId>),
            on(this, &CollectiveMember::deliver<actors::CommunicatorEntered>),
            on(this, &CollectiveMember::deliver<actors::PollCollective>)};
  }

private:
  void sum(const SumStep& message, runtime::Context& context) {
    const runtime::ReplyTo asker = context.defer_reply();
    collective_->begin(
        case_.contribution(member_, message),
        [asker](const at::Tensor& total, runtime::Context& turn) {
          turn.reply_to(asker, Summed{actors::to_bytes(total)});
        },
        context);
  }
  void begin_epoch(const BeginEpoch& message, runtime::Context& context) {
    collective_->reset(message.epoch, 0);
    context.reply(message);
  }
  template <class M>
  void deliver(const M& message, runtime::Context& context) {
    collective_->deliver(message, context);
  }

  const std::uint32_t member_;
  const SumCase case_;
  const std::unique_ptr<actors::Collective> collective_;
};

/// A node with members on it.
class CollectiveNode final {
public:
  CollectiveNode() {
    runtime::NodeOptions options;
    constexpr int kWorkers = 2;
    node_ = std::make_unique<runtime::Node>(
        options, runtime::make_threaded_parts(kWorkers, runtime::make_memory_transport(network_, "group")));
    (void)node_->start();  // a memory transport starts unless its name is taken
  }
  ~CollectiveNode() { node_->shutdown(std::chrono::seconds(10)); }
  CollectiveNode(const CollectiveNode&) = delete;
  CollectiveNode& operator=(const CollectiveNode&) = delete;

  runtime::Node& operator*() { return *node_; }

  /// Empty, or why the member did not start.
  std::string add(std::uint32_t member, const SumCase& what, std::unique_ptr<actors::Collective> collective) {
    const runtime::SpawnOptions options{1, runtime::Placement::pinned, std::chrono::seconds(60)};
    const auto spawned = node_->spawn(SumCase::name(member),
                                      std::make_unique<CollectiveMember>(member, what, std::move(collective)), options);
    return spawned ? std::string() : spawned.failure().text;
  }
  /// The sum that a member ends with, or the failure's text.
  std::pair<std::optional<at::Tensor>, std::string> sum(std::uint32_t member, const SumStep& step) {
    const auto reply = node_->request<Summed>(SumCase::name(member), step, std::chrono::seconds(60));
    if (!reply) return {std::nullopt, reply.failure().text};
    return {actors::to_tensor(reply->total).clone(), ""};
  }
  bool begin_epoch(std::uint32_t member, std::uint32_t epoch) {
    const auto reply = node_->request<BeginEpoch>(SumCase::name(member), BeginEpoch{epoch}, std::chrono::seconds(60));
    return static_cast<bool>(reply);
  }

private:
  runtime::MemoryNetwork network_;
  std::unique_ptr<runtime::Node> node_;
};

}  // namespace troupe::tests
