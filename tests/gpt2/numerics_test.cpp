#include "gpt2/numerics.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace troupe::gpt2 {
namespace {

/// A copy whose data starts `shift` floats behind an aligned address.
at::Tensor shifted(const at::Tensor& matrix, std::int64_t shift) {
  return at::empty({matrix.numel() + shift}).narrow(0, shift, matrix.numel()).view(matrix.sizes()).copy_(matrix);
}

TEST(Numerics, NU1_AMatrixProductHasTheSameBitsWhereverItsOperandsLie) {
  fix_numerics(1);
  const std::int64_t sizes[][3] = {{1024, 128, 384}, {512, 512, 128}, {63, 37, 51}};
  for (const auto& size : sizes) {
    const at::Tensor a = at::randn({size[0], size[1]}), b = at::randn({size[1], size[2]});
    const at::Tensor product = at::mm(a, b);
    for (const std::int64_t shift : {1, 3, 4, 8}) {
      ASSERT_TRUE(at::equal(at::mm(shifted(a, shift), shifted(b, shift + 1)), product)) << size[0] << " " << shift;
      at::Tensor out = shifted(product, shift).zero_();
      ASSERT_TRUE(at::equal(at::mm_out(out, a, b), product));
    }
  }
}

TEST(Numerics, WhatWasFixedIsDescribed) {
  fix_numerics(1);
  EXPECT_NE(describe_numerics().find("threads=1 MKL_CBWR=AVX2,STRICT"), std::string::npos) << describe_numerics();
  EXPECT_THROW(fix_numerics(0), std::runtime_error);
}

}  // namespace
}  // namespace troupe::gpt2
