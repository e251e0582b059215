#include "tests/support/counting_new.hpp"

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t handed_out = 0;

}  // namespace

// Libraries use the form that does not throw; what one of them makes must not be freed by another allocator.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  handed_out += size;
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new(std::size_t size) {
  if (void* memory = operator new(size, std::nothrow)) return memory;
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
