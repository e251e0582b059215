#include "console/view/inspect.hpp"

#include "console/exit_codes.hpp"
#include "runtime/observe/status_page.hpp"
#include "tests/console/scratch_folder.hpp"

#include <sys/wait.h>

#include <csignal>
#include <ctime>
#include <map>

namespace troupe::console {
namespace {

using runtime::ActorStatus;
using runtime::Snapshot;

constexpr std::int64_t kSecond = 1'000'000'000;

Snapshot page_of(const std::string& name, std::uint32_t incarnation, int process, std::int64_t updated_ns) {
  Snapshot page;
  page.actor = {name, incarnation};
  page.status = ActorStatus::running;
  page.process = process;
  page.updated_ns = updated_ns;
  return page;
}

Observer observer_of(std::map<int, ProcessState> processes, Observer::Head head = Observer::Head::alive) {
  Observer observer;
  observer.now_ns = 100 * kSecond;
  observer.head = head;
  observer.process_state = [processes = std::move(processes)](int process, std::int64_t) {
    const auto found = processes.find(process);
    return found == processes.end() ? ProcessState::gone : found->second;
  };
  return observer;
}

nlohmann::json up(const std::string& actor, int incarnation, const std::string& node, double seconds) {
  return {{"event", "actor_up"}, {"actor", actor},           {"incarnation", incarnation},
          {"node", node},        {"pid", 100 + incarnation}, {"seconds", seconds}};
}

nlohmann::json down(const std::string& actor, int incarnation, const std::string& cause, double seconds) {
  return {{"event", "actor_down"}, {"actor", actor}, {"incarnation", incarnation},
          {"node", "local"},       {"cause", cause}, {"seconds", seconds}};
}

TEST(Inspect, IN1_ARunningPageOfAGoneProcessIsDead) {
  Snapshot stopped = page_of("c", 1, 12, 90 * kSecond);
  stopped.status = ActorStatus::stopped;
  Snapshot failed = page_of("d", 1, 13, 90 * kSecond);
  failed.status = ActorStatus::failed;
  Snapshot busy = page_of("a", 1, 10, 99 * kSecond);
  busy.busy_since_ns = 98 * kSecond;
  const auto actors =
      assemble_actors({busy, page_of("b", 1, 11, 90 * kSecond), stopped, failed, page_of("e", 1, 14, 90 * kSecond)}, {},
                      observer_of({{10, ProcessState::alive}, {14, ProcessState::frozen}}));
  ASSERT_EQ(actors.size(), 5U);
  EXPECT_EQ(actors[0].status, "running");
  EXPECT_EQ(actors[1].status, "dead");
  EXPECT_EQ(actors[2].status, "stopped");
  EXPECT_EQ(actors[3].status, "failed");
  EXPECT_EQ(actors[4].status, "frozen");
  EXPECT_DOUBLE_EQ(actors[0].age_seconds, 1);
  EXPECT_DOUBLE_EQ(actors[0].busy_seconds, 2);
  EXPECT_LT(actors[1].busy_seconds, 0);
}

TEST(Inspect, IN2_TheLivingPageCountsElseTheNewest) {
  const std::vector<Snapshot> pages = {page_of("a", 1, 10, 99 * kSecond), page_of("a", 2, 11, 50 * kSecond),
                                       page_of("b", 7, 12, 10 * kSecond), page_of("b", 1, 13, 20 * kSecond)};
  const auto actors = assemble_actors(pages, {}, observer_of({{11, ProcessState::alive}}));
  EXPECT_EQ(actors[0].page->actor.incarnation, 2U);
  EXPECT_EQ(actors[1].page->actor.incarnation, 1U) << "a run that was resumed counts from 1 again";
}

TEST(Inspect, IN3_RemoteProcessesAreJudgedByEventsAndHead) {
  const std::vector<Snapshot> pages = {page_of("a", 1, 10, 90 * kSecond)};
  const std::vector<nlohmann::json> is_up = {up("a", 1, "node-b", 1)};
  const std::vector<nlohmann::json> was_up = {up("a", 1, "node-b", 1), down("a", 1, "node lost", 2)};
  EXPECT_EQ(assemble_actors(pages, is_up, observer_of({}))[0].status, "running");
  EXPECT_EQ(assemble_actors(pages, was_up, observer_of({{10, ProcessState::alive}}))[0].status, "dead");
  EXPECT_EQ(assemble_actors(pages, is_up, observer_of({}, Observer::Head::gone))[0].status, "dead");
  EXPECT_EQ(assemble_actors({}, is_up, observer_of({}))[0].status, "up");
}

TEST(Inspect, HistoryHoldsEveryIncarnationWithItsCause) {
  const auto actors = assemble_actors({},
                                      {up("a", 1, "local", 1), down("a", 1, "killed by signal 9", 2),
                                       down("a", 2, "exited with status 3", 3), up("a", 3, "local", 4)},
                                      observer_of({}));
  ASSERT_EQ(actors.size(), 1U);
  const std::vector<Incarnation>& history = actors[0].history;
  ASSERT_EQ(history.size(), 3U);
  EXPECT_EQ(history[0].up, 1.0);
  EXPECT_EQ(history[0].down, 2.0);
  EXPECT_EQ(history[0].cause, "killed by signal 9");
  EXPECT_FALSE(history[1].up) << "it died before it was up";
  EXPECT_EQ(history[1].number, 2U);
  EXPECT_FALSE(history[2].down);
  EXPECT_EQ(history[2].process, 103);
}

TEST(Inspect, HistoryNamesThePostMortemOfADeath) {
  const nlohmann::json post_mortem = {
      {"event", "post_mortem"}, {"actor", "a"}, {"incarnation", 1}, {"file", "post-mortem/a#1.json"}};
  const auto actors = assemble_actors(
      {}, {up("a", 1, "local", 1), down("a", 1, "killed", 2), up("a", 2, "local", 3), post_mortem}, observer_of({}));
  EXPECT_EQ(actors.at(0).history.at(0).post_mortem, "post-mortem/a#1.json");
  EXPECT_EQ(actors.at(0).history.at(1).post_mortem, "") << "it lives";
}

TEST(Inspect, AnUnknownActorIsAnsweredWithTheKnownOnes) {
  const auto actors =
      assemble_actors({page_of("stage/r0.s0", 1, 1, 1), page_of("data/r0", 1, 1, 1)}, {}, observer_of({}));
  EXPECT_EQ(find_actor(actors, "data/r0").name, "data/r0");
  const auto message = [](const std::vector<ActorView>& among, const std::string& name) -> std::string {
    try {
      return find_actor(among, name).name;
    } catch (const CommandError& error) {
      EXPECT_EQ(error.code(), ExitCode::not_found);
      return error.what();
    }
  };
  EXPECT_EQ(message(actors, "stage/r0s0"),
            "no actor named stage/r0s0 (did you mean stage/r0.s0?); actors are data/r0, stage/r0.s0");
  EXPECT_NE(message({}, "x").find("no actors yet"), std::string::npos);
}

TEST(Inspect, TheRuntimesOwnActorsCanBeLeftOut) {
  const auto actors = assemble_actors({page_of("head", 1, 1, 1), page_of("node/local", 1, 1, 1),
                                       page_of("member/a", 1, 1, 1), page_of("trainer", 1, 1, 1)},
                                      {}, observer_of({}));
  const auto job = only_job_actors(actors);
  ASSERT_EQ(job.size(), 1U);
  EXPECT_EQ(job[0].name, "trainer");
}

TEST(Inspect, IN4_AnActorOfAnEarlierLayoutIsAFormerOne) {
  std::vector<nlohmann::json> events = {{{"event", "job_started"}, {"actors", {"stage/r0.s0", "stage/r0.s1"}}},
                                        up("stage/r0.s0", 1, "local", 1),
                                        up("stage/r0.s1", 1, "local", 1)};
  const auto names = [&] {
    std::string listed;
    for (const ActorView& actor :
         only_job_actors(assemble_actors({page_of("trainer", 1, 1, 1)}, events, observer_of({}))))
      listed += actor.name + " ";
    return listed;
  };
  EXPECT_EQ(names(), "stage/r0.s0 stage/r0.s1 trainer ");
  events.push_back({{"event", "job_started"}, {"actors", {"stage/r0.s0", "stage/r0.s1"}}});
  events.push_back(up("stage/r0.s0", 1, "local", 5));
  EXPECT_EQ(names(), "stage/r0.s0 stage/r0.s1 trainer ") << "the second is stuck at its start";
  events.push_back({{"event", "job_started"}, {"actors", {"stage/r0.s0"}}});
  EXPECT_EQ(names(), "stage/r0.s0 trainer ");
  EXPECT_EQ(find_actor(assemble_actors({}, events, observer_of({})), "stage/r0.s1").history.size(), 1U);
}

TEST(Inspect, PagesOfARunAreReadWhetherItsProcessesLiveOrNot) {
  const ScratchFolder scratch("inspect");
  scratch.write("actors/.keep", "");
  const RunFolder folder{scratch.path()};
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t now_ns = std::int64_t{now.tv_sec} * kSecond + now.tv_nsec;
  const auto publish = [&](const std::string& name, int process) {
    const auto page = runtime::StatusPage::open(folder.status_pages(), {name, 1});
    ASSERT_TRUE(page) << page.failure().describe();
    (*page)->publish(page_of(name, 1, process, now_ns));
  };
  publish("trainer", getpid());
  const pid_t child = fork();
  if (child == 0) {
    publish("stage/r0.s0", getpid());
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  const auto actors = look_at_run(folder);
  ASSERT_EQ(actors.size(), 2U);
  EXPECT_EQ(actors[0].name, "stage/r0.s0");
  EXPECT_EQ(actors[0].status, "dead");
  EXPECT_EQ(actors[0].page->process, child);
  EXPECT_EQ(actors[1].status, "running");
}

}  // namespace
}  // namespace troupe::console
