#include "runtime/transport/zmq_outbox.hpp"

#include "runtime/transport/zmq_handshake.hpp"
#include "runtime/transport/zmq_wire.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace troupe::runtime {

namespace {

constexpr std::size_t kMaxLinks = 1000;    // two sockets each; libzmq stops at about a thousand sockets a context
constexpr std::uint64_t kTellingPart = 4;  // a note is due at once for this part of the window

}  // namespace

std::uint64_t window_share(EnvelopeKind kind, Lane lane) {
  constexpr std::uint64_t kUrgentShare = 3;
  switch (kind) {
    case EnvelopeKind::message:
    case EnvelopeKind::request:
      return lane == Lane::urgent ? kUrgentShare : 1;
    case EnvelopeKind::reply:
    case EnvelopeKind::failure:
      return lane == Lane::urgent ? kUrgentShare : 2;
    default:
      return kMaxWindowShare;
  }
}

Waker::Waker() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::runtime_error("cannot make an eventfd: the process has too many open files");
}

Waker::~Waker() {
  ::close(descriptor_);
}

void Waker::wake() {
  if (!armed_.load() || !armed_.exchange(false)) return;  // the first is cheap for many threads at once
  const std::uint64_t one = 1;
  // Can only fail when the counter is full, and then the sleeper is awake anyway.
  [[maybe_unused]] const ssize_t written = ::write(descriptor_, &one, sizeof one);
}

void Waker::drain() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = ::read(descriptor_, &count, sizeof count);
}

Result<ZmqOutbox::Account*> ZmqOutbox::account_for(const std::string& endpoint) {
  if (const auto found = accounts_.find(endpoint); found != accounts_.end()) return &found->second;
  if (!is_sane_endpoint(endpoint)) {
    return Failure{FailureKind::unknown, "not an endpoint: \"" + endpoint + "\"; ipc:///path or tcp://host:port"};
  }
  if (accounts_.size() >= kMaxLinks) {
    std::erase_if(accounts_, [](const auto& entry) { return entry.second.outstanding == LinkCost{}; });
  }
  if (accounts_.size() >= kMaxLinks) {
    return Failure{FailureKind::overloaded,
                   "links to " + std::to_string(kMaxLinks) + " nodes; no room for " + endpoint};
  }
  return &accounts_[endpoint];
}

void ZmqOutbox::queue(Account& account, const std::string& endpoint, Envelope envelope) {
  const Lane lane = envelope.header.lane;
  Account::Open& open = account.open.at(static_cast<std::size_t>(lane));
  if (envelope.bytes() > kMaxSharedBytes) {
    open = {};
    commands_.emplace_back(SendCommand{endpoint, std::move(envelope)});
    return;
  }
  if (open.since != takes_) {
    open = {takes_, commands_.size()};
    commands_.emplace_back(SendFrontsCommand{endpoint, lane, {}});
  }
  std::get<SendFrontsCommand>(commands_[open.at]).fronts.add(envelope);
}

Result<Done> ZmqOutbox::accept(const std::string& endpoint, Envelope envelope) {
  if (Result<Done> fits = check_limits(envelope); !fits) return fits;
  const std::uint64_t bytes = wire_cost(envelope);
  const std::uint64_t share = window_share(envelope.header.kind, envelope.header.lane);
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Failure{FailureKind::disconnected, "the transport is not running"};
    const Result<Account*> account = account_for(endpoint);
    if (!account) return account.failure();
    LinkCost& now = (*account)->outstanding;
    const bool fits_bytes = now.messages == 0 || now.bytes + bytes <= share * window_.bytes;
    if (now.messages + 1 > share * window_.messages || !fits_bytes) {
      (*account)->has_refused = true;
      return Failure{FailureKind::overloaded, "window of the link to " + endpoint +
                                                  " is full: " + std::to_string(now.messages) + " messages and " +
                                                  std::to_string(now.bytes) + " bytes not done with; try again later"};
    }
    now += LinkCost{1, bytes};
    queue(**account, endpoint, std::move(envelope));
  }
  waker_->wake();
  return Done{};
}

void ZmqOutbox::forget(const std::string& endpoint, const Failure& why) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = accounts_.find(endpoint); found != accounts_.end()) found->second.open = {};
    commands_.emplace_back(ForgetCommand{endpoint, why});
  }
  waker_->wake();
}

void ZmqOutbox::open() {
  const std::lock_guard lock(mutex_);
  closed_ = false;
}

void ZmqOutbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  waker_->wake();
}

std::vector<OutboxCommand> ZmqOutbox::take() {
  const std::lock_guard lock(mutex_);
  ++takes_;
  return std::exchange(commands_, {});
}

bool ZmqOutbox::is_empty() const {
  const std::lock_guard lock(mutex_);
  return commands_.empty();
}

bool ZmqOutbox::release(const std::string& endpoint, const LinkCost& cost) {
  if (cost == LinkCost{}) return false;
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(endpoint);
  if (found == accounts_.end()) return false;
  LinkCost& outstanding = found->second.outstanding;
  outstanding -= cost;
  const bool has_room = 2 * outstanding.messages <= window_.messages && 2 * outstanding.bytes <= window_.bytes;
  return has_room && std::exchange(found->second.has_refused, false);
}

LinkCost ZmqOutbox::outstanding(const std::string& endpoint) const {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(endpoint);
  return found == accounts_.end() ? LinkCost{} : found->second.outstanding;
}

bool CreditLedger::is_worth_telling(const LinkCost& told) const {
  return (messages_.load() - told.messages) * kTellingPart >= window_.messages ||
         (bytes_.load() - told.bytes) * kTellingPart >= window_.bytes;
}

void CreditLedger::note_told(const LinkCost& told) {
  told_messages_.store(told.messages);
  told_bytes_.store(told.bytes);
}

void CreditLedger::give_back(std::uint64_t bytes) {
  bytes_.fetch_add(bytes);
  messages_.fetch_add(1);
  if (is_worth_telling({told_messages_.load(), told_bytes_.load()})) waker_->wake();
}

}  // namespace troupe::runtime
