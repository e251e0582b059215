// Shows: a handler that waits without blocking its actor, several questions at once, and an answer of many messages.
// Run:   build/release/examples/06_coroutines_and_streams
#include "runtime/node.hpp"
#include "runtime/stream/stream.hpp"
#include "runtime/task/asking.hpp"

#include <iostream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

struct Count {
  static constexpr std::string_view kName = "warehouse.count";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Listing {
  static constexpr std::string_view kName = "warehouse.listing";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Number {
  static constexpr std::string_view kName = "warehouse.number";
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
};

/// Knows how many boxes it has, and lists them one by one, no faster than they are read.
class Warehouse final : public Actor {
public:
  explicit Warehouse(int boxes) : boxes_(boxes) {}
  Behavior behavior() override { return {on(this, &Warehouse::count), on(this, &Warehouse::list)}; }

private:
  void count(const Count&, Context& context) { context.reply(Number{boxes_}); }
  Task<> list(const Listing&, Context& context) {
    const StreamOut<Number> boxes(context);
    for (int box = 1; box <= boxes_; ++box) {
      if (!co_await boxes.room(context)) co_return;  // nobody reads any more
      (void)boxes.put(context, Number{box});         // what this would say, the next room() says too
    }
    boxes.end(context);
  }

  const int boxes_;
};

/// Adds up what its warehouses have. While it waits for them it can be asked again.
class Shop final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Shop::count), on(this, &Shop::list)}; }

private:
  Task<Number> count(const Count& question, Context& context) {
    const auto [north, south] = co_await all(context.ask<Number>(ActorId{"north"}, question, 1s),
                                             context.ask<Number>(ActorId{"south"}, question, 1s));
    co_return Number{north.value().value + south.value().value};  // a failure of theirs would be this actor's
  }
  Task<Number> list(const Listing& question, Context& context) {
    StreamLimits two_at_a_time;
    two_at_a_time.credit = 2;
    StreamReader<Number> boxes(context, ActorId{"north"}, question, two_at_a_time);
    int seen = 0;
    while ((co_await boxes.next()).value()) ++seen;
    co_return Number{seen};
  }
};

}  // namespace

int main() {
  Node node({}, make_local_parts(2));
  node.start().value();
  node.spawn("north", std::make_unique<Warehouse>(40)).value();
  node.spawn("south", std::make_unique<Warehouse>(2)).value();
  node.spawn("shop", std::make_unique<Shop>()).value();
  std::cout << "In all: " << node.request<Number>("shop", Count{}, 5s).value().value << "\n"
            << "Listed in the north: " << node.request<Number>("shop", Listing{}, 5s).value().value << "\n";
  return 0;
}
