#include "runtime/simulation/network.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime::simulation {
namespace {

const std::string kHere = "tcp://here:1";
const std::string kThere = "tcp://there:1";

struct Wired {
  Trace trace{nullptr};
  EventQueue events{Random(3)};
  SimulatedNetwork network{events, Random(4), trace, WireMode::honest};
  std::unique_ptr<LinkSockets> here = network.open(kHere, [] {});
  std::unique_ptr<LinkSockets> there = network.open(kThere, [] {});
  std::unique_ptr<DialedConnection> connection = here->dial(kThere, "connection").value();

  void send(int number) {
    const std::string text = std::to_string(number);
    std::vector<Frame> frames;
    frames.emplace_back(text.data(), text.size());
    (void)connection->send(frames);
  }
  void pass(Duration time) {
    const TimePoint end = events.now() + time;
    while (events.run_next(end)) {
    }
  }
  std::vector<int> arrived() {
    std::vector<int> numbers;
    std::vector<Frame> frames;
    while (there->receive(0, frames) == Received::message) numbers.push_back(std::stoi(frames.back().to_string()));
    return numbers;
  }
};

TEST(SimulatedNetwork, SN1_InOrderAndWhole) {
  Wired at;
  std::vector<int> sent;
  for (int i = 0; i < 50; ++i) {
    at.send(i);
    sent.push_back(i);
  }
  at.pass(std::chrono::seconds(1));
  EXPECT_EQ(at.arrived(), sent);
}

TEST(SimulatedNetwork, SN1_OfABrokenConnectionAFirstPartArrives) {
  bool has_lost = false;
  for (int round = 0; round < 20; ++round) {
    Wired at;
    at.pass(std::chrono::milliseconds(50));
    for (int i = 0; i < 50; ++i) {
      at.send(i);
      at.pass(std::chrono::microseconds(20 + round));
    }
    at.network.break_connections(kHere, kThere);
    at.pass(std::chrono::seconds(1));
    const std::vector<int> arrived = at.arrived();
    for (std::size_t i = 0; i < arrived.size(); ++i) ASSERT_EQ(arrived[i], static_cast<int>(i));
    has_lost = has_lost || arrived.size() < 50;
    EXPECT_EQ(at.connection->news(), DialedConnection::News::broken);
  }
  EXPECT_TRUE(has_lost);
}

TEST(SimulatedNetwork, SN2_NothingArrivesWhileTwoAreCutOff) {
  Wired at;
  at.send(1);
  at.pass(std::chrono::milliseconds(100));
  at.network.block(kHere, kThere);
  at.send(2);
  at.pass(std::chrono::milliseconds(100));
  EXPECT_EQ(at.arrived(), (std::vector<int>{1}));
  at.network.unblock(kHere, kThere);
  at.pass(std::chrono::seconds(2));
  EXPECT_EQ(at.arrived(), (std::vector<int>{2})) << "as TCP sends again";
}

}  // namespace
}  // namespace troupe::runtime::simulation
