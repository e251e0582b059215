// Shows: what a sender meets when its receiver is slower, and its three choices: to hear of it at once and leave the
//        message out, to let it wait, or to ask for each and send the next with the answer. Memory stays bounded
//        anyway.
// Run:   build/release/examples/10_backpressure
#include "runtime/node.hpp"

#include <future>
#include <iostream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

constexpr int kItems = 1000;
constexpr std::size_t kMailbox = 16;  // messages that may wait for an actor

struct Item {
  static constexpr std::string_view kName = "press.item";
  int number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number);
  }
};

struct Go {
  static constexpr std::string_view kName = "press.go";
  template <class Archive>
  void serialize(Archive&) {}
};

/// Counts, and begins only when it is told, so that everything sent before has to wait.
class Slow final : public Actor {
public:
  explicit Slow(std::shared_future<void> begin) : begin_(std::move(begin)) {}
  Behavior behavior() override { return {on(this, &Slow::work)}; }

private:
  void work(const Item& item, Context& context) {
    begin_.wait();  // in earnest: work that takes its time
    context.reply(item);
  }
  std::shared_future<void> begin_;
};

class Sender final : public Actor {
public:
  Sender(std::string receiver, std::promise<void> begin, std::promise<int> done)
      : receiver_{std::move(receiver), 0}, begin_(std::move(begin)), done_(std::move(done)) {}
  Behavior behavior() override { return {on(this, &Sender::go)}; }

private:
  // First choice: what finds no room is left out, as of measurements, where the next is better than the last.
  void go(const Go&, Context& context) {
    int left_out = 0;
    for (int i = 0; i < kItems; ++i) {
      if (!context.send(receiver_, Item{i})) ++left_out;
    }
    std::cout << "send(): " << (left_out > 0 ? "some are left out, and the sender knows how many" : "?") << "\n";
    // Second: nothing is lost, nor waits here for ever: beyond kMaxWaitingSends it throws.
    for (int i = 0; i < kItems; ++i) context.send_when_room(receiver_, Item{i}).value();
    begin_.set_value();
    ask_next(context);
  }

  // Third: one at a time. The receiver's pace is the sender's. The first of them waits behind the messages before it.
  void ask_next(Context& context) {
    context.request_when_room<Item>(receiver_, Item{asked_}, 5s, [this](const Result<Item>& answer, Context& turn) {
      (void)answer.value();
      if (++asked_ == kItems) return done_.set_value(asked_);
      ask_next(turn);
    });
  }

  const ActorId receiver_;
  std::promise<void> begin_;
  std::promise<int> done_;
  int asked_ = 0;
};

}  // namespace

int main() {
  Node node({.mailbox_capacity = kMailbox}, make_local_parts(2));
  node.start().value();
  std::promise<void> begin;
  std::promise<int> done;
  std::future<int> asked = done.get_future();
  node.spawn("slow", std::make_unique<Slow>(begin.get_future().share())).value();
  node.spawn("sender", std::make_unique<Sender>("slow", std::move(begin), std::move(done))).value();
  node.send("sender", Go{}).value();
  const int answered = asked.get();
  std::cout << "request(): " << answered << " of " << kItems << " were answered\n";
}
