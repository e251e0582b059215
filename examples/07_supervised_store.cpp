// Shows: a key-value service whose actors a supervisor starts again. The journal keeps what the store was told; when
// the
//        store fails, its next incarnation reads the journal, and who asked hears of the failure and asks again.
// Run:   build/release/examples/07_supervised_store
#include "runtime/node.hpp"
#include "runtime/supervision/supervisor.hpp"

#include <iostream>
#include <map>
#include <thread>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

struct Put {
  static constexpr std::string_view kName = "store.put";
  std::string key;
  std::string value;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(key, value);
  }
};

struct Get {
  static constexpr std::string_view kName = "store.get";
  std::string key;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(key);
  }
};

struct Value {
  static constexpr std::string_view kName = "store.value";
  std::string value;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
};

struct ReadAll {
  static constexpr std::string_view kName = "journal.read_all";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Entries {
  static constexpr std::string_view kName = "journal.entries";
  std::vector<Put> entries;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(entries);
  }
};

/// Remembers what it was told, in order. In earnest it would be a file.
class Journal final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Journal::append), on(this, &Journal::read_all)}; }

private:
  void append(const Put& entry, Context& context) {
    entries_.push_back(entry);
    context.reply(Value{entry.value});
  }
  void read_all(const ReadAll&, Context& context) { context.reply(Entries{entries_}); }

  std::vector<Put> entries_;
};

class Store final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Store::put), on(this, &Store::get)}; }
  void on_start(Context& context) override {
    context.request<Entries>(ActorId{"journal", 0}, ReadAll{}, 1s, [this](const Result<Entries>& read, Context&) {
      for (const Put& entry : read.value().entries) values_[entry.key] = entry.value;
    });
  }

private:
  void put(const Put& entry, Context& context) {
    if (entry.key.empty()) throw std::runtime_error("a key without a letter");  // a bug: ends this incarnation
    // Answered when the journal has it, and not before.
    context.request<Value>(ActorId{"journal", 0}, entry, 1s,
                           [this, entry, asker = context.defer_reply()](const Result<Value>& written, Context& turn) {
                             values_[entry.key] = written.value().value;
                             turn.reply_to(asker, Value{entry.value});
                           });
  }
  void get(const Get& question, Context& context) {
    const auto found = values_.find(question.key);
    if (found == values_.end()) return context.reply_failure({FailureKind::unknown, "no key " + question.key});
    context.reply(Value{found->second});
  }

  std::map<std::string, std::string> values_;
};

/// Asks until there is an answer: between two incarnations there is nobody.
std::string ask_patiently(Node& node, const Get& question) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const Result<Value> answer = node.request<Value>("store", question, 1s);
    if (answer) return answer->value;
    std::this_thread::sleep_for(10ms);
  }
  return "nobody answers";
}

}  // namespace

int main() {
  Node node({}, make_local_parts(2));
  node.start().value();
  SupervisorSpec spec;
  spec.limits.max_restarts = 3;
  spec.limits.window = 60s;
  spec.limits.backoff = {1ms};
  spec.children = {{"journal", [] { return std::make_unique<Journal>(); }},
                   {"store", [] { return std::make_unique<Store>(); }}};
  node.spawn("supervisor", std::make_unique<Supervisor>(std::move(spec))).value();

  std::cout << "put: " << node.request<Value>("store", Put{"colour", "green"}, 5s).value().value << "\n";
  const Result<Value> broken = node.request<Value>("store", Put{"", "x"}, 5s);
  std::cout << "put without a key: " << broken.failure().text << "\n";
  std::cout << "after the restart colour is " << ask_patiently(node, {"colour"}) << "\n";
}
