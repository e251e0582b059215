#include "console/run_setup.hpp"

#include "console/exit_codes.hpp"

#include <nlohmann/json.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <stdexcept>

namespace troupe::console {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSocketPrefix = "troupe-sockets-";

std::string time_name() {
  std::array<char, 32> text{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y%m%d-%H%M%S", &parts);
  return {text.data(), length};
}

fs::path unused_run_name() {
  const fs::path first = fs::path("runs") / time_name();
  fs::path name = first;
  for (int i = 2; fs::exists(name); ++i) name = first.string() + "-" + std::to_string(i);
  return name;
}

void point_latest_at(const fs::path& root) {
  const fs::path link = fs::path("runs") / "latest";
  const fs::path fresh = fs::path("runs") / (".latest-" + std::to_string(getpid()));
  std::error_code ignored;
  fs::create_directories("runs", ignored);
  fs::remove(fresh, ignored);
  fs::create_symlink(fs::absolute(root), fresh, ignored);
  if (!ignored) fs::rename(fresh, link, ignored);  // a convenience: a run without it is a run
}

fs::path socket_root() {
  const char* runtime_directory = std::getenv("XDG_RUNTIME_DIR");
  if (runtime_directory != nullptr && fs::is_directory(runtime_directory)) return runtime_directory;
  return "/tmp";
}

/// Folders of processes that were killed: their number is at the end of the name.
void remove_abandoned(const fs::path& root) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kSocketPrefix)) continue;
    int process = 0;
    const char* digits = name.data() + kSocketPrefix.size();
    std::from_chars(digits, name.data() + name.size(), process);
    struct stat info {};
    const bool ours = stat(entry.path().c_str(), &info) == 0 && info.st_uid == getuid();
    if (ours && process > 0 && kill(process, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), ignored);
  }
}

bool is_utf8(const std::string& text) {
  using Handler = nlohmann::json::error_handler_t;
  const nlohmann::json json(text);
  return json.dump(-1, ' ', false, Handler::replace) == json.dump(-1, ' ', false, Handler::ignore);
}

fs::path make_socket_folder() {
  const fs::path root = socket_root();
  remove_abandoned(root);
  const fs::path path = root / (std::string(kSocketPrefix) + std::to_string(getpid()));
  std::error_code ignored;
  fs::remove_all(path, ignored);
  if (mkdir(path.c_str(), 0700) != 0) {
    throw std::runtime_error("cannot make the folder for sockets " + path.string() + ": " + std::strerror(errno));
  }
  return path;
}

}  // namespace

RunFolder make_run_folder(const std::string& wanted) {
  const fs::path root = fs::absolute(wanted.empty() ? unused_run_name() : fs::path(wanted));
  if (!is_utf8(root.string())) {
    throw CommandError(ExitCode::usage,
                       "the run folder's path is not UTF-8 text, which the files in it are: choose another");
  }
  RunFolder folder{root};
  if (fs::exists(folder.metrics())) {
    throw CommandError(ExitCode::usage, root.string() +
                                            " already holds a run: add --resume to go on with it, or choose "
                                            "another --run-dir");
  }
  for (const fs::path& part : {root, root / "logs", folder.status_pages(), folder.checkpoints()}) {
    std::error_code error;
    fs::create_directories(part, error);
    if (error) throw std::runtime_error("cannot make " + part.string() + ": " + error.message());
  }
  point_latest_at(root);
  return folder;
}

SocketFolder::SocketFolder() : path_(make_socket_folder()) {}

SocketFolder::~SocketFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace troupe::console
