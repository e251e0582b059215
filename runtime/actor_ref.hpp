#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/message/message.hpp"

#include <type_traits>
#include <utility>

namespace troupe::runtime {

/// A row of a Protocol: `Ask` is answered by `Reply`.
template <Message Ask, Message Reply>
struct Answers {};

/// What an actor understands: message types, and Answers<Ask, Reply> for those it answers.
///
///     using Store = Protocol<Put, Answers<Get, Value>>;
///     ActorRef<Store> store = ...;
///     context.send(store, Put{...});
///     context.request(store, Get{...}, deadline, [](const Result<Value>& value, Context&) { ... });
///     context.send(store, Value{...});  // does not compile
template <class... Rows>
struct Protocol {};

namespace detail {

template <class Row, class M>
struct RowAccepts : std::is_same<Row, M> {};
template <class Ask, class Reply, class M>
struct RowAccepts<Answers<Ask, Reply>, M> : std::is_same<Ask, M> {};

template <class P, class M>
struct ProtocolAccepts : std::false_type {};
template <class... Rows, class M>
struct ProtocolAccepts<Protocol<Rows...>, M> : std::disjunction<RowAccepts<Rows, M>...> {};

struct NoReply {};
template <class Row, class M>
struct RowReply {
  using type = NoReply;
};
template <class Ask, class Reply>
struct RowReply<Answers<Ask, Reply>, Ask> {
  using type = Reply;
};

template <class P, class M>
struct ProtocolReply {
  using type = NoReply;
};
template <class First, class... Rest, class M>
struct ProtocolReply<Protocol<First, Rest...>, M> {
  using here = typename RowReply<First, M>::type;
  using type =
      std::conditional_t<std::is_same_v<here, NoReply>, typename ProtocolReply<Protocol<Rest...>, M>::type, here>;
};

}  // namespace detail

/// An actor of protocol P may be sent an M.
template <class P, class M>
concept Accepts = detail::ProtocolAccepts<P, std::remove_cvref_t<M>>::value;
/// What an actor of protocol P answers to an M.
template <class P, class M>
using ReplyTo_t = typename detail::ProtocolReply<P, std::remove_cvref_t<M>>::type;
/// An actor of protocol P answers an M.
template <class P, class M>
concept Replies = !std::is_same_v<ReplyTo_t<P, M>, detail::NoReply>;

/// An actor and what it understands; travels inside messages as its id does.
///
/// Thread-safety: a plain value.
/// Ownership:     of the name alone: the actor may be gone.
/// Errors:        none; that the actor keeps to P is its author's promise.
/// Restart:       with incarnation 0 it means whoever holds the name.
template <class P>
struct ActorRef {
  ActorId id;  ///< whom messages go to

  /// Nobody.
  ActorRef() = default;
  /// The caller says that `actor` understands P; nothing checks it.
  explicit ActorRef(ActorId actor) : id(std::move(actor)) {}

  bool operator==(const ActorRef&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(id);
  }
};

}  // namespace troupe::runtime
