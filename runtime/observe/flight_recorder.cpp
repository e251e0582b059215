#include "runtime/observe/flight_recorder.hpp"

#include <algorithm>
#include <array>

namespace troupe::runtime {

std::optional<FlightRecord> FlightRecorder::read_entry(const FlightEntry& entry) {
  const std::uint64_t number = entry.number.load(std::memory_order_acquire);
  if (number == 0) return std::nullopt;
  std::array<std::uint64_t, kNameAt + kFlightNameBytes / sizeof(std::uint64_t)> words;
  static_assert(sizeof words == sizeof entry.words);
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
  for (std::size_t i = 0; i < kFlightNameBytes; ++i) {
    const char letter = static_cast<char>(words[kNameAt + i / 8] >> 8 * (i % 8) & 0xFF);
    if (letter == 0) break;
    record.message += letter;
  }
  return record;
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
