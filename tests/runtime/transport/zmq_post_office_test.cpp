#include "tests/runtime/test_actors.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <pthread.h>
#include <signal.h>

#include <array>
#include <future>
#include <vector>

/// Turns of actors on the post office's own thread.
namespace troupe::runtime {
namespace {

constexpr std::chrono::seconds kTurnPatience{20};
constexpr int kTries = 2000;  // whether a turn runs there depends on what else there is to do at that moment

bool is_post_office() {
  std::array<char, 16> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return std::string(name.data()) == "troupe-post";
}

std::vector<int> blocked_signals() {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  std::vector<int> blocked;
  for (int signal = 1; signal < NSIG; ++signal) {
    if (sigismember(&mask, signal) == 1) blocked.push_back(signal);
  }
  return blocked;
}

/// Two nodes of this process that talk over sockets.
class ZmqPostOffice : public testing::Test {
protected:
  ZmqPostOffice() {
    if (!here.start() || !there.start()) throw std::runtime_error("a node did not start");
  }
  void spawn_there(const std::string& name, HookedActor::Hooks hooks) {
    there.spawn(name, std::make_unique<HookedActor>(std::move(hooks))).value();
    here.announce({{name, 1}, there.endpoint()});
  }
  [[nodiscard]] std::future<Result<Answer>> ask_there(const std::string& name) {
    return std::async(std::launch::async,
                      [this, name] { return here.request<Answer>(name, Ask{7}, 2 * kTurnPatience); });
  }
  [[nodiscard]] NodeParts parts(const std::string& name) const {
    return make_threaded_parts(2, make_zmq_transport(test_options(folder, folder.ipc(name))));
  }

  // Of turns, so they outlive the nodes: what passes through libzmq is no order that ThreadSanitizer sees.
  const std::vector<int> own = blocked_signals();
  std::atomic<int> read_there = 0;

  const TestFolder folder;
  Node there{{.name = "there", .job = 7}, parts("there")};
  Node here{{.name = "here", .job = 7}, parts("here")};
};

TEST_F(ZmqPostOffice, ALoneRequestIsAnsweredOnTheThreadThatReadIt) {
  HookedActor::Hooks hooks;
  hooks.ask = [this](const Ask& ask, Context& context) {
    if (is_post_office()) {
      ++read_there;
      EXPECT_EQ(blocked_signals(), own) << "what it starts must not inherit more";
    }
    context.reply(Answer{ask.value});
  };
  spawn_there("answers", hooks);
  for (std::uint32_t i = 0; i < kTries && read_there == 0; ++i) {
    const Result<Answer> answer = here.request<Answer>("answers", Ask{i}, kTurnPatience);
    ASSERT_TRUE(answer) << answer.failure().describe();
    ASSERT_EQ(answer->value, i);
  }
  EXPECT_GT(read_there.load(), 0);
}

/// A turn that holds its thread until the test opens it; shared with it, as it may be on its last line when the test
/// ends.
struct HeldTurn {
  std::promise<bool> began;  // on the post office's thread?
  std::promise<void> opened;
};

HookedActor::Hooks waiting_for(const std::shared_ptr<HeldTurn>& held) {
  HookedActor::Hooks hooks;
  hooks.ask = [held](const Ask& ask, Context& context) {
    held->began.set_value(is_post_office());
    const bool is_open = held->opened.get_future().wait_for(kTurnPatience) == std::future_status::ready;
    if (is_open) context.reply(Answer{ask.value});
  };
  return hooks;
}

TEST_F(ZmqPostOffice, PO5_ATurnThatBlocksItsThreadKeepsBackNoOtherMail) {
  bool has_blocked = false;
  // An actor each time: whose turn was long is not given another one there.
  for (int i = 0; i < kTries && !has_blocked; ++i) {
    const auto held = std::make_shared<HeldTurn>();
    HookedActor::Hooks opens;
    opens.number = [held](const Number&, Context&) { held->opened.set_value(); };
    const std::string number = std::to_string(i);
    spawn_there("waits" + number, waiting_for(held));
    spawn_there("opens" + number, opens);
    std::future<Result<Answer>> answer = ask_there("waits" + number);
    has_blocked = held->began.get_future().get();
    // Comes by the sockets that the waiting thread has read so far.
    ASSERT_TRUE(here.send("opens" + number, Number{1}));
    const Result<Answer> came = answer.get();
    ASSERT_TRUE(came) << came.failure().describe();
  }
  EXPECT_TRUE(has_blocked);
}

TEST_F(ZmqPostOffice, PO5_ANodeThatStopsWhileATurnBlocksItsThreadSaysGoodbye) {
  bool has_blocked = false;
  for (int i = 0; i < kTries && !has_blocked; ++i) {
    const auto held = std::make_shared<HeldTurn>();
    const std::string name = "waits" + std::to_string(i);
    spawn_there(name, waiting_for(held));
    std::future<Result<Answer>> answer = ask_there(name);
    has_blocked = held->began.get_future().get();
    if (!has_blocked) {
      held->opened.set_value();
      ASSERT_TRUE(answer.get());
      continue;
    }
    std::thread stops([this] { there.shutdown(std::chrono::milliseconds(50)); });
    const Result<Answer> came = answer.get();
    EXPECT_FALSE(came) << "the turn goes on";
    EXPECT_TRUE(came || came.failure().kind == FailureKind::disconnected) << came.failure().describe();
    held->opened.set_value();
    stops.join();
  }
  EXPECT_TRUE(has_blocked);
}

}  // namespace
}  // namespace troupe::runtime
