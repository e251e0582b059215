#include "tests/fuzz/fuzz_target.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <vector>

namespace troupe::runtime {
namespace {

using Input = std::vector<std::byte>;

/// Refusals are logged; not here, where there are thousands.
class Silence {
public:
  Silence() { spdlog::set_level(spdlog::level::off); }
  ~Silence() { spdlog::set_level(spdlog::level::info); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
};

struct Named {
  std::string name;
  Input bytes;
};

/// The files that the fuzzer has found to reach something, sorted by name.
std::vector<Named> corpus() {
  std::vector<Named> files;
  for (const auto& entry : std::filesystem::directory_iterator(FUZZ_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto* const first = reinterpret_cast<const std::byte*>(text.data());
    files.push_back({entry.path().filename().string(), Input(first, first + text.size())});
  }
  std::sort(files.begin(), files.end(), [](const Named& a, const Named& b) { return a.name < b.name; });
  return files;
}

/// What a wire or a stranger might make of it: bytes that are others, more, fewer, doubled, or extreme numbers.
Input mutated(Input bytes, std::mt19937& random) {
  const auto below = [&random](std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
  };
  for (std::size_t changes = 1 + below(4); changes > 0 && bytes.size() > 1; --changes) {
    const std::size_t at = 1 + below(bytes.size() - 1);  // the first byte names the target
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<std::byte>(below(256));
        break;
      case 1:
        bytes[at] ^= static_cast<std::byte>(1U << below(8));
        break;
      case 2:
        bytes.erase(place, place + static_cast<std::ptrdiff_t>(1 + below(bytes.size() - at)));
        break;
      case 3:
        bytes.insert(place, 1 + below(16), static_cast<std::byte>(below(256)));
        break;
      case 4:
        std::fill_n(place, std::min<std::size_t>(8, bytes.size() - at), std::byte{0xff});
        break;
      default: {
        const Input again(place, place + static_cast<std::ptrdiff_t>(1 + below(bytes.size() - at)));
        bytes.insert(place, again.begin(), again.end());
      }
    }
  }
  return bytes;
}

/// No finding, and no more memory than is allowed.
testing::AssertionResult stands(const Input& bytes) {
  try {
    fuzz_one(bytes);
    return testing::AssertionSuccess();
  } catch (const std::exception& finding) {
    return testing::AssertionFailure() << finding.what();
  }
}

TEST(FuzzCorpus, EveryFileIsReadWithoutHarmAndWithinItsMemory) {
  const Silence silence;
  std::set<std::string_view> targets;
  for (const Named& file : corpus()) {
    EXPECT_TRUE(stands(file.bytes)) << file.name;
    targets.insert(run_fuzz_target(file.bytes).target);
  }
  EXPECT_EQ(targets.size(), 9U) << "a target of which the corpus has nothing";
}

TEST(FuzzCorpus, ThousandsOfChangedOnesToo) {
  const Silence silence;
  constexpr int kEach = 40;
  std::mt19937 random(1);  // the same on every run: what fails here fails again
  for (const Named& file : corpus()) {
    for (int i = 0; i < kEach; ++i) {
      const Input changed = mutated(file.bytes, random);
      EXPECT_TRUE(stands(changed)) << file.name << ", change " << i << " of seed 1";
    }
  }
}

TEST(FuzzCorpus, AFindingIsSeen) {
  // A node costs more than nothing: were the counter not linked in, the bounds above would hold for everything.
  const Silence silence;
  const Input node{std::byte{3}, std::byte{1}};
  const FuzzRun run = run_fuzz_target(node);
  EXPECT_EQ(run.target, "node");
  EXPECT_GT(run.allocated, 1000U);
}

}  // namespace
}  // namespace troupe::runtime
