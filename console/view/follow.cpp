#include "console/view/follow.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <fstream>
#include <stdexcept>

namespace troupe::console {
namespace {

constexpr int kLookAgainMs = 200;  // a run that dies writes nothing, so nothing would wake us

using TakeLine = std::function<void(const std::string&)>;

/// Reads what was added to a file since the last look.
class LineReader final {
public:
  explicit LineReader(std::filesystem::path file) : file_(std::move(file)) {}

  void read_new(const TakeLine& take_line) {
    std::ifstream in(file_, std::ios::binary);
    if (!in) return;
    in.seekg(0, std::ios::end);
    const std::streamoff size = in.tellg();
    if (size < offset_) {
      offset_ = 0;
      started_.clear();
    }
    in.seekg(offset_);
    std::array<char, 65536> block{};
    while (in.read(block.data(), block.size()) || in.gcount() > 0) {
      offset_ += in.gcount();
      split({block.data(), static_cast<std::size_t>(in.gcount())}, take_line);
    }
  }

  /// Nothing can follow any more: a started line is all there will be of it.
  void finish(const TakeLine& take_line) {
    if (!started_.empty()) take_line(started_);
    started_.clear();
  }

private:
  void split(std::string_view text, const TakeLine& take_line) {
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      started_ += text.substr(0, end);
      take_line(started_);
      started_.clear();
      text.remove_prefix(end + 1);
    }
    started_ += text;
  }

  const std::filesystem::path file_;
  std::streamoff offset_ = 0;
  std::string started_;  // a line whose newline has not come yet
};

/// Wakes when the folder of a file changes or when the user wants to stop. Puts the signal mask back at the end.
class ChangeWatch final {
public:
  explicit ChangeWatch(const std::filesystem::path& file) {
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stops, &old_mask_);
    signals_ = signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
    changes_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
    const bool is_watched = changes_ >= 0 && inotify_add_watch(changes_, folder.c_str(), IN_MODIFY | IN_CREATE) >= 0;
    if (signals_ < 0 || !is_watched) {
      const std::string reason = std::strerror(errno);
      release();
      throw std::runtime_error("cannot watch " + folder.string() + ": " + reason + "; try without --follow");
    }
  }
  ~ChangeWatch() { release(); }
  ChangeWatch(const ChangeWatch&) = delete;
  ChangeWatch& operator=(const ChangeWatch&) = delete;

  enum class Woken { look, stop };

  Woken wait() {
    std::array<pollfd, 2> watched{{{signals_, POLLIN, 0}, {changes_, POLLIN, 0}}};
    (void)poll(watched.data(), watched.size(), kLookAgainMs);
    signalfd_siginfo caught{};
    if (read(signals_, &caught, sizeof caught) == sizeof caught) return Woken::stop;
    std::array<char, 4096> notices{};
    while (read(changes_, notices.data(), notices.size()) > 0) {
    }
    return Woken::look;
  }

private:
  void release() {
    if (signals_ >= 0) close(signals_);
    if (changes_ >= 0) close(changes_);
    pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
  }

  sigset_t old_mask_{};
  int signals_ = -1;
  int changes_ = -1;
};

/// What is there already, or the end of it.
void read_start(LineReader& reader, std::size_t last_lines, const TakeLine& take_line) {
  if (last_lines == std::numeric_limits<std::size_t>::max()) return reader.read_new(take_line);
  std::deque<std::string> kept;
  reader.read_new([&](const std::string& line) {
    kept.push_back(line);
    if (kept.size() > last_lines) kept.pop_front();
  });
  for (const std::string& line : kept) take_line(line);
}

}  // namespace

FollowEnd follow_file(const std::filesystem::path& file, const FollowOptions& options, const TakeLine& take_line) {
  LineReader reader(file);
  read_start(reader, options.last_lines, take_line);
  if (options.until == FollowOptions::Until::run_over) {
    ChangeWatch watch(file);
    for (;;) {
      // Asked before the look, so that what was written up to the end of the run is still seen.
      const bool is_over = options.is_run_over();
      reader.read_new(take_line);
      if (is_over) break;
      if (watch.wait() == ChangeWatch::Woken::stop) return FollowEnd::interrupted;
    }
  }
  reader.finish(take_line);
  return FollowEnd::done;
}

}  // namespace troupe::console
