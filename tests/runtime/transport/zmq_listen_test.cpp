#include "runtime/transport/zmq_listen.hpp"

#include "runtime/transport/zmq_handshake.hpp"
#include "tests/runtime/transport/zmq_child.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace troupe::runtime {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ZmqListen, ZS1_PortInUseSaysWhatToDo) {
  zmq::context_t context(1);
  const Listening first = listen_on(context, "tcp://127.0.0.1:*").value();
  const Result<Listening> second = listen_on(context, first.endpoint);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.failure().text,
            "cannot listen on " + first.endpoint +
                ": Address already in use: another troupe head may be running; choose another port");
}

TEST(ZmqListen, ZS1_LivingIpcListenerIsNotReplacedADeadOneIs) {
  const TestFolder folder;
  const std::string where = folder.ipc("node");
  Child child([&](ChildEnd& end) {
    zmq::context_t context(1);
    const Listening listening = listen_on(context, where).value();
    end.tell('r');
    ChildEnd::wait_to_be_killed();
  });
  ASSERT_TRUE(child.wait_for('r'));
  zmq::context_t context(1);
  const Result<Listening> refused = listen_on(context, where);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(contains(refused.failure().text, "Address already in use")) << refused.failure().text;
  child.kill();
  EXPECT_EQ(folder.entries(), 1U) << "a killed process leaves its file";
  EXPECT_TRUE(listen_on(context, where));
}

TEST(ZmqListen, FolderIsMadePrivateAndRefusedWhenOpenToOthers) {
  const TestFolder folder;
  zmq::context_t context(1);
  ASSERT_TRUE(listen_on(context, folder.ipc("new/node")));
  struct stat status {};
  ASSERT_EQ(::stat((folder.path() / "new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  ASSERT_EQ(::chmod((folder.path() / "new").c_str(), 0777), 0);
  const Result<Listening> refused = listen_on(context, folder.ipc("new/node2"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(contains(refused.failure().text, "0700")) << refused.failure().text;
}

TEST(ZmqListen, ImpossibleEndpointsAreFailures) {
  const TestFolder folder;
  zmq::context_t context(1);
  for (const std::string& where : {std::string(), std::string("udp://x:1"), std::string("tcp://"),
                                   std::string("ipc://"), std::string("tcp://host.invalid:5000"),
                                   std::string("tcp://127.0.0.1:99999"), folder.ipc(std::string(120, 'n'))}) {
    EXPECT_FALSE(listen_on(context, where)) << where;
  }
}

TEST(ZmqListen, WildcardsAnnounceAPortAndAHost) {
  zmq::context_t context(1);
  const Listening some_port = listen_on(context, "tcp://localhost:*").value();
  EXPECT_TRUE(some_port.endpoint.starts_with("tcp://localhost:")) << some_port.endpoint;
  const Listening some_host = listen_on(context, "tcp://*:*").value();
  EXPECT_TRUE(is_sane_endpoint(some_host.endpoint)) << some_host.endpoint;
  EXPECT_FALSE(contains(some_host.endpoint, "0.0.0.0"));
}

}  // namespace
}  // namespace troupe::runtime
