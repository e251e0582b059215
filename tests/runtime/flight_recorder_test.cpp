#include "runtime/observe/flight_recorder.hpp"

#include "runtime/observe/status_page.hpp"
#include "tests/runtime/script.hpp"
#include "tests/support/temporary_folder.hpp"

#include <thread>

namespace troupe::runtime {
namespace {

/// All of its fields follow from its number.
void note_numbered(FlightRecorder& recorder, std::uint64_t number) {
  Header header;
  header.kind = EnvelopeKind::request;
  header.sender = 3 * number;
  header.cause = 5 * number;
  header.step = static_cast<std::uint32_t>(number);
  header.micro_batch = 7;
  recorder.note(number, static_cast<std::int64_t>(2 * number), header, NameWords("test." + std::to_string(number)));
}

FlightRecord numbered(std::uint64_t number) {
  return {number,
          static_cast<std::int64_t>(2 * number),
          "test." + std::to_string(number),
          3 * number,
          5 * number,
          static_cast<std::uint32_t>(number),
          7,
          EnvelopeKind::request};
}

TEST(FlightRecorder, FR1_TheLastMessagesOldestFirst) {
  FlightRecorder recorder(4);
  EXPECT_TRUE(recorder.read().empty());
  for (std::uint64_t number = 1; number <= 6; ++number) note_numbered(recorder, number);
  EXPECT_EQ(recorder.read(), (std::vector<FlightRecord>{numbered(3), numbered(4), numbered(5), numbered(6)}));
}

TEST(FlightRecorder, ALongNameIsCut) {
  FlightRecorder recorder(1);
  recorder.note(1, 0, Header{}, NameWords(std::string(100, 'n')));
  EXPECT_EQ(recorder.read().at(0).message, std::string(kFlightNameBytes, 'n'));
}

TEST(FlightRecorder, EveryLetterOfANameIsKeptInItsPlace) {
  FlightRecorder recorder(1);
  const std::string longest = "stage.forward.\xC3\xBC_of_r0.s1";  // as many as are kept, not all of them ASCII
  for (std::size_t length = 0; length <= kFlightNameBytes; ++length) {
    recorder.note(length + 1, 0, Header{}, NameWords(longest.substr(0, length)));
    EXPECT_EQ(recorder.read().at(0).message, longest.substr(0, length));
  }
}

TEST(FlightRecorder, FR1_WhoReadsMeanwhileSeesRecordsWholeOrNot) {
  FlightRecorder recorder(4);
  std::atomic<bool> is_done = false;
  std::thread writer([&] {
    for (std::uint64_t number = 1; number <= 100'000; ++number) note_numbered(recorder, number);
    is_done = true;
  });
  while (!is_done) {
    for (const FlightRecord& record : recorder.read()) ASSERT_EQ(record, numbered(record.number));
  }
  writer.join();
  EXPECT_EQ(recorder.read().size(), 4U);
}

TEST(FlightRecorder, FR2_ANoteThatWasCutOffSpoilsNoOther) {
  FlightEntry entries[4] = {};
  FlightRecorder recorder{std::span(entries)};
  for (std::uint64_t number = 1; number <= 4; ++number) note_numbered(recorder, number);
  entries[1].number = 0;  // as when the process ended in the middle of it
  entries[1].words[5] = 0x41;
  EXPECT_EQ(FlightRecorder::read_flight(entries), (std::vector<FlightRecord>{numbered(1), numbered(3), numbered(4)}));
}

TEST(FlightRecorder, WhatAnActorHeardBeforeItFailedIsThereAfterwards) {
  const test::TemporaryFolder folder;
  for (const std::filesystem::path& pages : {std::filesystem::path{}, folder.path()}) {
    DeterministicNetwork network;
    NodeOptions options;
    options.name = "node";
    options.status_directory = pages;
    DeterministicNode& node = network.add_node(options);
    HookedActor::Hooks hooks;
    hooks.number = [](const Number& message, Context&) {
      if (message.value == 2) throw std::runtime_error("two");
    };
    hooks.ask = [](const Ask& question, Context& context) { context.reply(Answer{question.value}); };
    ASSERT_TRUE(node.try_spawn("victim", hooked(std::move(hooks)), 1));
    ASSERT_TRUE(node.node().send("victim", Number{1}));
    ASSERT_TRUE(node.node().send("victim", Ask{1}));
    ASSERT_TRUE(node.node().send("victim", Number{2}));
    network.run_turns();
    ASSERT_EQ(node.snapshot_of("victim").status, ActorStatus::failed);
    const std::vector<FlightRecord> flight =
        pages.empty() ? node.node().flight("victim") : read_flight(pages, {"victim", 1});
    ASSERT_EQ(flight.size(), 3U);
    EXPECT_EQ(flight[0].message, "test.number");
    EXPECT_EQ(flight[1].message, "test.ask");
    EXPECT_EQ(flight[2].message, "test.number");
    EXPECT_LE(flight[0].began_ns, flight[2].began_ns);
  }
  EXPECT_TRUE(read_flight(folder.path(), {"nobody", 1}).empty());
}

TEST(FlightRecorder, AnActorThatHeardNothingAndANodeThatKeepsNoneHaveNone) {
  DeterministicNetwork network;
  NodeOptions options;
  options.name = "node";
  options.flight_records = 0;
  DeterministicNode& forgetful = network.add_node(options);
  ASSERT_TRUE(forgetful.try_spawn("a", hooked({}), 1));
  ASSERT_TRUE(forgetful.node().send("a", Number{1}));
  network.run_turns();
  EXPECT_TRUE(forgetful.node().flight("a").empty());
  EXPECT_TRUE(forgetful.node().flight("nobody").empty());
}

}  // namespace
}  // namespace troupe::runtime
