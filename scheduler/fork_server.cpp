#include "scheduler/fork_server.hpp"

#include "scheduler/forked_child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string_view>

namespace troupe::scheduler {
namespace {

using runtime::Failure;
using runtime::FailureKind;

/// What the server tells. A datagram is whole or not there.
struct Report {
  enum class Kind : int { started, refused, ended } kind = Kind::ended;
  pid_t pid = -1;
  int value = 0;  // ended: wait status; refused: errno
};

// What travels with a request, in this order: words of the birth, standard input, log.
constexpr std::size_t kDescriptors = 3;
constexpr unsigned kFirstInherited = 3;  // after standard input, output and error

// ---- a request on its way ------------------------------------------------------------------------------------------

/// Arguments and environment of a child, each text ended by a NUL, as in /proc/PID/cmdline; an empty text between them.
struct Birth {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

std::string render_birth(const std::vector<std::string>& arguments) {
  std::string text = std::to_string(arguments.size()) + '\0';
  for (const std::string& argument : arguments) text.append(argument).push_back('\0');
  for (char** entry = environ; *entry != nullptr; ++entry) text.append(*entry).push_back('\0');
  return text;
}

Birth read_birth(int descriptor) {
  std::string text;
  std::array<char, 4096> chunk{};
  for (ssize_t count = 0; (count = read(descriptor, chunk.data(), chunk.size())) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  std::istringstream words(text);
  std::string word;
  std::getline(words, word, '\0');
  Birth birth;
  birth.arguments.resize(std::strtoul(word.c_str(), nullptr, 10));
  for (std::string& argument : birth.arguments) std::getline(words, argument, '\0');
  while (std::getline(words, word, '\0')) birth.environment.push_back(word);
  return birth;
}

/// A message of one byte with room for the descriptors beside it (unix(7), SCM_RIGHTS); points into itself.
struct DescriptorMessage {
  DescriptorMessage() {
    header.msg_iov = &body;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }
  DescriptorMessage(const DescriptorMessage&) = delete;
  DescriptorMessage& operator=(const DescriptorMessage&) = delete;

  char nothing = 0;
  iovec body{&nothing, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::array<int, kDescriptors>))> control{};
  msghdr header{};
};

bool send_request(int socket, const std::array<int, kDescriptors>& descriptors) {
  DescriptorMessage message;
  cmsghdr* head = CMSG_FIRSTHDR(&message.header);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(head), descriptors.data(), sizeof descriptors);
  return sendmsg(socket, &message.header, MSG_NOSIGNAL) == 1;
}

/// False when the other end is closed.
bool receive_request(int socket, std::array<Descriptor, kDescriptors>& descriptors) {
  std::array<int, kDescriptors> numbers{};
  DescriptorMessage message;
  if (recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC) != 1) return false;
  const cmsghdr* head = CMSG_FIRSTHDR(&message.header);
  if (head == nullptr || head->cmsg_len != CMSG_LEN(sizeof numbers)) return false;
  std::memcpy(numbers.data(), CMSG_DATA(head), sizeof numbers);
  std::ranges::transform(numbers, descriptors.begin(), [](int number) { return Descriptor(number); });
  return true;
}

void send_report(int socket, const Report& report) {
  // Refused only when this process's owner is gone, and then so is this process, by PR_SET_PDEATHSIG.
  (void)!send(socket, &report, sizeof report, MSG_NOSIGNAL);
}

// ---- in the server -------------------------------------------------------------------------------------------------

void take_environment(const std::vector<std::string>& environment) {
  clearenv();
  for (const std::string& entry : environment) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos) setenv(entry.substr(0, equals).c_str(), entry.substr(equals + 1).c_str(), 1);
  }
}

void unblock_signals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void be_child(const ForkServer::ChildMain& child_main, std::array<Descriptor, kDescriptors>& descriptors,
                           pid_t server) noexcept {
  die_with(server);
  // An own session: Ctrl-C at the terminal reaches the head alone, which ends the job in good order.
  setsid();
  const Birth birth = read_birth(descriptors[0].get());
  attach(descriptors[1].get(), STDIN_FILENO);
  attach(descriptors[2].get(), STDOUT_FILENO);
  attach(descriptors[2].get(), STDERR_FILENO);
  // Numbers that nobody uses any more: what of this is open belongs to the server.
  (void)syscall(SYS_close_range, kFirstInherited, ~0U, 0U);
  unblock_signals();
  take_environment(birth.environment);
  std::string title = "troupe";
  for (const std::string& argument : birth.arguments) title += " " + argument;
  set_process_title(title);
  const int status = child_main(birth.arguments);
  std::cout.flush();
  std::cerr.flush();
  _exit(status);
}

void start_child(int socket, std::array<Descriptor, kDescriptors>& descriptors,
                 const ForkServer::ChildMain& child_main) {
  const pid_t server = getpid();
  const pid_t pid = fork();
  if (pid == 0) be_child(child_main, descriptors, server);
  send_report(socket, pid < 0 ? Report{Report::Kind::refused, -1, errno} : Report{Report::Kind::started, pid, 0});
}

void report_ended(int socket) {
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    send_report(socket, {Report::Kind::ended, pid, status});
  }
}

[[noreturn]] void serve(int socket, const ForkServer::ChildMain& child_main, pid_t parent) noexcept {
  die_with(parent);
  setsid();
  // Ignored, as a parent may have left it to us, children would vanish without a word.
  signal(SIGCHLD, SIG_DFL);
  // Whoever reads the parent's output must not wait for this process to end.
  const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) attach(null.get(), standard);
  sigset_t ended;
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  sigprocmask(SIG_BLOCK, &ended, nullptr);
  const Descriptor signals(signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.is_open()) _exit(127);
  set_process_title("troupe fork-server");
  std::array<pollfd, 2> waits{pollfd{socket, POLLIN, 0}, pollfd{signals.get(), POLLIN, 0}};
  while (true) {
    if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) _exit(127);
    if (waits[1].revents != 0) {
      signalfd_siginfo ignored{};
      while (read(signals.get(), &ignored, sizeof ignored) > 0) {
      }
      report_ended(socket);
    }
    if (waits[0].revents == 0) continue;
    std::array<Descriptor, kDescriptors> descriptors;
    if (!receive_request(socket, descriptors)) _exit(0);  // what still runs is killed by this process's end
    start_child(socket, descriptors, child_main);
  }
}

}  // namespace

// ---- in the process that owns it -----------------------------------------------------------------------------------

namespace {

// A fork takes some; seconds mean that the server is stopped. Less than a head waits for a node's heartbeat.
constexpr int kAnswerMilliseconds = 2000;

/// The same descriptor with a number that is not that of standard input, output or error: where those are closed, new
/// descriptors get their numbers, and then what is meant for the user goes there.
Descriptor above_standard(Descriptor descriptor) {
  if (descriptor.get() >= static_cast<int>(kFirstInherited)) return descriptor;
  return Descriptor(fcntl(descriptor.get(), F_DUPFD_CLOEXEC, kFirstInherited));
}

/// Nothing when the server is gone or does not answer.
std::optional<Report> wait_for_report(int socket) {
  pollfd wait{socket, POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&wait, 1, kAnswerMilliseconds);
  } while (ready < 0 && errno == EINTR);
  Report report;
  if (ready != 1 || recv(socket, &report, sizeof report, MSG_DONTWAIT) != static_cast<ssize_t>(sizeof report)) {
    return std::nullopt;
  }
  return report;
}

}  // namespace

runtime::Result<std::unique_ptr<ForkServer>> ForkServer::create(ChildMain child_main) {
  if (const std::ptrdiff_t threads = count_threads(); threads != 1) {
    return Failure{FailureKind::faulted,
                   "a fork server is made before the first thread: there are " + std::to_string(threads)};
  }
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return system_failure("cannot make the socket of a fork server");
  }
  Descriptor mine = above_standard(Descriptor(ends[0]));
  const Descriptor other = above_standard(Descriptor(ends[1]));
  if (!mine.is_open() || !other.is_open()) return system_failure("cannot make the socket of a fork server");
  // What is buffered now would be written by every child.
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t server = fork();
  if (server < 0) return system_failure("cannot fork a fork server");
  if (server == 0) {
    mine.reset();
    serve(other.get(), child_main, parent);
  }
  return std::unique_ptr<ForkServer>(new ForkServer(std::move(mine), server));
}

ForkServer::~ForkServer() {
  end();
}

void ForkServer::end() {
  if (!socket_.is_open()) return;
  socket_.reset();
  kill(server_, SIGKILL);  // it would end by itself now, unless somebody has stopped it
  while (waitpid(server_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

/// Whether it is sent, and if not, why.
runtime::Result<runtime::Done> ForkServer::ask_for_child(const ProcessSpec& spec, const std::string& what) {
  const Descriptor birth = make_text_descriptor(render_birth(spec.arguments));
  const Descriptor input = make_text_descriptor(spec.input);
  if (!birth.is_open() || !input.is_open()) return system_failure(what);
  const Descriptor output(open(spec.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!output.is_open()) return system_failure("cannot open log " + spec.log.string());
  while (!send_request(socket_.get(), {birth.get(), input.get(), output.get()})) {
    if (errno == EINTR) continue;
    const bool is_gone = errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN || errno == EBADF;
    if (!is_gone) return system_failure(what);
    return Failure{FailureKind::disconnected, what + ": the fork server is gone"};
  }
  return runtime::Done{};
}

runtime::Result<ProcessHandle> ForkServer::start(const ProcessSpec& spec) {
  const std::string what = "cannot start " + (spec.arguments.empty() ? "a process" : spec.arguments.back());
  if (const auto asked = ask_for_child(spec, what); !asked) return asked.failure();
  while (true) {
    const std::optional<Report> answer = wait_for_report(socket_.get());
    if (!answer) {
      kill(server_, SIGKILL);  // dead already, or stopped: then a late answer would be taken for that to another start
      return Failure{FailureKind::disconnected, what + ": the fork server is gone"};
    }
    const Report& report = *answer;
    if (report.kind == Report::Kind::ended) {
      exits_.push_back({report.pid, report.value});
    } else if (report.kind == Report::Kind::refused) {
      errno = report.value;
      return system_failure(what);
    } else {
      const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, report.pid, 0));
      if (descriptor >= 0 || errno == ESRCH) return ProcessHandle{report.pid, descriptor};
      const Failure failure = system_failure("cannot watch process " + std::to_string(report.pid));
      kill(report.pid, SIGKILL);  // nobody could end it later
      return failure;
    }
  }
}

runtime::Result<std::optional<ForkServer::Exit>> ForkServer::next_exit() {
  if (!exits_.empty()) {
    const Exit first = exits_.front();
    exits_.pop_front();
    return std::optional(first);
  }
  Report report;
  ssize_t count = 0;
  do {
    count = recv(socket_.get(), &report, sizeof report, MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::optional<Exit>();
  if (count != static_cast<ssize_t>(sizeof report))
    return Failure{FailureKind::disconnected, "the fork server is gone"};
  return std::optional(Exit{report.pid, report.value});
}

}  // namespace troupe::scheduler
