#pragma once

#include "runtime/message/message.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace troupe::runtime {

/// The first 24 letters of a name, eight in a word, the first in the lowest byte; zeros behind a shorter one. Of a type
/// they are known before the program runs, and copied in three moves.
struct NameWords {
  static constexpr std::size_t kBytes = 24;          ///< as much of a name as it holds
  std::array<std::uint64_t, kBytes / 8> words = {};  ///< the letters

  constexpr NameWords() = default;
  constexpr explicit NameWords(std::string_view name) {
    const std::size_t count = std::min(name.size(), kBytes);
    for (std::size_t i = 0; i < count; ++i) {
      words[i / 8] |= std::uint64_t{static_cast<unsigned char>(name[i])} << 8 * (i % 8);
    }
  }
};

/// Stands for a message's C++ type: one object for each type in a process, known by its address.
struct MessageType {
  /// Of the message with that kName.
  constexpr explicit MessageType(std::string_view message) : name(message), name_words(message) {}

  std::string_view name;  ///< kName of the message
  NameWords name_words;   ///< the same, for the flight recorder
};
/// The one of M; compared by address.
template <Message M>
inline constexpr MessageType kMessageType{M::kName};

/// One message inside a process: its header, and the sender's object as it is. Only what leaves the process becomes
/// bytes, only what comes from another process is decoded.
///
/// Thread-safety: one thread at a time; handing it over through a Mailbox synchronises.
/// Ownership:     owns its contents; a Mailbox links it into its list.
/// Errors:        to_envelope() says what is too large to travel.
/// Restart:       gone with the mailbox it waits in.
class Mail {
public:
  virtual ~Mail() = default;
  Mail(const Mail&) = delete;
  Mail& operator=(const Mail&) = delete;

  /// kName of the message.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// As bytes, for a transport.
  [[nodiscard]] virtual Result<Envelope> to_envelope() const = 0;
  /// Another one with the same header and contents, as if it came from this process.
  [[nodiscard]] virtual std::unique_ptr<Mail> clone() const = 0;
  /// The bytes that came from another node; null for an object of this process.
  [[nodiscard]] virtual const Envelope* bytes() const { return nullptr; }
  /// The type of the object; null for bytes.
  [[nodiscard]] const MessageType* type() const { return type_; }

  Header header;  ///< who, to whom, which turn; what travels with it

protected:
  /// `type` is null where there is no object but bytes.
  explicit Mail(const MessageType* type) : type_(type) {}

private:
  friend class Mailbox;
  const MessageType* const type_;
  // The mailbox's.
  Mail* next_ = nullptr;
  std::uint64_t load_ = 0;
};

/// Mail has one owner at a time: sender, mailbox, handler.
using MailPtr = std::unique_ptr<Mail>;

/// An object of this process.
///
/// Thread-safety: as Mail.
/// Ownership:     owns the object.
/// Errors:        as Mail.
/// Restart:       as Mail.
template <Message M>
class ValueMail final : public Mail {
public:
  /// Copies the message, and its fields step, micro_batch and epoch into the header.
  explicit ValueMail(const M& message) : Mail(&kMessageType<M>), value(message) { copy_identity(); }
  /// The same without a copy.
  explicit ValueMail(M&& message) : Mail(&kMessageType<M>), value(std::move(message)) { copy_identity(); }

  [[nodiscard]] std::string_view name() const override { return M::kName; }
  [[nodiscard]] Result<Envelope> to_envelope() const override {
    Result<Envelope> encoded = try_encode_message(value);
    if (!encoded) return encoded;
    Envelope envelope = std::move(encoded).value();
    const auto body_bytes = envelope.header.body_bytes;
    const auto payload_count = envelope.header.payload_count;
    envelope.header = header;
    envelope.header.body_bytes = body_bytes;
    envelope.header.payload_count = payload_count;
    return envelope;
  }

  [[nodiscard]] MailPtr clone() const override {
    auto copy = std::make_unique<ValueMail>(value);
    copy->header = header;
    return copy;
  }

  M value;  ///< what the handler is given

private:
  void copy_identity() {
    if constexpr (requires { value.step; }) header.step = static_cast<std::uint32_t>(value.step);
    if constexpr (requires { value.micro_batch; }) header.micro_batch = static_cast<std::uint32_t>(value.micro_batch);
    if constexpr (requires { value.epoch; }) header.epoch = static_cast<std::uint32_t>(value.epoch);
  }
};

/// What a transport brought.
///
/// Thread-safety: as Mail.
/// Ownership:     owns the envelope, and with it the link's credit.
/// Errors:        none.
/// Restart:       as Mail.
class BytesMail final : public Mail {
public:
  /// Takes the envelope's header as its own.
  explicit BytesMail(Envelope envelope) : Mail(nullptr), envelope_(std::move(envelope)) { header = envelope_.header; }

  [[nodiscard]] std::string_view name() const override { return envelope_.message; }
  [[nodiscard]] Result<Envelope> to_envelope() const override {
    Envelope envelope = envelope_;
    envelope.header = header;
    return envelope;
  }
  [[nodiscard]] const Envelope* bytes() const override { return &envelope_; }
  [[nodiscard]] MailPtr clone() const override {
    Envelope own = envelope_;
    own.arrival = {};
    auto copy = std::make_unique<BytesMail>(std::move(own));
    copy->header = header;
    return copy;
  }

private:
  const Envelope envelope_;
};

/// Mail for the receiver's node or for a transport; its header is filled on the way.
template <class M>
requires Message<std::remove_cvref_t<M>>
[[nodiscard]] MailPtr make_mail(M&& message) {
  return std::make_unique<ValueMail<std::remove_cvref_t<M>>>(std::forward<M>(message));
}

/// The object inside, when it is of type M and of this process.
template <Message M>
[[nodiscard]] M* value_of(Mail& mail) {
  return mail.type() == &kMessageType<M> ? &static_cast<ValueMail<M>&>(mail).value : nullptr;
}

/// Calls `use` with the message of type M that is in `mail`, or says why there is none, as decode_message() does.
template <Message M, class Use>
[[nodiscard]] Result<Done> with_message(Mail& mail, const Use& use) {
  if (M* const value = value_of<M>(mail)) {
    use(*value);
    return Done{};
  }
  const auto read = [&mail]() -> Result<M> {
    if (const Envelope* const bytes = mail.bytes()) return decode_message<M>(*bytes);
    // An object of another type, perhaps with the same name: then its bytes decide.
    const Result<Envelope> encoded = mail.to_envelope();
    return encoded ? decode_message<M>(*encoded) : Result<M>(encoded.failure());
  };
  Result<M> message = read();
  if (!message) return message.failure();
  M decoded = std::move(message).value();
  use(decoded);
  return Done{};
}

}  // namespace troupe::runtime
