// Two nodes over ZeroMQ, a supervised counter, a typed handle: what a user of the library writes.
#include "runtime/actor_ref.hpp"
#include "runtime/gather.hpp"
#include "runtime/node.hpp"
#include "runtime/supervision/supervisor.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <iostream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

struct Add {
  static constexpr std::string_view kName = "counter.add";
  int amount = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(amount);
  }
};

struct Read {
  static constexpr std::string_view kName = "counter.read";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Total {
  static constexpr std::string_view kName = "counter.total";
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
};

class Counter final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Counter::add), on(this, &Counter::read)}; }

private:
  void add(const Add& add, Context&) { total_ += add.amount; }
  void read(const Read&, Context& context) { context.reply(Total{total_}); }
  int total_ = 0;
};

std::unique_ptr<Transport> over_tcp(const std::string& name) {
  ZmqTransportOptions options;
  options.listen = "tcp://127.0.0.1:*";
  options.node_name = name;
  return make_zmq_transport(options);
}

int main() {
  Node here({}, make_threaded_parts(1, over_tcp("here")));
  Node there({}, make_threaded_parts(1, over_tcp("there")));
  here.start().value();
  there.start().value();
  SupervisorSpec spec;
  spec.children.push_back({"counter", [] { return std::make_unique<Counter>(); }});
  there.spawn("supervisor", std::make_unique<Supervisor>(spec)).value();
  here.announce({{"counter", 1}, there.endpoint()});
  for (const int amount : {1, 2, 39}) here.send("counter", Add{amount}).value();
  std::cout << "total " << here.request<Total>("counter", Read{}, 10s).value().value << "\n";
}
