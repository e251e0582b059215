#include "runtime/transport/zmq_link_key.hpp"

#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zmq.hpp>

#include <fstream>

/// Keys, their files, and who comes in with them: zmq_link_key.hpp and zmq_doorkeeper.hpp.
namespace troupe::runtime {
namespace {

const std::string kFreePort = "tcp://127.0.0.1:*";

void write_text(const std::filesystem::path& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  ASSERT_EQ(::chmod(path.c_str(), mode), 0);
}

TEST(ZmqLinkKey, KY1_WrittenAndReadBack) {
  const TestFolder folder;
  const std::filesystem::path path = folder.path() / "key";
  const LinkKey key = make_link_key();
  ASSERT_TRUE(write_link_key(path, key));
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const Result<LinkKey> read = read_link_key(path);
  ASSERT_TRUE(read) << read.failure().text;
  EXPECT_EQ(*read, key);
  EXPECT_NE(make_link_key(), key);
  const Result<Done> again = write_link_key(path, make_link_key());
  ASSERT_FALSE(again);
  EXPECT_NE(again.failure().text.find("File exists"), std::string::npos) << again.failure().text;
  EXPECT_EQ(*read_link_key(path), key);
  EXPECT_EQ(folder.entries(), 1U) << "no draft is left";
}

TEST(ZmqLinkKey, KY1_WhatIsNoKeyIsRefusedInWords) {
  const TestFolder folder;
  const std::filesystem::path path = folder.path() / "key";
  const auto why = [&path] {
    const Result<LinkKey> read = read_link_key(path);
    return read ? std::string("accepted") : read.failure().text;
  };
  EXPECT_NE(why().find("No such file or directory; copy it from the head's machine"), std::string::npos) << why();
  const LinkKey key = make_link_key();
  const std::string good = "public " + key.public_key + "\nsecret " + key.secret_key + "\n";
  write_text(path, good, 0644);
  EXPECT_NE(why().find("others may read it; chmod 600"), std::string::npos) << why();
  write_text(path, "public " + make_link_key().public_key + "\nsecret " + key.secret_key + "\n");
  EXPECT_NE(why().find("holds no pair of keys"), std::string::npos) << "two halves that do not belong together";
  std::string cut = good;
  cut.at(good.size() - 6) = '\0';
  write_text(path, cut);
  EXPECT_NE(why().find("holds no pair of keys"), std::string::npos) << why();
  write_text(path, good.substr(0, 60));
  EXPECT_NE(why().find("holds no pair of keys"), std::string::npos) << why();
  write_text(path, std::string(5000, 'x'));
  EXPECT_NE(why().find("not a key file"), std::string::npos) << why();
  write_text(path, good);
  EXPECT_EQ(why(), "accepted");
}

ZmqTransportOptions with_key(const TestFolder& folder, std::optional<LinkKey> key) {
  ZmqTransportOptions options = test_options(folder, kFreePort);
  options.key = std::move(key);
  options.peer_timeout = 2 * kPatience;  // silence tells nothing here
  return options;
}

TEST(ZmqDoorkeeper, DK1_WhoHasTheKeyTalksBothWays) {
  const TestFolder folder;
  const LinkKey key = make_link_key();
  TestPeer left(with_key(folder, key));
  TestPeer right(with_key(folder, key));
  Envelope large = numbered(0);
  large.payloads.push_back(patterned(300'000, 3));
  ASSERT_TRUE(left.transport->send(right.endpoint(), large));
  for (std::uint32_t i = 1; i < 100; ++i) ASSERT_TRUE(left.transport->send(right.endpoint(), numbered(i)));
  ASSERT_TRUE(right.sink.wait_for_envelopes(100));
  ASSERT_TRUE(right.transport->send(left.endpoint(), numbered(7)));
  ASSERT_TRUE(left.sink.wait_for_envelopes(1));
}

TEST(ZmqDoorkeeper, DK1_OtherKeysAndNoneAreRefusedInWordsAndDisturbNobody) {
  const TestFolder folder;
  const LinkKey key = make_link_key();
  TestPeer host(with_key(folder, key));
  TestPeer member(with_key(folder, key));
  for (const std::optional<LinkKey>& wrong : {std::optional<LinkKey>(make_link_key()), std::optional<LinkKey>()}) {
    TestPeer stranger(with_key(folder, wrong));
    ASSERT_TRUE(stranger.transport->send(host.endpoint(), numbered(1)));
    ASSERT_TRUE(stranger.sink.wait_for_downs(1));
    const std::string why = stranger.sink.downs().front().why.text;
    EXPECT_NE(why.find("the same key"), std::string::npos) << why;
    ASSERT_TRUE(member.transport->send(host.endpoint(), numbered(2)));
  }
  ASSERT_TRUE(host.sink.wait_for_envelopes(2));
  for (const Envelope& envelope : host.sink.take_envelopes()) EXPECT_EQ(envelope.header.step, 2U);
}

TEST(ZmqDoorkeeper, DK1_WhoHasAKeyDoesNotTalkToWhoHasNone) {
  const TestFolder folder;
  TestPeer open_host(with_key(folder, std::nullopt));
  TestPeer careful(with_key(folder, make_link_key()));
  ASSERT_TRUE(careful.transport->send(open_host.endpoint(), numbered(1)));
  ASSERT_TRUE(careful.sink.wait_for_downs(1));
  EXPECT_NE(careful.sink.downs().front().why.text.find("the same key"), std::string::npos);
  EXPECT_EQ(open_host.sink.count(), 0U);
}

/// Speaks CURVE, and knows the job's public key, but has a pair of its own.
TEST(ZmqDoorkeeper, DK1_ToKnowThePublicHalfIsNotEnough) {
  const TestFolder folder;
  const LinkKey key = make_link_key();
  const LinkKey own = make_link_key();
  TestPeer host(with_key(folder, key));
  zmq::context_t context(1);
  zmq::socket_t burglar(context, zmq::socket_type::dealer);
  burglar.set(zmq::sockopt::linger, 0);
  burglar.set(zmq::sockopt::curve_serverkey, key.public_key);
  burglar.set(zmq::sockopt::curve_publickey, own.public_key);
  burglar.set(zmq::sockopt::curve_secretkey, own.secret_key);
  ASSERT_EQ(zmq_socket_monitor(burglar.handle(), "inproc://burglar", ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 0);
  zmq::socket_t monitor(context, zmq::socket_type::pair);
  monitor.set(zmq::sockopt::linger, 0);
  monitor.set(zmq::sockopt::rcvtimeo, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
  monitor.connect("inproc://burglar");
  burglar.connect(host.endpoint());
  zmq::message_t event;
  EXPECT_TRUE(monitor.recv(event)) << "the doorkeeper said no";
  EXPECT_EQ(host.transport->counters().received, 0U);
}

}  // namespace
}  // namespace troupe::runtime
