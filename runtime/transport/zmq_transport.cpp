#include "runtime/transport/zmq_transport.hpp"

#include "runtime/observe/thread_name.hpp"
#include "runtime/transport/zmq_faulty_sockets.hpp"
#include "runtime/transport/zmq_listen.hpp"
#include "runtime/transport/zmq_post_office.hpp"
#include "runtime/transport/zmq_sockets.hpp"

#include <spdlog/spdlog.h>

#include <csignal>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::runtime {

namespace {

constexpr int kMaxSockets = 4096;

// Signals are for the program's own threads: they would only cut polls short here.
std::thread start_thread_without_signals(std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

Result<Done> check_options(const ZmqTransportOptions& options) {
  const auto refuse = [](const std::string& why) { return Failure{FailureKind::unknown, "transport options: " + why}; };
  if (options.node_name.empty() || options.node_name.size() > kMaxNameBytes) {
    return refuse("node_name has " + std::to_string(options.node_name.size()) + " bytes; 1 to " +
                  std::to_string(kMaxNameBytes) + " are allowed");
  }
  if (options.window_messages == 0 || options.window_bytes == 0) return refuse("a window of 0 lets nothing through");
  if (options.heartbeat <= Duration(0) || options.peer_timeout < 2 * options.heartbeat) {
    return refuse("peer_timeout must be at least two heartbeats");
  }
  return Done{};
}

/// Thread-safety: as Transport.
/// Ownership:     owns the post office and its thread.
/// Errors:        start() says why not; afterwards values only.
/// Restart:       not started again after stop().
class ZmqTransport final : public Transport {
public:
  explicit ZmqTransport(ZmqTransportOptions options)
      : options_(std::move(options)),
        waker_(std::make_shared<Waker>()),
        outbox_(std::make_shared<ZmqOutbox>(LinkCost{options_.window_messages, options_.window_bytes}, waker_)) {}
  ~ZmqTransport() override { stop(Duration(0)); }

  Result<Done> start(TransportSink& sink) override;
  [[nodiscard]] const std::string& endpoint() const override { return endpoint_; }
  [[nodiscard]] Result<Done> send(const std::string& endpoint, Envelope envelope) override {
    return outbox_->accept(endpoint, std::move(envelope));
  }
  void forget(const std::string& endpoint, const Failure& why) override { outbox_->forget(endpoint, why); }
  [[nodiscard]] TransportCounters counters() const override { return tally_.read(); }
  void stop(Duration deadline) override;

private:
  [[nodiscard]] Result<std::vector<Listening>> listen(zmq::context_t& context) const;
  void identify(PostOfficeParts& parts, const std::vector<Listening>& listenings) const;

  const ZmqTransportOptions options_;
  const std::shared_ptr<Waker> waker_;
  const std::shared_ptr<ZmqOutbox> outbox_;
  const SteadyClock clock_;
  TransportTally tally_;
  StopRequest stop_;
  std::string endpoint_;
  std::unique_ptr<ZmqPostOffice> office_;
  std::vector<std::thread> threads_;
};

Result<std::vector<Listening>> ZmqTransport::listen(zmq::context_t& context) const {
  std::vector<Listening> listenings;
  for (const std::string& where : {options_.listen, options_.also_listen}) {
    if (where.empty() && !listenings.empty()) continue;
    Result<Listening> listening = listen_on(context, where, options_.key);
    if (!listening) return listening.failure();
    listenings.push_back(std::move(listening).value());
  }
  return listenings;
}

void ZmqTransport::identify(PostOfficeParts& parts, const std::vector<Listening>& listenings) const {
  LinkIdentity& self = parts.self;
  self.node_name = options_.node_name;
  self.incarnation = options_.incarnation;
  self.job = options_.job;
  self.instance = random_id();
  self.endpoint = listenings.front().endpoint;
  if (listenings.size() > 1) self.also_endpoint = listenings.back().endpoint;
  self.machine = machine_id();
  self.process = this_process();
  if (!parts.arena) return;
  self.arena = parts.arena->name();
  self.arena_cookie = parts.arena->cookie();
}

Result<Done> ZmqTransport::start(TransportSink& sink) {
  if (office_) return Failure{FailureKind::unknown, "the transport was started before"};
  if (Result<Done> sane = check_options(options_); !sane) return sane;
  PostOfficeParts parts;
  parts.options = options_;
  pthread_sigmask(SIG_SETMASK, nullptr, &parts.signals);
  const auto context = std::make_shared<zmq::context_t>(1);
  context->set(zmq::ctxopt::max_sockets, kMaxSockets);
  std::unique_ptr<Doorkeeper> doorkeeper;
  if (options_.key) doorkeeper = std::make_unique<Doorkeeper>(*context, *options_.key);
  Result<std::vector<Listening>> listenings = listen(*context);
  if (!listenings) return listenings.failure();
  if (options_.arena_bytes > 0) {
    Result<std::unique_ptr<ShmArena>> arena =
        ShmArena::create(options_.arena_directory, options_.job, options_.arena_bytes);
    if (arena) {
      parts.arena = std::move(arena).value();
    } else {  // slower, and no reason not to work at all: the room may come back
      spdlog::warn("event=no_arena cause=\"{}\" next=\"payloads go through sockets\"", arena.failure().text);
    }
  }
  identify(parts, *listenings);
  parts.sockets = std::make_unique<ZmqSockets>(
      ZmqSockets::Parts{context, std::move(listenings).value(), waker_, options_.key, std::move(doorkeeper)});
  if (!options_.faults.rules.empty()) {
    parts.sockets = std::make_unique<ZmqFaultySockets>(std::move(parts.sockets), options_.faults, clock_);
  }
  endpoint_ = parts.self.endpoint;
  outbox_->open();
  office_ = std::make_unique<ZmqPostOffice>(std::move(parts),
                                            ZmqPostOffice::Surroundings{outbox_, waker_, sink, tally_, stop_, clock_});
  using Place = ZmqPostOffice::Place;
  std::vector<Place> places{Place::works};
  if (sink.guest_turns() != nullptr) places.push_back(Place::stands_in);
  for (const Place place : places) {
    threads_.push_back(start_thread_without_signals([office = office_.get(), place] {
      name_this_thread("troupe-post");
      office->run(place);
    }));
  }
  return Done{};
}

void ZmqTransport::stop(Duration deadline) {
  outbox_->close();
  if (threads_.empty()) return;
  stop_.request(clock_.now() + deadline);
  waker_->wake();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  office_.reset();
}

}  // namespace

std::unique_ptr<Transport> make_zmq_transport(ZmqTransportOptions options) {
  return std::make_unique<ZmqTransport>(std::move(options));
}

}  // namespace troupe::runtime
