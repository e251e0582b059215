#include "scheduler/descriptor.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace troupe::scheduler {

void Descriptor::reset() {
  if (number_ >= 0) close(number_);
  number_ = -1;
}

Descriptor make_text_descriptor(const std::string& text) {
  Descriptor descriptor(memfd_create("troupe-input", MFD_CLOEXEC));
  std::size_t written = 0;
  while (descriptor.is_open() && written < text.size()) {
    const ssize_t count = write(descriptor.get(), text.data() + written, text.size() - written);
    if (count <= 0) return Descriptor();
    written += static_cast<std::size_t>(count);
  }
  if (descriptor.is_open()) lseek(descriptor.get(), 0, SEEK_SET);
  return descriptor;
}

void attach(int from, int to) {
  if (from == to) {
    fcntl(to, F_SETFD, 0);
  } else {
    dup2(from, to);
  }
}

runtime::Failure system_failure(const std::string& what) {
  return {runtime::FailureKind::faulted, what + ": " + std::strerror(errno)};
}

}  // namespace troupe::scheduler
