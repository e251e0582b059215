#include "runtime/observe/flight_recorder.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace troupe::runtime {
namespace {

constexpr unsigned kStepShift = 32;
constexpr unsigned kMicroBatchShift = 8;
constexpr std::uint64_t kMicroBatchMask = 0xFFFFFF;
constexpr std::size_t kNameAt = 4;
using Words = std::array<std::uint64_t, 7>;
static_assert(sizeof(Words) == kNameAt * sizeof(std::uint64_t) + kFlightNameBytes);

std::optional<FlightRecord> read_entry(const FlightEntry& entry) {
  const std::uint64_t number = entry.number.load(std::memory_order_acquire);
  if (number == 0) return std::nullopt;
  Words words;
  // Acquire, so that the number is read again after the last word.
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = entry.words[i].load(std::memory_order_acquire);
  if (entry.number.load(std::memory_order_relaxed) != number) return std::nullopt;
  FlightRecord record;
  record.number = number;
  record.began_ns = static_cast<std::int64_t>(words[0]);
  record.sender = words[1];
  record.cause = words[2];
  record.step = static_cast<std::uint32_t>(words[3] >> kStepShift);
  record.micro_batch = static_cast<std::uint32_t>(words[3] >> kMicroBatchShift & kMicroBatchMask);
  record.kind = static_cast<EnvelopeKind>(words[3] & 0xFF);
  const auto* const name = reinterpret_cast<const char*>(&words[kNameAt]);
  record.message.assign(name, strnlen(name, kFlightNameBytes));
  return record;
}

}  // namespace

void FlightRecorder::note(std::uint64_t number, std::int64_t now_ns, const Header& header, std::string_view message) {
  Words words{static_cast<std::uint64_t>(now_ns), header.sender, header.cause,
              std::uint64_t{header.step} << kStepShift | (header.micro_batch & kMicroBatchMask) << kMicroBatchShift |
                  static_cast<std::uint64_t>(header.kind)};
  std::memcpy(&words[kNameAt], message.data(), std::min(message.size(), kFlightNameBytes));
  FlightEntry& entry = entries_[number % entries_.size()];
  entry.number.store(0, std::memory_order_relaxed);
  // Release, so that whoever sees a new word sees the number gone.
  for (std::size_t i = 0; i < words.size(); ++i) entry.words[i].store(words[i], std::memory_order_release);
  entry.number.store(number, std::memory_order_release);
}

std::vector<FlightRecord> FlightRecorder::read_flight(std::span<const FlightEntry> entries) {
  std::vector<FlightRecord> records;
  for (const FlightEntry& entry : entries) {
    if (std::optional<FlightRecord> record = read_entry(entry)) records.push_back(std::move(*record));
  }
  std::sort(records.begin(), records.end(),
            [](const FlightRecord& a, const FlightRecord& b) { return a.number < b.number; });
  return records;
}

}  // namespace troupe::runtime
