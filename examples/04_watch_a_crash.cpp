// Shows: watching. Whoever watches an actor hears of its end, with the true cause: here an exception, and then kill -9
//        of a whole process.
// Run:   build/release/examples/04_watch_a_crash
#include "runtime/node.hpp"
#include "runtime/transport/shm_arena.hpp"
#include "runtime/transport/zmq_transport.hpp"
#include "runtime/watch.hpp"
#include "scheduler/process_watch.hpp"

#include <signal.h>
#include <unistd.h>

#include <future>
#include <iostream>

using namespace troupe::runtime;

namespace {

struct Arrived {
  static constexpr std::string_view kName = "guard.arrived";
  DirectoryEntry who;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(who);
  }
};

class Victim final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Victim::greet)}; }

private:
  void greet(const Arrived& message, Context&) { throw std::runtime_error("cannot stand " + message.who.actor.name); }
};

class Guard final : public Actor {
public:
  Guard(std::promise<void>& watching, std::promise<void>& done) : watching_(watching), done_(done) {}
  Behavior behavior() override { return {on(this, &Guard::watch_over), on(this, &Guard::hear)}; }

private:
  void watch_over(const Arrived& message, Context& context) {
    context.node().announce(message.who);
    context.watch(message.who.actor);
    if (message.who.actor.name == "victim") return watching_.set_value();
    (void)context.send(message.who.actor, message);  // which it will not survive
  }
  void hear(const ActorDown& message, Context&) {
    std::cout << message.actor.describe() << " is down: " << message.cause.text << "\n";
    if (message.actor.name == "victim") done_.set_value();
  }

  std::promise<void>& watching_;
  std::promise<void>& done_;
};

std::unique_ptr<Transport> listen_at(const std::string& endpoint) {
  ZmqTransportOptions options;
  options.listen = endpoint;
  return make_zmq_transport(options);
}

int be_victim(const std::string& folder) {
  Node node({}, make_threaded_parts(1, listen_at("ipc://" + folder + "/victim")));
  node.start().value();
  node.announce({{"guard", 1}, "ipc://" + folder + "/guard"});
  const ActorId victim = node.spawn("victim", std::make_unique<Victim>()).value();
  node.send("guard", Arrived{{victim, node.endpoint()}}).value();
  for (;;) pause();
}

void watch_two_crashes(const std::string& folder) {
  Node node({}, make_threaded_parts(1, listen_at("ipc://" + folder + "/guard")));
  node.start().value();
  std::promise<void> watching;
  std::promise<void> done;
  node.spawn("guard", std::make_unique<Guard>(watching, done)).value();

  const ActorId near = node.spawn("touchy", std::make_unique<Victim>()).value();
  node.send("guard", Arrived{{near, node.endpoint()}}).value();

  // The kernel tells how a process ended; whoever knows that says which actor died with it, and of what.
  troupe::scheduler::ProcessWatch processes([&node](pid_t, const Failure& cause) {
    node.declare_down({"victim", 1}, cause);
  });
  const pid_t process = processes.start({"/proc/self/exe", {folder}, "", "/dev/null"}).value();
  watching.get_future().wait();
  processes.signal(process, SIGKILL);
  done.get_future().wait();
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) return be_victim(arguments[1]);
  std::string folder = "/tmp/troupe-example-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  watch_two_crashes(folder);
  sweep_all_arenas(shared_memory_directory());  // of the process that was killed
  std::filesystem::remove_all(folder);
}
