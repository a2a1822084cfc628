// Matrix products over cuBLASLt. Its matrices are column-major, so C (m, n) row-major is computed as C^T = B^T A^T. The
// plan of a shape (descriptors and the algorithm that the heuristic names first) is made once and kept.
#include "tensor/cuda/blas.h"

#include <cublasLt.h>

#include <map>
#include <tuple>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/runtime.h"
#include "tensor/cuda/vendor/library.h"

namespace kg::cuda {
namespace {

constexpr size_t kWorkspace = size_t(32) << 20;  // what NVIDIA recommends for Hopper
bool tf32_on = false;

const Library& lt() {
  static const Library library("libcublasLt.so.13");
  return library;
}
void check_lt(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail(ErrorCode::runtime, "[cublasLt] ", what, " failed with status ", int(status));
}
#define KG_LT(name, ...) check_lt(KG_CALL(lt(), name)(__VA_ARGS__), #name)

cublasLtHandle_t handle() {
  static cublasLtHandle_t h = [] {
    cublasLtHandle_t created = nullptr;
    KG_LT(cublasLtCreate, &created);
    return created;
  }();
  return h;
}
void* workspace() {
  static void* data = allocate(int64_t(kWorkspace));
  CHECK(data, "[cublasLt] no memory for its workspace");
  return data;
}

cudaDataType_t type_of(Dtype d) { return d == Dtype::f32 ? CUDA_R_32F : CUDA_R_16BF; }

struct Plan {
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  bool fused = true;  // the epilogue is part of it
};

// rows and cols are those of the matrix in memory, column-major: a line is a column.
cublasLtMatrixLayout_t layout(Dtype dtype, int64_t rows, int64_t cols, int64_t line, int64_t batches, int64_t batch) {
  cublasLtMatrixLayout_t l = nullptr;
  KG_LT(cublasLtMatrixLayoutCreate, &l, type_of(dtype), uint64_t(rows), uint64_t(cols), line);
  if (batches > 1) {
    const int32_t count = int32_t(batches);
    KG_LT(cublasLtMatrixLayoutSetAttribute, l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count));
    KG_LT(cublasLtMatrixLayoutSetAttribute, l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch, sizeof(batch));
  }
  return l;
}

// The power of two, up to the 16 bytes of the widest load, that an address is a multiple of.
uint32_t alignment(const void* data) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(data);
  return uint32_t(at % 16 == 0 ? 16 : at & (~at + 1));
}

// Where the epilogue's vector stands is the only thing of a plan that changes from call to call.
void point_epilogue(const Plan& p, const Gemm& g) {
  const void* vector = g.epilogue == Epilogue::bias ? g.bias : g.row_sums;
  KG_LT(cublasLtMatmulDescSetAttribute, p.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &vector, sizeof(vector));
}

// Descriptors of everything but the algorithm.
Plan describe(const Gemm& g) {
  Plan p;
  const cublasComputeType_t compute = g.in == Dtype::f32 && tf32_on ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  KG_LT(cublasLtMatmulDescCreate, &p.operation, compute, CUDA_R_32F);
  // Column-major first operand: B^T (n, k); second: A^T (k, m).
  const cublasOperation_t first = g.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second = g.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  KG_LT(cublasLtMatmulDescSetAttribute, p.operation, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first));
  KG_LT(cublasLtMatmulDescSetAttribute, p.operation, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second));
  if (g.epilogue != Epilogue::none) {
    // A's rows are columns of the second operand.
    const cublasLtEpilogue_t epilogue =
        g.epilogue == Epilogue::bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_BGRADB;
    const cudaDataType_t type = type_of(g.out);
    KG_LT(cublasLtMatmulDescSetAttribute, p.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue));
    KG_LT(cublasLtMatmulDescSetAttribute, p.operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof(type));
    point_epilogue(p, g);
  }
  p.a = g.b.transposed ? layout(g.in, g.k, g.n, g.b.line, g.batches, g.b.batch)
                       : layout(g.in, g.n, g.k, g.b.line, g.batches, g.b.batch);
  p.b = g.a.transposed ? layout(g.in, g.m, g.k, g.a.line, g.batches, g.a.batch)
                       : layout(g.in, g.k, g.m, g.a.line, g.batches, g.a.batch);
  p.c = layout(g.out, g.n, g.m, g.line, g.batches, g.batch);
  return p;
}
void release(const Plan& p) {
  for (cublasLtMatrixLayout_t l : {p.a, p.b, p.c}) KG_LT(cublasLtMatrixLayoutDestroy, l);
  KG_LT(cublasLtMatmulDescDestroy, p.operation);
}

// The algorithm that the heuristic names first; false when there is none.
bool find_algorithm(Plan& p, const Gemm& g) {
  cublasLtMatmulPreference_t preference = nullptr;
  KG_LT(cublasLtMatmulPreferenceCreate, &preference);
  KG_LT(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &kWorkspace,
        sizeof(kWorkspace));
  // Views may begin anywhere: what the heuristic picks must be right for every pointer of this plan's key.
  const uint32_t align_a = alignment(g.b.data), align_b = alignment(g.a.data), align_c = alignment(g.c);
  KG_LT(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &align_a, 4);
  KG_LT(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &align_b, 4);
  KG_LT(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &align_c, 4);
  KG_LT(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &align_c, 4);
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  const cublasStatus_t status = KG_CALL(lt(), cublasLtMatmulAlgoGetHeuristic)(handle(), p.operation, p.a, p.b, p.c, p.c,
                                                                              preference, 1, &result, &found);
  KG_LT(cublasLtMatmulPreferenceDestroy, preference);
  const bool refused = status == CUBLAS_STATUS_INVALID_VALUE && g.epilogue == Epilogue::row_sums;
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || refused) return false;
  check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
  p.algorithm = result.algo;
  return found > 0;
}

Plan make_plan(Gemm g) {
  Plan p = describe(g);
  if (find_algorithm(p, g)) return p;
  if (g.epilogue == Epilogue::row_sums) {
    release(p);
    g.epilogue = Epilogue::none;
    p = describe(g);
    p.fused = false;
    if (find_algorithm(p, g)) return p;
  }
  fail(ErrorCode::runtime, "[cublasLt] no algorithm for a product of ", g.m, " x ", g.k, " x ", g.n);
}

const Plan& plan_of(const Gemm& g) {
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, bool, int64_t, int64_t, bool, int64_t, int, int,
                         int64_t, int64_t, int, bool, uint32_t, uint32_t, uint32_t, uint32_t>;
  static auto* plans = new std::map<Key, Plan>;
  const Key key{g.m,
                g.n,
                g.k,
                g.batches,
                g.a.line,
                g.a.transposed,
                g.a.batch,
                g.b.line,
                g.b.transposed,
                g.b.batch,
                int(g.in),
                int(g.out),
                g.line,
                g.batch,
                int(g.epilogue),
                tf32_on,
                alignment(g.a.data),
                alignment(g.b.data),
                alignment(g.c),
                alignment(g.epilogue == Epilogue::row_sums ? g.row_sums : g.bias)};
  const auto at = plans->find(key);
  return at != plans->end() ? at->second : plans->emplace(key, make_plan(g)).first->second;
}

}  // namespace

bool gemm(const Gemm& g) {
  const Plan& p = plan_of(g);
  if (g.epilogue != Epilogue::none && p.fused) point_epilogue(p, g);
  const float alpha = 1;
  KG_LT(cublasLtMatmul, handle(), p.operation, &alpha, g.b.data, p.a, g.a.data, p.b, &g.beta, g.c, p.c, g.c, p.c,
        &p.algorithm, workspace(), kWorkspace, stream());
  return p.fused;
}
void set_tf32(bool on) { tf32_on = on; }
bool tf32() { return tf32_on; }

}  // namespace kg::cuda
