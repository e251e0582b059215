#include "tests/support/counting_new.hpp"

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t handed_out = 0;

}  // namespace

void* operator new(std::size_t size) {
  handed_out += size;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace troupe::runtime {

CountingNew::CountingNew() : before_(handed_out) {}
std::size_t CountingNew::bytes() const {
  return handed_out - before_;
}

}  // namespace troupe::runtime
