// The C++ Actor Framework (Debian's libcaf-dev, 0.17) at the same exchanges: runtime_bench_caf CASE prints a line of
// JSON.
#include "bench/runtime/measurement.hpp"

#include <unistd.h>
#include <caf/all.hpp>

#include <atomic>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <thread>

namespace troupe::bench {
namespace {

using AskAtom = caf::atom_constant<caf::atom("ask")>;
using ItemAtom = caf::atom_constant<caf::atom("item")>;
using GoAtom = caf::atom_constant<caf::atom("go")>;

caf::behavior echo(caf::event_based_actor*) {
  return {[](AskAtom, std::uint64_t number) { return number; }, [](ItemAtom, const std::string&) {}};
}

struct AskerState {
  caf::actor peer;
  Load load;
  std::promise<Figures>* done = nullptr;
  int sent = 0;
  int answered = 0;
  std::vector<double> times;
  Clock::time_point start;
};
using AskerActor = caf::stateful_actor<AskerState>;

void ask(AskerActor* self) {
  AskerState& state = self->state;
  if (state.sent == state.load.warm_up) state.start = Clock::now();
  const Clock::time_point asked = Clock::now();
  self->request(state.peer, std::chrono::seconds(60), AskAtom::value, static_cast<std::uint64_t>(state.sent++))
      .then([self, asked](std::uint64_t) {
        AskerState& now = self->state;
        if (++now.answered > now.load.warm_up) now.times.push_back(seconds_since(asked));
        if (now.sent < now.load.warm_up + now.load.exchanges) return ask(self);
        if (now.answered < now.sent) return;
        Figures figures = percentiles(now.times);
        figures.emplace_back("per_second", now.load.exchanges / seconds_since(now.start));
        now.done->set_value(figures);
        self->quit();
      });
}

caf::behavior asker(AskerActor* self, const caf::actor& peer, const Load& load, std::promise<Figures>* done) {
  self->state.peer = peer;
  self->state.load = load;
  self->state.done = done;
  return {[self](GoAtom) {
    for (int i = 0; i < self->state.load.batches_ahead; ++i) ask(self);
  }};
}

struct PusherState {
  caf::actor peer;
  Load load;
  std::promise<Figures>* done = nullptr;
  std::string text;
  int sent = 0;
  int open = 0;
  int counted_from = 0;
  Clock::time_point start{};
};
using PusherActor = caf::stateful_actor<PusherState>;

void push(PusherActor* self) {
  PusherState& state = self->state;
  if (state.sent >= state.load.warm_up + state.load.exchanges) return;
  if (state.sent >= state.load.warm_up && state.start == Clock::time_point{}) {
    state.start = Clock::now();
    state.counted_from = state.sent;
  }
  for (int i = 0; i < state.load.batch; ++i, ++state.sent) self->send(state.peer, ItemAtom::value, state.text);
  ++state.open;
  self->request(state.peer, std::chrono::seconds(60), AskAtom::value, std::uint64_t{0}).then([self](std::uint64_t) {
    PusherState& now = self->state;
    --now.open;
    push(self);
    if (now.open > 0) return;
    now.done->set_value(rate("per_second", now.sent - now.counted_from, seconds_since(now.start)));
    self->quit();
  });
}

caf::behavior pusher(PusherActor* self, const caf::actor& peer, const Load& load, std::promise<Figures>* done) {
  self->state.peer = peer;
  self->state.load = load;
  self->state.done = done;
  self->state.text = std::string(load.bytes, 'x');
  return {[self](GoAtom) {
    for (int i = 0; i < self->state.load.batches_ahead; ++i) push(self);
  }};
}

template <class Driver>
Figures drive(Driver driver, const Load& load) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::promise<Figures> done;
  const caf::actor peer = system.spawn(echo);
  caf::anon_send(system.spawn(driver, peer, load, &done), GoAtom::value);
  const Figures figures = done.get_future().get();
  caf::anon_send_exit(peer, caf::exit_reason::user_shutdown);
  return figures;
}

Figures spawn_many() {
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::atomic<int> started = 0;
  std::vector<caf::actor> actors;
  actors.reserve(kSpawned);
  const double before = resident_bytes();
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < kSpawned; ++i) {
    actors.push_back(system.spawn([&started](caf::event_based_actor*) -> caf::behavior {
      started.fetch_add(1, std::memory_order_relaxed);
      return {[](GoAtom) {}};
    }));
  }
  while (started.load(std::memory_order_relaxed) < kSpawned) std::this_thread::yield();
  Figures figures = rate("per_second", kSpawned, seconds_since(start));
  figures.emplace_back("bytes_each", (resident_bytes() - before) / kSpawned);
  for (const caf::actor& actor : actors) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  return figures;
}

const Cases& cases() {
  static const Cases table = {
      {"request", [] { return drive(asker, request_in_process()); }},
      {"one_way", [] { return drive(pusher, one_way_in_process()); }},
      {"spawn", spawn_many},
  };
  return table;
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  return troupe::bench::run_case(troupe::bench::cases(), count, arguments);
}
