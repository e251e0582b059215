#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// How a payload gets to several other processes of this machine.
enum class Sharing : unsigned char {
  each,  ///< with every message a copy in shared memory
  once,  ///< all get the same copy
};

/// Bulk bytes that travel beside a message's body (a tensor, a file chunk), shared by reference and never changed.
///
/// Thread-safety: immutable after construction; handles may be copied between threads.
/// Ownership:     shares the bytes with every copy; `owner` keeps them alive (a buffer, a tensor, a shared-memory
///                block).
/// Errors:        none.
/// Restart:       gone with the process; blocks in shared memory are reclaimed by their arena.
class Payload {
public:
  /// No bytes.
  Payload() = default;
  /// Borrows `bytes` for as long as `owner` lives.
  Payload(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  /// A private copy of `bytes`, 64-byte aligned.
  [[nodiscard]] static Payload copy_of(std::span<const std::byte> bytes) {
    constexpr std::size_t kAlignment = 64;
    auto storage = std::make_shared<std::vector<std::byte>>(bytes.size() + kAlignment);
    void* aligned = storage->data();
    std::size_t space = storage->size();
    std::align(kAlignment, bytes.size(), aligned, space);
    if (!bytes.empty()) std::memcpy(aligned, bytes.data(), bytes.size());
    return {storage, {static_cast<const std::byte*>(aligned), bytes.size()}};
  }

  /// To be sent to many: however many processes of this machine get it, its bytes are copied into shared memory once,
  /// and are there as long as anybody looks at them. Keep it, and put it into each message.
  [[nodiscard]] static Payload put(Payload payload) {
    const std::span<const std::byte> bytes = payload.bytes();
    Payload shared(std::make_shared<const Payload>(std::move(payload)), bytes);  // an owner of its own: who it is
    shared.sharing_ = Sharing::once;
    return shared;
  }
  /// The same of a copy of `bytes`.
  [[nodiscard]] static Payload put(std::span<const std::byte> bytes) { return put(copy_of(bytes)); }

  /// Valid as long as any copy of this handle lives.
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  /// bytes().data(); null when there are none.
  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }
  /// In bytes.
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  /// What keeps the bytes; null for none.
  [[nodiscard]] const std::shared_ptr<const void>& owner() const { return owner_; }
  /// How it goes to other processes of the machine.
  [[nodiscard]] Sharing sharing() const { return sharing_; }

private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
  Sharing sharing_ = Sharing::each;
};

}  // namespace troupe::runtime
