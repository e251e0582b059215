#include "runtime/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace troupe::runtime {
namespace {

TEST(Result, HoldsAValueOrAFailure) {
  const Result<int> good = 4;
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 4);
  const Result<int> bad = Failure{FailureKind::overloaded, "too much"};
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.failure().kind, FailureKind::overloaded);
}

TEST(Result, ValueOfAFailureThrowsItsText) {
  const Result<int> bad = Failure{FailureKind::faulted, "broke"};
  try {
    (void)bad.value();
    FAIL() << "value() of a failure must throw";
  } catch (const std::runtime_error& problem) {
    EXPECT_STREQ(problem.what(), "faulted: broke");
  }
}

TEST(Result, CarriesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 3);
}

TEST(Result, PointsIntoItsValue) {
  const Result<std::string> text = std::string("abc");
  EXPECT_EQ(text->size(), 3U);
}

}  // namespace
}  // namespace troupe::runtime
