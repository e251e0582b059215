#include "runtime/transport/zmq_handshake.hpp"

#include "runtime/directory.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <random>

namespace troupe::runtime {

namespace {

std::string_view scheme_of(std::string_view endpoint) {
  return endpoint.substr(0, kIpc.size());
}

}  // namespace

std::string machine_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  if (std::getline(file, id) && !id.empty()) return id;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

std::uint64_t random_id() {
  std::random_device source;
  return ((static_cast<std::uint64_t>(source()) << 32) | source()) | 1;  // never 0
}

bool is_sane_endpoint(std::string_view endpoint) {
  if (endpoint.size() > kMaxEndpointBytes) return false;
  if (!std::all_of(endpoint.begin(), endpoint.end(), [](char c) { return c > ' ' && c < 127; })) return false;
  if (scheme_of(endpoint) == kIpc) return endpoint.size() > kIpc.size() + 1 && endpoint[kIpc.size()] == '/';
  if (scheme_of(endpoint) != kTcp) return false;
  const std::size_t colon = endpoint.rfind(':');
  if (colon <= kTcp.size()) return false;
  int port = 0;
  const char* end = endpoint.data() + endpoint.size();
  const auto parsed = std::from_chars(endpoint.data() + colon + 1, end, port);
  constexpr int kMaxPort = 65535;
  return parsed.ec == std::errc{} && parsed.ptr == end && port > 0 && port <= kMaxPort;
}

bool never_leaves_machine(std::string_view endpoint) {
  if (endpoint.starts_with(kIpc)) return true;
  if (!endpoint.starts_with(kTcp)) return false;
  const std::string_view host = endpoint.substr(kTcp.size(), endpoint.rfind(':') - kTcp.size());
  const bool is_number = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || host == "[::1]" || (is_number && host.starts_with("127."));
}

const std::string& endpoint_for(const LinkIdentity& self, std::string_view peer) {
  const bool second = !self.also_endpoint.empty() && scheme_of(self.also_endpoint) == scheme_of(peer) &&
                      scheme_of(self.endpoint) != scheme_of(peer);
  return second ? self.also_endpoint : self.endpoint;
}

}  // namespace troupe::runtime
