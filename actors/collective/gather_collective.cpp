#include "actors/collective/gather_collective.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace troupe::actors {
namespace {

std::string in_words(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string seconds(runtime::Duration duration) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (milliseconds < 1000) return std::to_string(milliseconds) + " ms";
  return std::to_string(milliseconds / 1000) + " s";
}

}  // namespace

GatherCollective::GatherCollective(ReplicaGroup group, std::unique_ptr<Communicator> communicator,
                                   GatherOptions options)
    : group_(std::move(group)), options_(options), communicator_(std::move(communicator)) {}

GatherCollective::~GatherCollective() {
  communicator_->abort();
}  // before the buffers go

template <class M>
void GatherCollective::tell_others(const M& message, runtime::Context& context) const {
  for (std::uint32_t member = 0; member < members(); ++member) {
    if (member != group_.self)
      (void)context.send_when_room(group_.members[member], message);  // a dead member ends the epoch
  }
}

void GatherCollective::begin(Contribution contribution, Done done, runtime::Context& context) {
  own_ = std::move(contribution);
  done_ = std::move(done);
  deadline_ = context.now() + options_.deadline;
  next_ = 0;
  total_ = at::empty_like(*own_->sums.front());
  phase_ = Phase::offering;
  const GatherOffer offer{own_->epoch,  own_->step,
                          group_.self,  static_cast<std::uint64_t>(total_.numel()),
                          own_->blocks, communicator_->device()};
  offers_[own_->step].insert_or_assign(group_.self, offer);
  tell_others(offer, context);
  advance(context);
}

void GatherCollective::deliver(const GatherOffer& offer, runtime::Context& context) {
  if (offer.epoch != epoch_ || offer.from >= members()) return;
  offers_[offer.step].insert_or_assign(offer.from, offer);
  advance(context);
}

void GatherCollective::deliver(const CommunicatorId& message, runtime::Context& context) {
  if (message.epoch != epoch_ || message.from != 0) return;
  id_ = message.id;
  advance(context);
}

void GatherCollective::deliver(const CommunicatorEntered& message, runtime::Context&) {
  if (message.epoch == epoch_ && message.from < members()) entered_.insert(message.from);
}

void GatherCollective::deliver(const PollCollective& message, runtime::Context& context) {
  if (message.epoch != epoch_ || message.ticket != ticket_ || phase_ == Phase::idle) return;
  if (context.now() >= deadline_) give_up();
  advance(context);
}

void GatherCollective::reset(std::uint32_t epoch, std::uint32_t /*step*/) {
  communicator_->abort();
  epoch_ = epoch;
  phase_ = Phase::idle;
  link_ = Link::absent;
  id_.clear();
  entered_.clear();
  offers_.clear();
  own_.reset();
  done_ = nullptr;
  total_ = at::Tensor();
  outgoing_ = at::Tensor();
  incoming_ = at::Tensor();
}

// ---- a sum ---------------------------------------------------------------------------------------------------------

bool GatherCollective::everybody_offered() const {
  const auto offers = offers_.find(own_->step);
  return offers != offers_.end() && offers->second.size() == members();
}

void GatherCollective::check_offers() const {
  std::map<std::string, std::uint32_t> devices;
  for (const auto& [from, offer] : offers_.at(own_->step)) {
    const std::string& name = group_.members[from];
    if (offer.elements != static_cast<std::uint64_t>(total_.numel()) || offer.blocks.size() > group_.micro_batches) {
      throw std::runtime_error(name + " offers gradients of " + std::to_string(offer.elements) + " floats, not " +
                               std::to_string(total_.numel()) + ": it runs another job or program");
    }
    if (offer.device.empty()) continue;
    const auto [other, is_new] = devices.emplace(offer.device, from);
    if (is_new) continue;
    throw std::runtime_error(group_.members[other->second] + " and " + name + " are both on " + offer.device +
                             ", and NCCL takes one member of a group per GPU: name more devices in layout.devices, " +
                             "or use fewer replicas");
  }
}

/// Blocks of the member that has most: the others' rows are filled up with zeros, which nobody reads.
std::int64_t GatherCollective::rows() const {
  std::size_t most = 0;
  for (const auto& [from, offer] : offers_.at(own_->step)) most = std::max(most, offer.blocks.size());
  return static_cast<std::int64_t>(most);
}

/// One transition a pass, until something has to be waited for.
void GatherCollective::advance(runtime::Context& context) {
  while (phase_ != Phase::idle) {
    const Phase before = phase_;
    const std::int64_t summed = next_;
    if (phase_ == Phase::offering && everybody_offered()) {
      check_offers();
      phase_ = link_ == Link::connected ? start_chunk() : connect(context);
    } else if (phase_ == Phase::connecting && communicator_->poll() == Communicator::Progress::done) {
      link_ = Link::connected;
      phase_ = start_chunk();
    } else if (phase_ == Phase::gathering && communicator_->poll() == Communicator::Progress::done) {
      add_chunk();
      if (next_ == total_.numel()) return finish(context);
      phase_ = start_chunk();
    }
    if (phase_ == before && next_ == summed) return poll_later(context);
  }
}

GatherCollective::Phase GatherCollective::connect(runtime::Context& context) {
  if (id_.empty() && group_.self != 0) return Phase::offering;  // replica 0 sends it
  if (id_.empty()) {
    id_ = communicator_->make_id();
    tell_others(CommunicatorId{epoch_, 0, id_}, context);
  }
  tell_others(CommunicatorEntered{epoch_, group_.self}, context);
  entered_.insert(group_.self);
  communicator_->connect({group_.self, members()}, id_);
  return Phase::connecting;
}

GatherCollective::Phase GatherCollective::start_chunk() {
  const std::int64_t size = std::min(options_.chunk, total_.numel() - next_);
  outgoing_ = at::zeros({rows(), size}, total_.options());
  for (std::size_t i = 0; i < own_->sums.size(); ++i) {
    outgoing_[static_cast<std::int64_t>(i)].copy_(own_->sums[i]->slice(0, next_, next_ + size));
  }
  incoming_ = at::empty({static_cast<std::int64_t>(members()), rows(), size}, total_.options());
  communicator_->gather(outgoing_, incoming_);
  return Phase::gathering;
}

void GatherCollective::add_chunk() {
  std::vector<BlockRange> ranges;
  std::vector<at::Tensor> sums;
  for (const auto& [from, offer] : offers_.at(own_->step)) {
    for (std::size_t i = 0; i < offer.blocks.size(); ++i) {
      ranges.push_back(offer.blocks[i]);
      sums.push_back(incoming_[from][static_cast<std::int64_t>(i)]);
    }
  }
  const std::int64_t size = incoming_.size(2);
  total_.slice(0, next_, next_ + size).copy_(sum_blocks(ranges, sums, group_.micro_batches));
  next_ += size;
}

void GatherCollective::finish(runtime::Context& context) {
  phase_ = Phase::idle;
  offers_.erase(offers_.begin(), offers_.upper_bound(own_->step));
  own_.reset();
  outgoing_ = at::Tensor();
  incoming_ = at::Tensor();
  const Done done = std::exchange(done_, nullptr);
  done(std::exchange(total_, {}), context);
}

// ---- waiting -------------------------------------------------------------------------------------------------------

void GatherCollective::poll_later(runtime::Context& context) {
  // While offers are missing only messages bring news, and the deadline.
  const runtime::Duration wait = phase_ == Phase::offering ? deadline_ - context.now() : options_.poll_interval;
  context.after(std::max(wait, runtime::Duration{0}), PollCollective{epoch_, ++ticket_});
}

void GatherCollective::give_up() {
  const std::string what = "the gradient sum of step " + std::to_string(own_->step + 1) + " over " +
                           std::to_string(members()) + " replicas did not end within " + seconds(options_.deadline) +
                           ": ";
  const std::string who = missing();
  communicator_->abort();
  phase_ = Phase::idle;
  throw std::runtime_error(what + who);
}

std::string GatherCollective::missing() const {
  std::vector<std::string> absent;
  std::vector<std::string> others;
  const auto offers = offers_.find(own_->step);
  for (std::uint32_t member = 0; member < members(); ++member) {
    if (member == group_.self) continue;
    others.push_back(group_.members[member]);
    const bool came = phase_ == Phase::offering ? offers->second.contains(member) : entered_.contains(member);
    if (!came) absent.push_back(group_.members[member]);
  }
  if (phase_ == Phase::offering && !absent.empty()) {
    return in_words(absent) + " never offered a gradient; see `troupe show` and `troupe logs` of it for what it does";
  }
  if (phase_ == Phase::offering) {
    return group_.members.front() + " never sent the id to connect under; see `troupe logs` of it for what it does";
  }
  if (phase_ == Phase::connecting && !absent.empty()) {
    return in_words(absent) + " offered a gradient and then never connected; see `troupe logs` of it for why it died";
  }
  if (phase_ == Phase::connecting) {
    return "every member tried to connect, but NCCL did not join them with " + in_words(others) +
           "; NCCL_DEBUG=INFO in the environment says how far it came, NCCL_SOCKET_IFNAME chooses the network";
  }
  return "the transfer from " + in_words(others) +
         " stopped; a member hangs or died unseen: see `troupe show` and `troupe logs` of it";
}

}  // namespace troupe::actors
