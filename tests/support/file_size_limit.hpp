#pragma once

#include <signal.h>
#include <sys/resource.h>

namespace troupe::test {

/// No file may grow beyond `bytes` while it lives: what a full disk does to a write.
class FileSizeLimit final {
public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

private:
  sighandler_t handler_;
  rlimit before_{};
};

}  // namespace troupe::test
