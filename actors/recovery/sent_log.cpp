#include "actors/recovery/sent_log.hpp"

#include <algorithm>

namespace troupe::actors {

void SentLog::resend(std::string_view to, std::uint32_t step, runtime::Context& context) const {
  for (const Sent& sent : sent_) {
    if (sent.to != to || sent.step < step) continue;
    std::visit([&](const auto& message) { (void)context.send_when_room(to, message); }, sent.message);  // as in send()
  }
}

void SentLog::forget_before(std::uint32_t step) {
  std::erase_if(sent_, [step](const Sent& sent) { return sent.step < step; });
  whole_from_ = std::max(whole_from_, step);
}

void SentLog::restart(std::uint32_t step) {
  sent_.clear();
  whole_from_ = step;
}

}  // namespace troupe::actors
