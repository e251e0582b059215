#pragma once

#include "runtime/message/payload.hpp"
#include "runtime/result.hpp"

#include <cereal/cereal.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace troupe::runtime {

/// Output archive of a message body: little-endian, sizes as u32, payloads moved to a list beside the body.
///
/// Thread-safety: single owner thread.
/// Ownership:     borrows the body and the payload list it fills.
/// Errors:        check() says when body or payloads are larger than a message may be; finish() throws it as
///                std::length_error.
/// Restart:       lives for one call.
class SpanWriter : public cereal::OutputArchive<SpanWriter, cereal::AllowEmptyClassElision> {
public:
  /// Appends to `body` and `payloads`; both outlive it.
  SpanWriter(std::string& body, std::vector<Payload>& payloads);

  /// Raw bytes, as they are in memory (little-endian).
  void write(const void* data, std::size_t size) { body_.append(static_cast<const char*>(data), size); }
  /// Beside the body: the body gets nothing.
  void write_payload(const Payload& payload);
  /// Throws std::length_error when body or payloads are larger than a message may be.
  void finish() const;
  /// What finish() would throw of, as a value.
  [[nodiscard]] Result<Done> check() const;

private:
  std::string& body_;
  std::vector<Payload>& payloads_;
};

/// Input archive that trusts nothing: every size is checked against the bytes left before anything is allocated; after
/// the first error all reads give zeros and zero sizes, and finish() is false.
///
/// Thread-safety: single owner thread.
/// Ownership:     borrows the body and the payloads; both outlive it.
/// Errors:        error() says what was wrong and at which byte; never throws.
/// Restart:       lives for one call.
///
/// SA-1  Whatever the bytes, reading ends, reads nothing outside them, and allocates for what is there: a size that
///       lies makes no element, and at most one byte of text or raw numbers for each byte left.
/// SA-2  Bytes left over after the last field are an error.
/// SA-3  What SpanWriter wrote, SpanReader reads back, payloads included.
class SpanReader : public cereal::InputArchive<SpanReader, cereal::AllowEmptyClassElision> {
public:
  /// Reads what a SpanWriter wrote, or anything else.
  SpanReader(std::string_view body, std::span<const Payload> payloads);

  /// Exactly `size` bytes, or zeros and an error.
  void read(void* data, std::size_t size);
  /// The size of a container whose elements take at least `element_bytes` each; 0 and an error when more than is left.
  [[nodiscard]] std::uint64_t read_size(std::size_t element_bytes = 1);
  /// The size of a list of payloads, which lie beside the body; 0 and an error when there are fewer.
  [[nodiscard]] std::uint64_t read_payload_count();
  /// Something did not fit; what is read from now on is zeros.
  [[nodiscard]] bool has_failed() const { return !error_.empty(); }
  /// The next one of those beside the body; an empty one and an error when there is none left.
  [[nodiscard]] Payload read_payload();
  /// What was read cannot be: an error as any other.
  void refuse(std::string_view what);

  /// True when everything was read and nothing is left over.
  [[nodiscard]] bool finish();
  /// What was wrong first, and at which byte; empty = nothing.
  [[nodiscard]] const std::string& error() const { return error_; }

private:
  void fail(std::string_view what);
  [[nodiscard]] std::uint64_t checked_count(std::uint64_t count, std::uint64_t limit);

  std::string_view body_;
  std::span<const Payload> payloads_;
  std::size_t at_ = 0;
  std::size_t next_payload_ = 0;
  std::string error_;
};

// How cereal's building blocks map onto the two archives.
template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(SpanWriter& archive, const T& value) {
  archive.write(&value, sizeof value);
}
template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(SpanReader& archive, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    std::uint8_t byte = 0;  // any other byte value in a bool would be undefined behaviour
    archive.read(&byte, 1);
    value = byte != 0;
  } else {
    archive.read(&value, sizeof value);
  }
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(SpanWriter& archive, const cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(SpanReader& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(SpanWriter& archive, const cereal::SizeTag<T>& tag) {
  const auto size = static_cast<std::uint32_t>(tag.size);
  archive.write(&size, sizeof size);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(SpanReader& archive, cereal::SizeTag<T>& tag) {
  tag.size = static_cast<std::remove_reference_t<T>>(archive.read_size());
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(SpanWriter& archive, const cereal::BinaryData<T>& data) {
  archive.write(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(SpanReader& archive, cereal::BinaryData<T>& data) {
  archive.read(data.data, static_cast<std::size_t>(data.size));
}
inline void CEREAL_SAVE_FUNCTION_NAME(SpanWriter& archive, const Payload& payload) {
  archive.write_payload(payload);
}
inline void CEREAL_LOAD_FUNCTION_NAME(SpanReader& archive, Payload& payload) {
  payload = archive.read_payload();
}

/// In place of cereal's own, which makes all elements before it reads the first: 65536 claimed strings would be 2 MiB.
template <class T, class Allocator>
requires(!std::is_same_v<T, bool>)  // cereal's own makes a bit for each byte left
    void CEREAL_LOAD_FUNCTION_NAME(SpanReader& archive, std::vector<T, Allocator>& elements) {
  elements.clear();
  if constexpr (std::is_arithmetic_v<T>) {
    elements.resize(static_cast<std::size_t>(archive.read_size(sizeof(T))));
    archive.read(elements.data(), elements.size() * sizeof(T));
  } else {
    std::uint64_t left = std::is_same_v<T, Payload> ? archive.read_payload_count() : archive.read_size();
    for (; left > 0 && !archive.has_failed(); --left) {
      T element{};
      archive(element);
      elements.push_back(std::move(element));
    }
  }
}

}  // namespace troupe::runtime

CEREAL_SETUP_ARCHIVE_TRAITS(troupe::runtime::SpanReader, troupe::runtime::SpanWriter)
