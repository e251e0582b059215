#include "runtime/transport/zmq_post_office.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace troupe::runtime {

namespace {

constexpr Duration kLook = std::chrono::microseconds(50);
constexpr std::uint64_t kFew = 2;
constexpr Duration kOrphanCheck = std::chrono::milliseconds(100);
constexpr Duration kShortWait = std::chrono::milliseconds(5);  // while something may change without waking the poll
constexpr std::size_t kMaxReported = 4096;
constexpr std::chrono::milliseconds kMaxLinger{1000};
constexpr std::chrono::milliseconds kMinLinger{50};

/// The thread takes signals as the program's own threads do, and processes that it starts inherit that.
///
/// Thread-safety: the thread that made it.
/// Ownership:     gives back the mask that was there before.
/// Errors:        none.
/// Restart:       none.
class WithSignals {
public:
  explicit WithSignals(const sigset_t& blocked) : before_() { pthread_sigmask(SIG_SETMASK, &blocked, &before_); }
  ~WithSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithSignals(const WithSignals&) = delete;
  WithSignals& operator=(const WithSignals&) = delete;

private:
  sigset_t before_;
};

}  // namespace

template <class What, class Work>
void GuardedSink::guarded(const What& what, const Work& work) {
  try {
    work();
  } catch (const std::exception& problem) {
    ++tally_.malformed;
    spdlog::error("event=news_dropped what=\"{}\" cause=\"{}\"", what(), problem.what());
  }
}

void GuardedSink::on_envelope(Envelope envelope) {
  if (few_left_ > 0 && --few_left_ == 0) guests_->end();
  const std::uint64_t sequence = envelope.header.sequence;  // the envelope has moved on when something is thrown
  guarded([&] { return "message " + std::to_string(sequence) + " of its link"; },
          [&] { sink_.on_envelope(std::move(envelope)); });
}

void GuardedSink::begin_few() {
  if (guests_ == nullptr) return;
  guests_->begin();
  few_left_ = kFew + 1;
}

void GuardedSink::on_peer_down(const std::string& endpoint, const Failure& why) {
  guarded([&] { return "the end of " + endpoint; }, [&] { sink_.on_peer_down(endpoint, why); });
}

void GuardedSink::on_undeliverable(Envelope envelope, const Failure& why) {
  guarded([&] { return "a message that came back: " + why.text; },
          [&] { sink_.on_undeliverable(std::move(envelope), why); });
}

void GuardedSink::on_room(const std::string& endpoint) {
  guarded([&] { return "room on the link to " + endpoint; }, [&] { sink_.on_room(endpoint); });
}

ZmqPostOffice::ZmqPostOffice(PostOfficeParts parts, Surroundings around)
    : parts_(std::move(parts)),
      around_(std::move(around)),
      sink_(around_.sink, around_.tally),
      guests_(around_.sink.guest_turns()),
      link_parts_{*parts_.sockets, parts_.options, parts_.self, parts_.arena.get(), around_.tally, parts_.checks},
      inbox_({*parts_.sockets, parts_.options, parts_.self, sink_, around_.tally, around_.waker, parts_.checks}),
      last_turn_(around_.clock.now()),
      last_orphan_check_(last_turn_) {}

/// Runs a part of the thread's life. Only errors of ZeroMQ and of memory come here: there is nobody else to catch them.
template <class Work>
void ZmqPostOffice::ending_all_on_error(const Work& work) {
  try {
    work();
  } catch (const std::exception& error) {
    spdlog::error("event=transport_broke cause=\"{}\"", error.what());
    end_all({FailureKind::disconnected, std::string("the transport broke: ") + error.what()});
  }
}

void ZmqPostOffice::run(Place place) {
  while (place == Place::works || duty_.wait_for()) {
    place = Place::stands_in;
    Duty duty = Duty::kept;
    ending_all_on_error([this, &duty] { duty = work(); });
    if (duty == Duty::lost) continue;
    if (guests_ != nullptr) guests_->end();
    ending_all_on_error([this] { close_all(around_.clock.now()); });
    duty_.close();
  }
}

ZmqPostOffice::Duty ZmqPostOffice::work() {
  while (!is_done(around_.clock.now())) {
    if (turn() == Duty::lost) return Duty::lost;
  }
  return Duty::kept;
}

// To call a worker takes longer than most turns. What is sent in the turn leaves with the next step.
ZmqPostOffice::Duty ZmqPostOffice::have_guest() {
  std::shared_ptr<Resumable> guest = guests_->take_guest();
  const std::optional<std::uint64_t> loan = is_idle() ? duty_.lend() : std::nullopt;
  if (!loan) {
    guests_->pass_on(std::move(guest));
    return Duty::kept;
  }
  // Until the duty is back nothing here is this thread's that changes.
  {
    const WithSignals signals(parts_.signals);
    guests_->resume(std::move(guest));
  }
  return duty_.take_back(*loan) ? Duty::kept : Duty::lost;
}

ZmqPostOffice::Duty ZmqPostOffice::turn() {
  const TimePoint now = around_.clock.now();
  sink_.begin_few();
  step(now);
  // After a single message its answer may be on the way: to sleep and to be called would take longer. After many the
  // processor has better things to do.
  const std::uint64_t moved = around_.tally.sent + around_.tally.received;
  const std::uint64_t fresh = moved - std::exchange(moved_, moved);
  if (fresh > 0) last_news_ = fresh <= kFew ? now : TimePoint{};
  if (guests_ != nullptr && guests_->has_guest()) return have_guest();
  if (now - last_news_ < kLook && is_idle()) {
    wait(Duration(0));
    return Duty::kept;
  }
  // From here on whoever has news writes to the waker; what came before is seen by the last look at the outbox.
  around_.waker->arm();
  wait(plan_wait());
  around_.waker->disarm();
  return Duty::kept;
}

void ZmqPostOffice::step(TimePoint now) {
  note_lateness(now);
  obey_commands(now);
  has_more_to_read_ = false;
  for (std::size_t i = 0; i < parts_.sockets->listeners(); ++i) {
    if (inbox_.read(i, now)) has_more_to_read_ = true;
  }
  tend_links(now);
  inbox_.tick(now);
  report_gone_senders();
  take_back_orphans(now);
}

Duration ZmqPostOffice::plan_wait() {
  planned_wait_ = is_idle() ? time_to_wait() : Duration(0);
  return planned_wait_;
}

void ZmqPostOffice::wait(Duration at_most) {
  planned_wait_ = at_most;
  parts_.sockets->wait(at_most);
}

// A thread that did not run (a stopped process, a starved machine) has heard nobody: that is not the peers' silence.
void ZmqPostOffice::note_lateness(TimePoint now) {
  const Duration late = now - last_turn_ - planned_wait_;
  last_turn_ = now;
  if (late < parts_.options.heartbeat) return;
  inbox_.excuse(late);
  for (const auto& [endpoint, link] : links_) link->excuse(late);
}

void ZmqPostOffice::obey_commands(TimePoint now) {
  for (OutboxCommand& command : around_.outbox->take()) {
    if (auto* const send = std::get_if<SendCommand>(&command)) {
      send->envelope.header.acknowledged = inbox_.received_from(send->endpoint);
      link_to(send->endpoint, now).post(std::move(send->envelope));
    } else if (auto* const fronts = std::get_if<SendFrontsCommand>(&command)) {
      const std::uint64_t acknowledged = inbox_.received_from(fronts->endpoint);
      link_to(fronts->endpoint, now).post(std::move(fronts->fronts), fronts->lane, acknowledged);
    } else {
      forget(std::get<ForgetCommand>(command));
    }
  }
  for (const auto& [endpoint, link] : links_) link->flush(now);
}

ZmqOutLink& ZmqPostOffice::link_to(const std::string& endpoint, TimePoint now) {
  auto found = links_.find(endpoint);
  if (found != links_.end() && found->second->is_dead()) {
    bury(*found->second, Telling::sink);
    links_.erase(found);
    found = links_.end();
  }
  if (found == links_.end()) {
    auto link = std::make_unique<ZmqOutLink>(endpoint, next_link_++, link_parts_, now);
    found = links_.emplace(endpoint, std::move(link)).first;
  }
  return *found->second;
}

void ZmqPostOffice::forget(const ForgetCommand& command) {
  const auto found = links_.find(command.endpoint);
  if (found == links_.end()) return;
  ZmqOutLink& link = *found->second;
  link.die(command.why);
  if (parts_.arena) parts_.arena->take_back(link.id());  // the node said it is known to be dead
  bury(link, Telling::nobody);
  links_.erase(found);
}

void ZmqPostOffice::tend_links(TimePoint now) {
  for (auto entry = links_.begin(); entry != links_.end();) {
    ZmqOutLink& link = *entry->second;
    link.read(now);
    link.read_news(now);
    link.tick(now);
    if (around_.outbox->release(link.endpoint(), link.take_released())) sink_.on_room(link.endpoint());
    if (!link.is_dead()) {
      ++entry;
      continue;
    }
    bury(link, Telling::sink);
    entry = links_.erase(entry);
  }
}

// Tells the sink what a dead link means: what never left comes back, what may have arrived is covered by the peer's
// end.
void ZmqPostOffice::bury(ZmqOutLink& link, Telling telling) {
  const std::string endpoint = link.endpoint();
  const Failure why = link.why_dead();
  std::vector<Envelope> unsent = link.unsent();
  LinkCost gone = link.in_flight();
  gone += link.take_released();
  for (const Envelope& envelope : unsent) gone += LinkCost{1, wire_cost(envelope)};
  if (around_.outbox->release(endpoint, gone)) sink_.on_room(endpoint);
  around_.tally.undeliverable += unsent.size();
  for (Envelope& envelope : unsent) sink_.on_undeliverable(std::move(envelope), why);
  if (!link.was_up()) {
    // No instance, so no other half of it can tell: whoever waits for that peer hears here that it cannot be reached.
    if (telling == Telling::sink) sink_.on_peer_down(endpoint, why);
    return;
  }
  if (parts_.arena) orphans_.push_back({link.id(), link.peer_process()});
  if (telling == Telling::sink) {
    report_down(endpoint, link.peer_instance(), why);
  } else {
    note_reported(link.peer_instance());
  }
}

void ZmqPostOffice::report_gone_senders() {
  for (const GoneSender& gone : inbox_.take_gone()) {
    const auto link = links_.find(gone.endpoint);
    // A sending half to the same instance sees its end by itself, and has more to say about it.
    if (link != links_.end() && link->second->peer_instance() == gone.instance) continue;
    if (std::find(reported_.begin(), reported_.end(), gone.instance) != reported_.end()) continue;
    report_down(gone.endpoint, gone.instance, gone.why);
  }
}

void ZmqPostOffice::report_down(const std::string& endpoint, std::uint64_t instance, const Failure& why) {
  note_reported(instance);
  sink_.on_peer_down(endpoint, why);
}

void ZmqPostOffice::note_reported(std::uint64_t instance) {
  reported_.push_back(instance);
  if (reported_.size() > kMaxReported) reported_.pop_front();
}

void ZmqPostOffice::take_back_orphans(TimePoint now) {
  if (orphans_.empty() || now - last_orphan_check_ < kOrphanCheck) return;
  last_orphan_check_ = now;
  std::erase_if(orphans_, [this](const Orphans& orphans) {
    if (!is_dead(orphans.process)) return false;
    parts_.arena->take_back(orphans.borrower);
    return true;
  });
}

bool ZmqPostOffice::is_idle() const {
  return around_.outbox->is_empty() && !has_more_to_read_ &&
         std::none_of(links_.begin(), links_.end(), [](const auto& entry) { return entry.second->has_more(); });
}

Duration ZmqPostOffice::time_to_wait() const {
  const bool is_settled =
      std::all_of(links_.begin(), links_.end(), [](const auto& entry) { return entry.second->is_up(); });
  if (!is_settled || around_.stop.is_requested()) return kShortWait;
  if (inbox_.owes_notes()) return ZmqInbox::kNoteDelay;
  const Duration tick = parts_.options.heartbeat / 2;
  return orphans_.empty() ? tick : std::min(tick, kOrphanCheck);
}

bool ZmqPostOffice::is_done(TimePoint now) {
  if (!around_.stop.is_requested()) return false;
  if (now >= around_.stop.by()) return true;
  if (!around_.outbox->is_empty()) return false;
  for (const auto& [endpoint, link] : links_) {
    if (link->is_refused())
      link->die({FailureKind::disconnected, "nobody listens at " + endpoint + ", and this node stops"});
    if (!link->is_flushed()) return false;
  }
  if (!said_bye_) {
    said_bye_ = true;
    for (const auto& [endpoint, link] : links_) link->say_bye(now);
  }
  return std::all_of(links_.begin(), links_.end(),
                     [](const auto& entry) { return entry.second->is_dead() || entry.second->is_drained(); });
}

std::uint64_t ZmqPostOffice::most_unconfirmed() const {
  std::uint64_t most = 0;
  for (const auto& [endpoint, link] : links_) most = std::max(most, link->unconfirmed());
  return most;
}

void ZmqPostOffice::end_all(const Failure& why) {
  around_.outbox->close();
  for (const auto& [endpoint, link] : links_) link->die(why);
}

void ZmqPostOffice::close_all(TimePoint now) {
  // This node's own end is no news of the peer; a transport that broke is: nobody hears of that peer any more.
  const Telling telling = around_.stop.is_requested() ? Telling::nobody : Telling::sink;
  for (const auto& [endpoint, link] : links_) {
    link->die({FailureKind::disconnected, "this node has stopped"});
    bury(*link, telling);
  }
  links_.clear();
  const Failure stopped{FailureKind::disconnected, "this node has stopped"};
  const auto give_back = [&](Envelope envelope) {
    ++around_.tally.undeliverable;
    sink_.on_undeliverable(std::move(envelope), stopped);
  };
  for (OutboxCommand& command : around_.outbox->take()) {
    if (auto* const send = std::get_if<SendCommand>(&command)) give_back(std::move(send->envelope));
    if (auto* const fronts = std::get_if<SendFrontsCommand>(&command)) {
      for (Envelope& envelope : envelopes_of(std::move(fronts->fronts))) give_back(std::move(envelope));
    }
  }
  inbox_.say_bye();
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(around_.stop.by() - now);
  parts_.sockets->stop_listening(std::clamp(left, kMinLinger, kMaxLinger));
}

}  // namespace troupe::runtime
