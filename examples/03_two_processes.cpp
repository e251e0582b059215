// Shows: actors in two processes, over a ZeroMQ socket of this host; replace ipc by tcp for two machines.
// Run:   build/release/examples/03_two_processes    (it starts the second process itself)
#include "runtime/node.hpp"
#include "runtime/transport/shm_arena.hpp"
#include "runtime/transport/zmq_transport.hpp"
#include "scheduler/process_watch.hpp"

#include <unistd.h>

#include <future>
#include <iostream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

struct Arrived {
  static constexpr std::string_view kName = "desk.arrived";
  DirectoryEntry who;  // name, incarnation and endpoint: all that others need to write to an actor
  template <class Archive>
  void serialize(Archive& archive) {
    archive(who);
  }
};

struct WhoAreYou {
  static constexpr std::string_view kName = "guest.who_are_you";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Introduction {
  static constexpr std::string_view kName = "guest.introduction";
  int process = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(process);
  }
};

/// Tells the main function who has arrived.
class Desk final : public Actor {
public:
  explicit Desk(std::promise<DirectoryEntry> arrived) : arrived_(std::move(arrived)) {}
  Behavior behavior() override { return {on(this, &Desk::arrived)}; }

private:
  void arrived(const Arrived& message, Context&) { arrived_.set_value(message.who); }
  std::promise<DirectoryEntry> arrived_;
};

class Guest final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Guest::introduce)}; }

private:
  void introduce(const WhoAreYou&, Context& context) { context.reply(Introduction{getpid()}); }
};

std::unique_ptr<Transport> listen_at(const std::string& endpoint) {
  ZmqTransportOptions options;
  options.listen = endpoint;
  return make_zmq_transport(options);
}

/// The second process: one actor, and a message to the desk that it is here.
int be_guest(const std::string& folder) {
  Node node({}, make_threaded_parts(1, listen_at("ipc://" + folder + "/guest")));
  node.start().value();
  node.announce({{"desk", 1}, "ipc://" + folder + "/desk"});
  const ActorId guest = node.spawn("guest", std::make_unique<Guest>()).value();
  node.send("desk", Arrived{{guest, node.endpoint()}}).value();
  for (;;) pause();  // ends with the first process
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) return be_guest(arguments[1]);
  std::string folder = "/tmp/troupe-example-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  {
    Node node({}, make_threaded_parts(1, listen_at("ipc://" + folder + "/desk")));
    node.start().value();
    std::promise<DirectoryEntry> arrived;
    std::future<DirectoryEntry> guest = arrived.get_future();
    node.spawn("desk", std::make_unique<Desk>(std::move(arrived))).value();

    troupe::scheduler::ProcessWatch processes([](pid_t, const Failure&) {});
    const pid_t process = processes.start({"/proc/self/exe", {folder}, "", "/dev/null"}).value();
    node.announce(guest.get());
    const auto answer = node.request<Introduction>("guest", WhoAreYou{}, 5s).value();
    std::cout << "I am process " << getpid() << "\n"
              << "the guest is " << (answer.process == process ? "the process I started" : "a stranger") << "\n";
  }
  sweep_all_arenas(shared_memory_directory());  // of the process that was killed
  std::filesystem::remove_all(folder);
}
