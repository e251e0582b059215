#include "runtime/group/group.hpp"
#include "runtime/message/envelope.hpp"
#include "runtime/transport/zmq_handshake.hpp"
#include "scheduler/shallow_json.hpp"
#include "scheduler/worker_input.hpp"
#include "tests/fuzz/fuzz_target.hpp"

#include <stdexcept>

namespace troupe::runtime {

namespace {

/// What is read is a slice, or the reason why not; the slice says of itself what gives it again.
void read_selection(const std::string& text) {
  static const Group stages = Group::make("stages", {{"replica", 0, 3}, {"stage", 0, 5}}, [](const auto& at) {
                                return ActorId{"stage/r" + std::to_string(at[0]) + ".s" + std::to_string(at[1])};
                              }).value();
  const Result<Group> slice = stages.select(text);
  if (!slice) {
    if (slice.failure().text.empty()) throw FuzzFinding("a refusal without a reason");
    return;
  }
  const Result<Group> same = stages.select(slice->describe());
  if (!same || !(*same == *slice)) throw FuzzFinding("GR-3: a slice that is not what it says");
}

}  // namespace

std::size_t fuzz_texts(FuzzBytes& bytes) {
  const unsigned kind = bytes.byte() % 5U;
  const std::string text = text_of(bytes.rest());
  if (kind == 0) {
    if (is_sane_endpoint(text) && text.size() > 256) throw FuzzFinding("an endpoint of any length is sane");
  } else if (kind == 1) {
    const Result<Phase> phase = parse_phase(text);
    if (phase && to_string(*phase) != text) throw FuzzFinding("a phase is not what it was read from");
  } else if (kind == 2) {
    (void)scheduler::parse_shallow_json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else if (kind == 3) {
    read_selection(text);
  } else {
    try {
      const scheduler::WorkerInput input = scheduler::parse_worker_input(text);
      if (scheduler::render_worker_input(input).empty()) throw FuzzFinding("an input without text");
    } catch (const std::runtime_error&) {
    }
  }
  return 0;
}

}  // namespace troupe::runtime
