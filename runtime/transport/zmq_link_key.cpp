#include "runtime/transport/zmq_link_key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.hpp>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

/// Keys and their files.
namespace troupe::runtime {

namespace {

constexpr std::string_view kFirstLine = "# key of a troupe job: whoever has it may join; keep it to yourself\n";
constexpr std::size_t kMaxKeyFile = 1024;

Failure bad_key(const std::filesystem::path& path, const std::string& why) {
  return {FailureKind::unknown, "key " + path.string() + ": " + why};
}

bool is_pair(const LinkKey& key) {
  if (key.public_key.size() != LinkKey::kLetters || key.secret_key.size() != LinkKey::kLetters) return false;
  if (key.secret_key.find('\0') != std::string::npos) return false;  // ZeroMQ would read no further
  std::array<char, LinkKey::kLetters + 1> derived{};
  return zmq_curve_public(derived.data(), key.secret_key.c_str()) == 0 && key.public_key == derived.data();
}

}  // namespace

LinkKey make_link_key() {
  std::array<char, LinkKey::kLetters + 1> open{};
  std::array<char, LinkKey::kLetters + 1> secret{};
  if (zmq_curve_keypair(open.data(), secret.data()) != 0) throw zmq::error_t();  // a libzmq without CURVE
  return {open.data(), secret.data()};
}

Result<LinkKey> read_link_key(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not hang it
  if (descriptor < 0) {
    return bad_key(path,
                   std::string(std::strerror(errno)) + "; copy it from the head's machine, or let the head make it");
  }
  struct stat status {};
  std::array<char, kMaxKeyFile> text{};
  const bool is_known = ::fstat(descriptor, &status) == 0;
  const ssize_t size = ::read(descriptor, text.data(), text.size());
  ::close(descriptor);
  if (!is_known || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return bad_key(path, "others may read it; chmod 600 " + path.string());
  }
  if (!S_ISREG(status.st_mode) || size < 0 || static_cast<std::size_t>(status.st_size) > kMaxKeyFile) {
    return bad_key(path, "not a key file");
  }
  std::istringstream file(std::string(text.data(), static_cast<std::size_t>(size)));
  LinkKey key;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string what;
    std::string value;
    if (!(words >> what >> value) || what.starts_with('#')) continue;
    if (what == "public") key.public_key = value;
    if (what == "secret") key.secret_key = value;
  }
  if (!is_pair(key)) return bad_key(path, "holds no pair of keys; copy the file again, or let a head make a new one");
  return key;
}

Result<Done> write_link_key(const std::filesystem::path& path, const LinkKey& key) {
  const std::string text = std::string(kFirstLine) + "public " + key.public_key + "\nsecret " + key.secret_key + "\n";
  // A name of its own, then a link that fails when there is a file: two heads that start at once make one key.
  std::string draft = path.string() + ".XXXXXX";
  const int descriptor = ::mkostemp(draft.data(), O_CLOEXEC);  // mode 0600
  if (descriptor < 0) return bad_key(path, std::string("cannot be written: ") + std::strerror(errno));
  const bool written =
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(descriptor) == 0;
  const bool closed = ::close(descriptor) == 0;
  const bool linked = written && closed && ::link(draft.c_str(), path.c_str()) == 0;
  const int code = errno;
  ::unlink(draft.c_str());
  if (!linked) return bad_key(path, std::string("cannot be written: ") + std::strerror(code));
  return Done{};
}

Result<std::optional<LinkKey>> link_key_of_environment() {
  const char* const path = std::getenv("TROUPE_KEY");
  if (path == nullptr || *path == '\0') return std::optional<LinkKey>();
  Result<LinkKey> key = read_link_key(path);
  if (!key) return key.failure();
  return std::optional<LinkKey>(std::move(key).value());
}

}  // namespace troupe::runtime
