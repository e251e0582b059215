// Shows: an actor, a message, and the node they live on.
// Run:   build/release/examples/01_hello
#include "runtime/node.hpp"

#include <iostream>

using namespace troupe::runtime;

namespace {

/// A message: a plain struct with a name; what it says is listed once, for writing and reading.
struct Greet {
  static constexpr std::string_view kName = "hello.greet";
  std::string who;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(who);
  }
};

/// An actor: state that only its own turns touch, one handler for each message, two hooks.
class Greeter final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Greeter::greet)}; }

  void on_start(Context& context) override { std::cout << context.self().describe() << " is ready\n"; }
  void on_stop(Context& context) override {
    std::cout << context.self().describe() << " stops after " << greetings_ << " greetings\n";
  }

private:
  void greet(const Greet& message, Context&) {
    ++greetings_;
    std::cout << "Hello, " << message.who << "!\n";
  }

  int greetings_ = 0;
};

}  // namespace

int main() {
  Node node({}, make_local_parts(1));
  node.start().value();

  node.spawn("greeter", std::make_unique<Greeter>()).value();  // returns when on_start() has returned
  node.send("greeter", Greet{"world"}).value();                // does not wait
  node.send("greeter", Greet{"troupe"}).value();
  node.stop("greeter", std::chrono::seconds(5)).value();  // after what was sent before

  const Result<Done> too_late = node.send("greeter", Greet{"anybody"});
  std::cout << "And then? " << too_late.failure().text << "\n";
}
