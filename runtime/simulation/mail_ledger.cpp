#include "runtime/simulation/mail_ledger.hpp"

#include "runtime/transport/crc32c.hpp"

#include <algorithm>
#include <utility>

namespace troupe::runtime::simulation {

namespace {

std::uint32_t content_of(const Envelope& envelope) {
  Header header = envelope.header;
  header.sequence = 0;  // these are the transport's
  header.acknowledged = 0;
  header.body_bytes = 0;
  header.payload_count = 0;
  const HeaderBytes bytes = encode_header(header);
  std::uint32_t value = crc32c(bytes);
  for (const std::string* const text : {&envelope.message, &envelope.sender_name, &envelope.body}) {
    value = crc32c(std::as_bytes(std::span(*text)), value);
  }
  return value;
}

}  // namespace

std::string MailLedger::describe(const Record& record, std::uint32_t id) {
  return "message " + std::to_string(id) + " (" + record.message + ") from process " + std::to_string(record.from) +
         " to " + record.to;
}

MailLedger::Record* MailLedger::find(const Envelope& envelope) {
  const std::uint32_t id = envelope.header.epoch;
  return id == 0 || id > records_.size() ? nullptr : &records_[id - 1];
}

std::set<std::uint32_t>& MailLedger::open_like(const Record& record) {
  return open_[{record.from, record.to}].at(static_cast<std::size_t>(record.lane));
}

void MailLedger::mark(std::uint64_t from, const std::string& to, Envelope& envelope, TimePoint now) {
  const auto id = static_cast<std::uint32_t>(records_.size() + 1);
  envelope.header.epoch = id;
  records_.push_back({from, to, envelope.message, envelope.header.lane, content_of(envelope)});
  open_like(records_.back()).insert(id);
  trace_.add(now, id, [&] { return "send " + describe(records_.back(), id); });
}

void MailLedger::refused(const Envelope& envelope) {
  Record& record = *find(envelope);
  record.fate = Fate::refused;
  ++refused_;
  open_like(record).erase(envelope.header.epoch);
}

void MailLedger::arrived(std::uint64_t at, const std::string& endpoint, const Envelope& envelope, TimePoint now) {
  const std::uint32_t id = envelope.header.epoch;
  Record* const record = find(envelope);
  if (record == nullptr) return trace_.violate(now, "something arrived at " + endpoint + " that nobody sent");
  trace_.add(now, id, [&] { return "arrive " + describe(*record, id); });
  const auto broken = [&](const std::string& why) { trace_.violate(now, describe(*record, id) + " " + why); };
  const auto living = living_.find({at, envelope.header.sender});
  const std::uint32_t sender = envelope.header.sender_incarnation;
  record->was_stale = living != living_.end() && sender != 0 && sender < living->second;
  if (record->content != content_of(envelope)) return broken("arrived as another than was sent");
  if (record->to != endpoint) return broken("arrived at " + endpoint);
  if (std::exchange(record->has_arrived, true)) return broken("arrived twice");
  if (record->fate == Fate::came_back) return broken("came back as undeliverable, and arrived");
  const Path path{record->from, record->to};
  std::uint32_t& last = last_[{path, record->lane, at}];
  if (id < last) return broken("arrived after message " + std::to_string(last) + ", which was sent later");
  last = id;
  std::set<std::uint32_t>& open = open_like(*record);
  if (!open.empty() && *open.begin() < id) {
    return broken("arrived, but not message " + std::to_string(*open.begin()) + " before it, and nobody was told");
  }
  open.erase(id);
  record->fate = Fate::arrived;
}

void MailLedger::learned(std::uint64_t process, std::uint64_t actor, std::uint32_t least) {
  std::uint32_t& known = living_[{process, actor}];
  known = std::max(known, least);
}

void MailLedger::handled(const Header& header, TimePoint now) {
  if (header.epoch == 0 || header.epoch > records_.size()) return;
  const Record& record = records_[header.epoch - 1];
  if (!record.was_stale) return;
  trace_.violate(now, describe(record, header.epoch) + " was handled, and its sender was known to be dead");
}

void MailLedger::came_back(const Envelope& envelope, TimePoint now) {
  Record& record = *find(envelope);
  trace_.add(now, envelope.header.epoch, [&] { return "came back " + describe(record, envelope.header.epoch); });
  if (record.has_arrived) {
    trace_.violate(now, describe(record, envelope.header.epoch) + " arrived, and came back as undeliverable");
  }
  record.fate = Fate::came_back;
  open_like(record).erase(envelope.header.epoch);
}

void MailLedger::end_told(std::uint64_t at, const std::string& peer) {
  for (std::set<std::uint32_t>& open : open_[{at, peer}]) {
    for (const std::uint32_t id : open) records_[id - 1].fate = Fate::told;
    open.clear();
  }
}

void MailLedger::crashed(std::uint64_t process) {
  for (auto& [path, lanes] : open_) {
    if (path.first != process) continue;
    for (std::set<std::uint32_t>& open : lanes) {
      for (const std::uint32_t id : open) records_[id - 1].fate = Fate::died;
      open.clear();
    }
  }
}

void MailLedger::close(TimePoint now, bool may_lose_the_last) {
  if (may_lose_the_last) return;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (records_[i].fate != Fate::open) continue;
    const auto id = static_cast<std::uint32_t>(i + 1);
    trace_.violate(now, describe(records_[i], id) + " was accepted and is lost: it neither arrived nor came back, " +
                            "and the sink was not told that the peer is gone");
  }
}

}  // namespace troupe::runtime::simulation
