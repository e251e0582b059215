#include "scheduler/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <functional>
#include <sstream>
#include <utility>
#include <vector>

namespace troupe::scheduler {
namespace {

constexpr std::string_view kStatePrefix = "troupe.state.";

/// Held while folders are made and removed: between making one and locking it, it looks like one that was left.
Descriptor lock_all(const std::filesystem::path& shared_memory) {
  Descriptor lock(::open(shared_memory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.is_open()) flock(lock.get(), LOCK_EX);  // who has it needs it for microseconds
  return lock;
}

Descriptor lock_folder(const std::filesystem::path& path) {
  Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (folder.is_open() && flock(folder.get(), LOCK_EX | LOCK_NB) != 0) return Descriptor();
  return folder;
}

std::string folder_name(const std::filesystem::path& run, const std::string& node) {
  std::ostringstream name;
  name << kStatePrefix << std::hex << std::hash<std::string>{}(run.string() + "|" + node);
  return name.str();
}

std::size_t sweep_except(const std::filesystem::path& shared_memory, const std::filesystem::path& kept) {
  std::vector<std::filesystem::path> left;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(shared_memory, error)) {
    if (entry.path().filename().string().starts_with(kStatePrefix) && entry.path() != kept) left.push_back(entry);
  }
  std::size_t removed = 0;
  for (const std::filesystem::path& path : left) {
    const Descriptor lock = lock_folder(path);
    if (!lock.is_open()) continue;
    if (std::filesystem::remove_all(path, error) > 0) ++removed;
  }
  return removed;
}

}  // namespace

runtime::Result<std::unique_ptr<StateFolder>> StateFolder::open(const std::filesystem::path& shared_memory,
                                                                const std::filesystem::path& run,
                                                                const std::string& node) {
  std::filesystem::path path = shared_memory / folder_name(run, node);
  const Descriptor all = lock_all(shared_memory);
  (void)sweep_except(shared_memory, path);
  std::error_code error;
  std::filesystem::create_directory(path, error);
  if (error) {
    return runtime::Failure{runtime::FailureKind::disconnected,
                            "cannot make " + path.string() + ": " + error.message()};
  }
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  Descriptor lock = lock_folder(path);
  if (!lock.is_open()) return system_failure("cannot lock " + path.string() + " (has another agent this name?)");
  return std::unique_ptr<StateFolder>(new StateFolder(std::move(path), std::move(lock)));
}

StateFolder::~StateFolder() {
  std::error_code error;  // what cannot be removed now is swept by whoever comes next
  std::filesystem::remove_all(path_, error);
}

std::size_t sweep_state_folders(const std::filesystem::path& shared_memory) {
  const Descriptor all = lock_all(shared_memory);
  return sweep_except(shared_memory, {});
}

}  // namespace troupe::scheduler
