"""A wall clock that jumps while a job runs, for that job alone: the machine's own is not touched."""

import pathlib
import shutil
import subprocess
import unittest

# Preloaded into the job: what is read of the clock of the wall is wrong by the seconds in a file. Read each time, so that it
# jumps in all processes at once.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long wrong_by(void) {
  char text[32] = {0};
  int file = open(JUMP, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
  close(file);
  return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  int (*real)(clockid_t, struct timespec*) = dlsym(RTLD_NEXT, "clock_gettime");
  int answer = real(clock, now);
  if (answer == 0 && clock == CLOCK_REALTIME) now->tv_sec += wrong_by();
  return answer;
}

int gettimeofday(struct timeval* now, void* zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec exact;
  if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
  if (out) *out = exact.tv_sec;
  return exact.tv_sec;
}
"""


class WallClock:
    """Set `environment` for the job, then jump()."""

    def __init__(self, test):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise unittest.SkipTest("no C compiler for the clock's shim")
        self.jump_file = pathlib.Path(test.folder, "jump")
        source, library = pathlib.Path(test.folder, "clock.c"), pathlib.Path(test.folder, "clock.so")
        source.write_text(SHIM)
        subprocess.run([compiler, "-shared", "-fPIC", f"-DJUMP=\"{self.jump_file}\"", "-o", library, source], check=True)
        self.environment = dict(test.environment, LD_PRELOAD=str(library))

    def jump(self, seconds):
        fresh = self.jump_file.with_suffix(".next")
        fresh.write_text(str(seconds))
        fresh.rename(self.jump_file)
