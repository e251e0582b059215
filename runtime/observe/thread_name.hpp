#pragma once

#include <pthread.h>

namespace troupe::runtime {

/// What debuggers, perf and `top -H` call the calling thread; `name` has at most 15 characters.
inline void name_this_thread(const char* name) {
  (void)::pthread_setname_np(::pthread_self(), name);  // fails only for a longer name
}

}  // namespace troupe::runtime
