// Copies, sums and choices of mixed dtypes on the device: 16 bytes at a time where memory is dense and aligned, with
// rests, and element by element where it is not. The op table has the rest.
#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaPointwise = DeviceTest;

TEST_F(CudaPointwise, CastsKeepEveryElement) {
  for (const int64_t n : kEdges)
    for (const int64_t shift : {0, 1})
      for (const Dtype from : {Dtype::f32, Dtype::bf16, Dtype::i32, Dtype::u8})
        for (const Dtype to : {Dtype::f32, Dtype::bf16, Dtype::f64, Dtype::i32}) {
          const Tensor values = random_ids(n, 200, 1).to(Dtype::f64);  // all dtypes hold these
          EXPECT_EQ(on_device(values, from, shift).to(to).to_vector(), values.to_vector())
              << n << " of " << name_of(from) << " to " << name_of(to) << ", shift " << shift;
        }
  const Tensor table = random_values({5, 6}, 2, Dtype::bf16);
  EXPECT_EQ(on_device(table, Dtype::bf16).transpose(0, 1).to(Dtype::f32).to_vector(),
            table.transpose(0, 1).to_vector());
}

TEST_F(CudaPointwise, GradientsOfHalfPrecisionAddToSingle) {
  for (const int64_t n : kEdges)
    for (const int64_t shift : {0, 1}) {
      const Tensor sum = random_values({n}, 3, Dtype::f32), x = random_values({n}, 4, Dtype::bf16);
      const Tensor there = on_device(sum, Dtype::f32, shift);
      add_(there, on_device(x, Dtype::bf16, shift), 0.5);
      expect_close(there, add(sum, affine(x, 0.5)), 1e-6, std::to_string(n) + " elements");
    }
}

TEST_F(CudaPointwise, WhereTakesOneOrTheOther) {
  for (const Dtype dtype : kDeviceFloats)
    for (const int64_t n : kEdges)
      for (const int64_t shift : {0, 1}) {
        const Tensor mask = random_ids(n, 2, 5), x = random_values({n}, 6, dtype), y = random_values({n}, 7, dtype);
        const Tensor got =
            where(on_device(mask, Dtype::u8, shift), on_device(x, dtype, shift), on_device(y, dtype, shift));
        EXPECT_EQ(got.to_vector(), where(mask.to(Dtype::u8), x, y).to_vector()) << n << " of " << name_of(dtype);
      }
}

}  // namespace
}  // namespace kg
