#include "actors/tensor_bytes.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

namespace troupe::actors {
namespace {

TensorBytes bytes_of(TensorBytes::Type type, std::vector<std::int64_t> shape, std::size_t bytes) {
  const std::vector<std::byte> content(bytes);
  return {type, std::move(shape), runtime::Payload::copy_of(content)};
}

TEST(TensorBytes, TB1_ThereAndBackIsTheSameBitForBit) {
  at::Tensor floats = at::randn({2, 3, 4});
  floats[0][0][0] = std::numeric_limits<float>::quiet_NaN();
  floats[0][0][1] = -0.0F;
  floats[0][0][2] = std::numeric_limits<float>::denorm_min();
  const at::Tensor back = to_tensor(to_bytes(floats));
  EXPECT_EQ(back.sizes(), floats.sizes());
  EXPECT_EQ(std::memcmp(back.const_data_ptr(), floats.const_data_ptr(), floats.nbytes()), 0);

  const at::Tensor numbers = at::arange(12, at::kLong).reshape({3, 4});
  EXPECT_TRUE(to_tensor(to_bytes(numbers)).equal(numbers));
  EXPECT_TRUE(to_tensor(to_bytes(numbers.t())).equal(numbers.t())) << "not contiguous";
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{0, 5}, {5, 0}, {0}}) {
    EXPECT_EQ(to_tensor(to_bytes(at::zeros(shape))).sizes(), at::IntArrayRef(shape));
  }
}

TEST(TensorBytes, TB1_TheTensorOutlivesTheMessage) {
  at::Tensor tensor;
  {
    const TensorBytes bytes = to_bytes(at::full({1000}, 2.5));
    tensor = to_tensor(bytes);
  }
  EXPECT_TRUE(tensor.equal(at::full({1000}, 2.5)));
}

TEST(TensorBytes, TB2_WhatDoesNotFitIsRefused) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  using Type = TensorBytes::Type;
  EXPECT_NO_THROW((void)to_tensor(bytes_of(Type::float32, {2, 3}, 24)));
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {2, 3}, 20)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {2, 3}, 28)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {2, 3}, 25)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(Type::int64, {3}, 12)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(Type::none, {}, 4)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(static_cast<Type>(77), {1}, 4)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {-1}, 4)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {-2, -3}, 24)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {kHuge, 4}, 0)), std::runtime_error) << "overflows to 0";
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {kHuge, 4, 0}, 0)), std::runtime_error) << "of nothing";
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {0, -1}, 0)), std::runtime_error);
  EXPECT_THROW((void)to_tensor(bytes_of(Type::float32, {2, 0}, 8)), std::runtime_error);
  EXPECT_THROW((void)to_bytes(at::zeros({2}, at::kInt)), std::runtime_error);
}

}  // namespace
}  // namespace troupe::actors
