// Shows: actors placed by what they need, on three nodes that know each other by sockets alone: a group packed, a group
//        spread, one that has to wait and hears why, and an actor that is found by its name from another node.
// Run:   build/release/examples/11_placement
#include "runtime/observe/log.hpp"
#include "runtime/placing/node_host.hpp"
#include "runtime/placing/place.hpp"
#include "runtime/placing/placer.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <filesystem>
#include <future>
#include <iostream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

struct Where {
  static constexpr std::string_view kName = "worker.where";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Here {
  static constexpr std::string_view kName = "worker.here";
  std::string node;
  int asked = 0;  // how often
  template <class Archive>
  void serialize(Archive& archive) {
    archive(node, asked);
  }
};

class Worker final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Worker::where)}; }

private:
  void where(const Where&, Context& context) { context.reply(Here{context.node().options().name, ++asked_}); }
  int asked_ = 0;
};

/// Owns what it asks for: with this actor it ends.
class Director final : public Actor {
public:
  explicit Director(std::promise<Result<ActorId>> placed) : placed_(std::move(placed)) {}
  Behavior behavior() override { return {}; }
  void on_start(Context& context) override {
    place(context, PlaceActor{"worker", "work/large", {}, {.resources = Resources::of("cpu=2")}}, 30s,
          [this](const Result<ActorId>& placed, Context&) { placed_.set_value(placed); });
  }

private:
  std::promise<Result<ActorId>> placed_;
};

/// A node with sockets of its own; in earnest it is a process, and on another machine.
struct Member {
  Node node;
  Member(const std::string& folder, const std::string& name) : node({.name = name}, parts(folder, name)) {
    node.start().value();
  }
  static NodeParts parts(const std::string& folder, const std::string& name) {
    ZmqTransportOptions options;
    options.listen = "ipc://" + folder + "/" + name;
    return make_threaded_parts(1, make_zmq_transport(options));
  }
  void join(const DirectoryEntry& placer) {
    ActorClasses classes;  // what can be started here by name
    classes.add<Worker>("worker");
    HostOptions options;
    options.resources = Resources::of("cpu=2");
    spawn_host(node, std::move(classes), options, placer).value();
  }
};

std::string nodes_of(Node& node, const std::vector<ActorId>& actors) {
  std::string text;
  for (const ActorId& each : actors) text += " " + node.request<Here>(each.name, Where{}, 5s).value().node;
  return text;
}

std::string why_of(Node& node, const std::string& name) {
  return node.request<Explanation>(kPlacerName, Why{name}, 5s).value().text;
}

void run(const std::string& folder) {
  Member a(folder, "a");
  Member b(folder, "b");
  Member c(folder, "c");
  const DirectoryEntry placer{a.node.spawn(std::string(kPlacerName), std::make_unique<Placer>()).value(),
                              a.node.endpoint()};
  for (Member* const each : {&a, &b, &c}) each->join(placer);

  // On a chosen node, which may still have to join. Main functions own nothing: what they place is detached.
  for (const std::string name : {"a", "b", "c"}) {
    place(a.node, {"worker", "probe/" + name, {}, {.on_node = name, .lifetime = Lifetime::detached}}, 30s).value();
  }
  const Resources half = Resources::of("cpu=0.5");
  const Resources one = Resources::of("cpu=1");
  const auto near = place_all(
      a.node, {"near", {{"worker", "near/0", half}, {"worker", "near/1", half}}, {.lifetime = Lifetime::detached}},
      30s);
  std::cout << "packed:" << nodes_of(a.node, near.value()) << "\n";
  const auto wide = place_all(a.node,
                              {"wide",
                               {{"worker", "wide/0", one}, {"worker", "wide/1", one}, {"worker", "wide/2", one}},
                               {.strategy = Strategy::spread, .lifetime = Lifetime::detached}},
                              30s);
  std::cout << "spread:" << nodes_of(a.node, wide.value()) << "\n";

  std::promise<Result<ActorId>> promise;
  std::future<Result<ActorId>> large = promise.get_future();
  a.node.spawn("director", std::make_unique<Director>(std::move(promise))).value();
  std::cout << why_of(a.node, "work/large") << "\n";
  a.node.request<Ack>(kPlacerName, StopPlaced{"wide/1"}, 5s).value();  // makes room
  std::cout << "then placed:" << nodes_of(a.node, {large.get().value()}) << "\n";

  // From a node that has placed nothing: find() tells it where the actor lives.
  const ActorId found = find(c.node, "probe/b", 5s).value();
  const Here answer = c.node.request<Here>(found.name, Where{}, 5s).value();
  std::cout << "found from c: " << found.name << " on node " << answer.node << "\n";
}

}  // namespace

int main() {
  log_to_stderr("warning");
  std::string folder = "/tmp/troupe-example-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  run(folder);
  std::filesystem::remove_all(folder);
}
