// Shows: requests. Each has a deadline and exactly one outcome, a reply or a Failure; nobody waits for ever.
// Run:   build/release/examples/02_request_reply
#include "runtime/node.hpp"

#include <iostream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

struct Divide {
  static constexpr std::string_view kName = "calculator.divide";
  int dividend = 0;
  int divisor = 1;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(dividend, divisor);
  }
};

struct Quotient {
  static constexpr std::string_view kName = "calculator.quotient";
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
};

class Calculator final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Calculator::divide)}; }

private:
  void divide(const Divide& message, Context& context) {
    if (message.divisor == 7) return (void)context.defer_reply();  // "later", and then never
    if (message.divisor == 0) return context.reply_failure({FailureKind::unknown, "division by zero"});
    context.reply(Quotient{message.dividend / message.divisor});
  }
};

/// Passes a question on and answers when it has the answer: an actor asks without waiting.
class Secretary final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Secretary::divide)}; }

private:
  void divide(const Divide& message, Context& context) {
    const ReplyTo asker = context.defer_reply();
    context.request<Quotient>({"calculator"}, message, 50ms, [asker](const Result<Quotient>& answer, Context& later) {
      if (!answer) return later.fail_to(asker, answer.failure().within("the calculator says"));
      later.reply_to(asker, *answer);
    });
  }
};

}  // namespace

int main() {
  Node node({}, make_local_parts(2));
  node.start().value();
  node.spawn("calculator", std::make_unique<Calculator>()).value();
  node.spawn("secretary", std::make_unique<Secretary>()).value();

  // Outside of actors a request waits for its outcome.
  for (const Divide& question : {Divide{42, 6}, Divide{42, 0}, Divide{42, 7}}) {
    const Result<Quotient> answer = node.request<Quotient>("secretary", question, 5s);
    std::cout << question.dividend << " / " << question.divisor << " = "
              << (answer ? std::to_string(answer->value) : answer.failure().describe()) << "\n";
  }
}
