#include "runtime/transport/zmq_listen.hpp"

#include "runtime/transport/zmq_handshake.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace troupe::runtime {

namespace {

constexpr int kHandshakeMs = 3000;
constexpr std::int64_t kMaxFrameBytes = 16LL << 20;
constexpr int kMaxAnswersWaiting = 1000;  // per connection

Failure cannot_listen(const std::string& where, const std::string& why) {
  return {FailureKind::disconnected, "cannot listen on " + where + ": " + why};
}

// True when a process accepts connections there now; a file left by a dead one refuses them.
Result<Done> check_nobody_listens(const std::string& where, const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return cannot_listen(where, "the path is longer than " + std::to_string(sizeof address.sun_path - 1) +
                                    " bytes; choose a shorter folder");
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return cannot_listen(where, std::strerror(errno));
  const int outcome = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int code = errno;
  ::close(probe);
  if (outcome == 0 || code == EAGAIN) {
    return cannot_listen(where, "Address already in use: another process listens there; choose another name");
  }
  return Done{};
}

Result<Done> prepare_folder(const std::string& where, const std::filesystem::path& folder) {
  std::error_code code;
  if (!std::filesystem::exists(folder, code)) {
    std::filesystem::create_directories(folder, code);
    if (code) return cannot_listen(where, "cannot make the folder: " + code.message());
    if (::chmod(folder.c_str(), S_IRWXU) != 0) return cannot_listen(where, std::strerror(errno));
  }
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return cannot_listen(where, std::strerror(errno));
  if (!S_ISDIR(status.st_mode) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return cannot_listen(where, "others may write to " + folder.string() + "; use a folder of mode 0700");
  }
  return Done{};
}

// libzmq binds to numbers and interfaces only; names are looked up here.
Result<std::string> numeric_host(const std::string& where, const std::string& host) {
  if (host == "*" || host == "0.0.0.0") return std::string("0.0.0.0");
  addrinfo wanted{};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found); code != 0) {
    return cannot_listen(where, "no address for host \"" + host + "\": " + ::gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::array<char, NI_MAXHOST> text{};
  ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return std::string(text.data());
}

std::string own_host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "127.0.0.1";
}

Result<Done> bind_socket(zmq::socket_t& router, const std::string& where, const std::string& target) {
  try {
    router.bind(target);
    return Done{};
  } catch (const zmq::error_t& error) {
    if (error.num() == EADDRINUSE) {
      return cannot_listen(where, "Address already in use: another troupe head may be running; choose another port");
    }
    return cannot_listen(where, error.what());
  }
}

}  // namespace

void set_link_options(zmq::socket_t& socket) {
  socket.set(zmq::sockopt::sndhwm, 0);  // the windows of the links bound what is queued
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::maxmsgsize, kMaxFrameBytes);
  socket.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
}

Result<Listening> listen_on(zmq::context_t& context, const std::string& where, const std::optional<LinkKey>& key) {
  Listening listening{zmq::socket_t(context, zmq::socket_type::router), where, {}};
  set_link_options(listening.router);
  listening.router.set(zmq::sockopt::router_mandatory, true);
  // Answers have no window: who asks and never reads must not make this process hold more and more of them.
  listening.router.set(zmq::sockopt::sndhwm, kMaxAnswersWaiting);
  if (where.starts_with(kIpc)) {
    const std::filesystem::path path = where.substr(kIpc.size());
    if (!is_sane_endpoint(where)) return cannot_listen(where, "not of the form ipc:///folder/name");
    if (Result<Done> ready = prepare_folder(where, path.parent_path()); !ready) return ready.failure();
    if (Result<Done> nobody = check_nobody_listens(where, path); !nobody) return nobody.failure();
    if (Result<Done> bound = bind_socket(listening.router, where, where); !bound) return bound.failure();
    listening.socket_file = path;
    return listening;
  }
  const std::size_t colon = where.rfind(':');
  const bool is_any_port = where.ends_with(":*");
  if (!where.starts_with(kTcp) || !is_sane_endpoint(is_any_port ? where.substr(0, colon) + ":1" : where)) {
    return cannot_listen(where, "not of the form ipc:///folder/name or tcp://host:port");
  }
  const std::string host = where.substr(kTcp.size(), colon - kTcp.size());
  const Result<std::string> number = numeric_host(where, host);
  if (!number) return number.failure();
  if (key) {
    listening.router.set(zmq::sockopt::curve_server, true);
    listening.router.set(zmq::sockopt::curve_secretkey, key->secret_key);
    listening.router.set(zmq::sockopt::zap_domain, std::string("troupe"));
  }
  const std::string target = std::string(kTcp) + *number + where.substr(colon);
  if (Result<Done> bound = bind_socket(listening.router, where, target); !bound) return bound.failure();
  const std::string last = listening.router.get(zmq::sockopt::last_endpoint);
  const std::string announced = *number == "0.0.0.0" ? own_host_name() : host;
  listening.endpoint = std::string(kTcp) + announced + last.substr(last.rfind(':'));
  return listening;
}

}  // namespace troupe::runtime
