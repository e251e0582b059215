#include "actors/collective/collective.hpp"
#include "actors/device_copy.hpp"
#include "actors/recovery/sent_log.hpp"
#include "gpt2/gradient_tree.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

namespace troupe::actors {
namespace {

/// Elements [begin, end) of a flat gradient of `size` elements that replica `owner` sums. Cut at multiples of 16
/// floats, so that every slice starts on a cache line.
struct Slice {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

Slice slice_of(std::int64_t size, std::uint32_t owner, std::uint32_t owners) {
  constexpr std::int64_t kGrain = 16;
  const std::int64_t grains = (size + kGrain - 1) / kGrain;
  const auto cut = [&](std::uint32_t i) { return std::min(size, grains * i / owners * kGrain); };
  return {cut(owner), cut(owner + 1)};
}

/// The CPU collective: every replica owns a slice, gets that slice's block sums from the others, adds them in the fixed
/// tree, and sends the total back. Payloads are handed over by reference; on one host they go through shared memory.
///
/// Thread-safety: single owner thread.
/// Ownership:     keeps tensors of messages until the step is summed.
/// Errors:        parts that do not fit the reduction throw std::runtime_error: the sender runs another program.
/// Restart:       starts empty.
class MessageCollective final : public Collective {
public:
  MessageCollective(ReplicaGroup group, SentLog& sent) : group_(std::move(group)), sent_(sent) {}

  using Collective::deliver;

  void begin(Contribution contribution, Done done, runtime::Context& context) override {
    if (group_.members.size() == 1) {
      std::vector<at::Tensor> sums;
      for (const auto& sum : contribution.sums) sums.push_back(*sum);
      return done(sum_blocks(contribution.blocks, sums, group_.micro_batches), context);
    }
    own_ = std::move(contribution);
    // Messages are host memory, and so are the sums over them: stages that share a GPU come here too.
    for (auto& sum : own_->sums) {
      if (!sum->is_cpu()) sum = std::make_shared<at::Tensor>(to_host(*sum));
    }
    done_ = std::move(done);
    total_ = at::empty_like(*own_->sums.front());
    for (std::uint32_t owner = 0; owner < group_.members.size(); ++owner) send_slice(owner, context);
    advance(context);
  }

  void deliver(const SliceSums& part, runtime::Context& context) override {
    if (part.epoch < epoch_ || part.step < step_) return;
    sums_[part.step].insert_or_assign(part.from, part);
    advance(context);
  }

  void deliver(const SliceTotal& part, runtime::Context& context) override {
    if (part.epoch < epoch_ || part.step < step_) return;
    totals_[part.step].insert_or_assign(part.from, part);
    advance(context);
  }

  void reset(std::uint32_t epoch, std::uint32_t step) override {
    epoch_ = epoch;
    step_ = step;
    own_.reset();
    done_ = nullptr;
    sums_.clear();
    totals_.clear();
    slice_sent_ = false;
  }

private:
  std::uint32_t members() const { return static_cast<std::uint32_t>(group_.members.size()); }

  void send_slice(std::uint32_t owner, runtime::Context& context) {
    if (owner == group_.self) return;
    const Slice slice = slice_of(total_.numel(), owner, members());
    SliceSums message{own_->epoch, own_->step, group_.self, own_->blocks, {}};
    std::vector<at::Tensor> rows;
    for (const auto& sum : own_->sums) rows.push_back(sum->slice(0, slice.begin, slice.end));
    message.sums = to_bytes(at::stack(rows));  // (blocks, slice)
    sent_.send(group_.members[owner], std::move(message), context);
  }

  void advance(runtime::Context& context) {
    if (!own_) return;
    if (!slice_sent_ && sums_[own_->step].size() + 1 == members()) total_own_slice(context);
    if (slice_sent_ && totals_[own_->step].size() + 1 == members()) finish(context);
  }

  void total_own_slice(runtime::Context& context) {
    const Slice slice = slice_of(total_.numel(), group_.self, members());
    std::vector<BlockRange> ranges = own_->blocks;
    std::vector<at::Tensor> parts;
    for (const auto& sum : own_->sums) parts.push_back(sum->slice(0, slice.begin, slice.end));
    for (const auto& [from, part] : sums_[own_->step]) {
      const at::Tensor rows = to_tensor(part.sums);  // (blocks, slice)
      const bool fits = rows.dim() == 2 && rows.size(0) == static_cast<std::int64_t>(part.blocks.size()) &&
                        rows.size(1) == slice.end - slice.begin;
      if (!fits) throw std::runtime_error("gradient slice of replica " + std::to_string(from) + " has another size");
      for (std::size_t i = 0; i < part.blocks.size(); ++i) {
        ranges.push_back(part.blocks[i]);
        parts.push_back(rows[static_cast<std::int64_t>(i)].clone());  // the sum below writes into it
      }
    }
    const at::Tensor sum = sum_blocks(ranges, parts, group_.micro_batches);
    total_.slice(0, slice.begin, slice.end).copy_(sum);
    const SliceTotal message{own_->epoch, own_->step, group_.self, to_bytes(sum)};
    for (std::uint32_t member = 0; member < members(); ++member) {
      if (member != group_.self) sent_.send(group_.members[member], message, context);
    }
    slice_sent_ = true;
  }

  void finish(runtime::Context& context) {
    for (const auto& [from, part] : totals_[own_->step]) {
      const Slice slice = slice_of(total_.numel(), from, members());
      const at::Tensor sum = to_tensor(part.total);
      if (sum.numel() != slice.end - slice.begin) {
        throw std::runtime_error("gradient total of replica " + std::to_string(from) + " has another size");
      }
      total_.slice(0, slice.begin, slice.end).copy_(sum);
    }
    step_ = own_->step + 1;
    sums_.erase(own_->step);
    totals_.erase(own_->step);
    own_.reset();
    slice_sent_ = false;
    const Done done = std::exchange(done_, nullptr);
    done(std::exchange(total_, {}), context);
  }

  const ReplicaGroup group_;
  SentLog& sent_;
  std::uint32_t epoch_ = 0;  // of the oldest messages that count
  std::uint32_t step_ = 0;   // sums before it are done
  std::optional<Contribution> own_;
  Done done_;
  at::Tensor total_;  // (N)
  bool slice_sent_ = false;
  std::map<std::uint32_t, std::map<std::uint32_t, SliceSums>> sums_;     // by step, by replica
  std::map<std::uint32_t, std::map<std::uint32_t, SliceTotal>> totals_;  // by step, by replica
};

}  // namespace

std::unique_ptr<Collective> make_message_collective(ReplicaGroup group, SentLog& sent) {
  return std::make_unique<MessageCollective>(std::move(group), sent);
}

at::Tensor sum_blocks(const std::vector<BlockRange>& ranges, const std::vector<at::Tensor>& sums,
                      std::uint32_t micro_batches) {
  std::vector<gpt2::GradientBlock> blocks;
  for (std::size_t i = 0; i < ranges.size(); ++i) blocks.push_back({ranges[i].first, ranges[i].count, sums[i]});
  return gpt2::combine_blocks(std::move(blocks), micro_batches);
}

}  // namespace troupe::actors
