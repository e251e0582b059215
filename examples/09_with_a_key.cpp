// Shows: actors on two nodes over tcp with a key (CURVE): what they say is encrypted, and who has not the key is
// refused
//        on both sides, in words. In earnest the nodes are on two machines and the key is in a file (write_link_key()).
// Run:   build/release/examples/09_with_a_key
#include "runtime/node.hpp"
#include "runtime/observe/log.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <iostream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

struct Whisper {
  static constexpr std::string_view kName = "vault.whisper";
  std::string words;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(words);
  }
};

/// Says what it heard.
class Vault final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Vault::hear)}; }

private:
  void hear(const Whisper& message, Context& context) { context.reply(Whisper{"I heard " + message.words}); }
};

NodeParts parts_with(const std::optional<LinkKey>& key) {
  ZmqTransportOptions options;
  options.listen = "tcp://127.0.0.1:*";  // any free port
  options.key = key;
  return make_threaded_parts(1, make_zmq_transport(options));
}

/// From a node with that key, or with none.
std::string whisper_to(const std::string& endpoint, const std::optional<LinkKey>& key) {
  Node node({.name = "friend"}, parts_with(key));
  node.start().value();
  node.announce({{"vault", 1}, endpoint});
  const Result<Whisper> answer = node.request<Whisper>("vault", Whisper{"a secret"}, 5s);
  if (answer) return answer->words;
  // In many words: who is there, and that it has another key or hangs up.
  const bool is_about_keys = answer.failure().text.find("the same key") != std::string::npos;
  return is_about_keys ? "refused, for want of the same key" : answer.failure().text;
}

}  // namespace

int main() {
  log_to_stderr("off");  // it would tell of the stranger
  const LinkKey key = make_link_key();
  Node node({.name = "house"}, parts_with(key));
  node.start().value();
  node.spawn("vault", std::make_unique<Vault>()).value();
  std::cout << "with the key: " << whisper_to(node.endpoint(), key) << "\n";
  std::cout << "without it: " << whisper_to(node.endpoint(), std::nullopt) << "\n";
}
