// Matrix products over cuBLASLt. Its matrices are column-major, so C (m, n) row-major is computed as C^T = B^T A^T. The
// plan of a shape (descriptors and the first of the heuristic's algorithms that takes it) is made once and kept.
#include "tensor/cuda/blas.h"

#include <cublasLt.h>

#include <map>
#include <optional>
#include <tuple>

#include "tensor/cuda/candidates.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/runtime.h"
#include "tensor/cuda/vendor/library.h"
#include "tensor/cuda/vendor/tuning.h"
#include "tensor/storage.h"

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

// With a name of its own: nvcc 13.0 does not compile a vector of cuBLASLt's unnamed struct.
struct Algorithm {
  cublasLtMatmulAlgo_t value;
};
struct Plan {
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  Candidates<Algorithm> algorithms;
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

// A combination that the library does not do: said by the heuristic, or only by the product itself.
bool refused(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE ||
         status == CUBLAS_STATUS_ARCH_MISMATCH;
}

cublasLtMatmulPreference_t preference_of(const Gemm& g) {
  cublasLtMatmulPreference_t preference = nullptr;
  KG_LT(cublasLtMatmulPreferenceCreate, &preference);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, auto value) {
    KG_LT(cublasLtMatmulPreferenceSetAttribute, preference, name, &value, sizeof(value));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  // Views may begin anywhere: what the heuristic picks must be right for every pointer of this plan's key.
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(g.b.data));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(g.a.data));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(g.c));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(g.c));
  // The parts of a sum that is split along k stay in f32 until they are one: not where they would be stored in bf16.
  if (g.out == Dtype::bf16)
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  return preference;
}

// What the heuristic proposes, best first; nothing when it refuses the product.
Candidates<Algorithm> find_algorithms(const Plan& p, const Gemm& g) {
  const cublasLtMatmulPreference_t preference = preference_of(g);
  constexpr int kMost = 16;
  cublasLtMatmulHeuristicResult_t results[kMost]{};
  int found = 0;
  const cublasStatus_t status = KG_CALL(lt(), cublasLtMatmulAlgoGetHeuristic)(handle(), p.operation, p.a, p.b, p.c, p.c,
                                                                              preference, kMost, results, &found);
  KG_LT(cublasLtMatmulPreferenceDestroy, preference);
  if (refused(status)) return {};
  check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
  std::vector<Algorithm> usable;
  for (int i = 0; i < found; ++i)
    if (results[i].state == CUBLAS_STATUS_SUCCESS && results[i].workspaceSize <= kWorkspace)
      usable.push_back({results[i].algo});
  return Candidates<Algorithm>(std::move(usable));
}

// What a plan was made for.
using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, bool, int64_t, int64_t, bool, int64_t, int, int,
                       int64_t, int64_t, int, bool, uint32_t, uint32_t, uint32_t, uint32_t>;
Key key_of(const Gemm& g) {
  return {g.m,
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
}

cublasStatus_t multiply(const Plan& p, const Gemm& g, const Algorithm& algorithm) {
  const float alpha = 1;
  const cublasStatus_t status =
      KG_CALL(lt(), cublasLtMatmul)(handle(), p.operation, &alpha, g.b.data, p.a, g.a.data, p.b, &g.beta, g.c, p.c, g.c,
                                    p.c, &algorithm.value, workspace(), kWorkspace, stream());
  if (status != CUBLAS_STATUS_SUCCESS) cudaGetLastError();  // it is not to be found by the next call
  return status;
}

// The fastest algorithm first, for those who ask for it (tensor/cuda/vendor/tuning.h).
void tune(Plan& p, const Gemm& g) {
  std::string key = "cuBLASLt " + std::to_string(KG_CALL(lt(), cublasLtGetVersion)()) + ", product";
  std::apply([&](auto... part) { ((key += " " + std::to_string(part)), ...); }, key_of(g));
  Gemm trial = g;
  std::optional<Storage> scratch;
  if (g.beta != 0) {  // trials would add up
    scratch.emplace(((g.batches - 1) * g.batch + (g.m - 1) * g.line + g.n) * size_of(g.out), Device::cuda);
    fill_bytes(trial.c = scratch->data(), 0, scratch->bytes());
  }
  p.algorithms.prefer(tuned(key, p.algorithms.left().size(), [&](size_t i) {
    return multiply(p, trial, p.algorithms.left()[i]) == CUBLAS_STATUS_SUCCESS;
  }));
}

Plan make_plan(const Gemm& g) {
  Plan p = describe(g);
  p.algorithms = find_algorithms(p, g);
  if (tuning()) tune(p, g);
  return p;
}

Plan& plan_of(const Gemm& g) {
  static auto* plans = new std::map<Key, Plan>;
  const Key key = key_of(g);
  const auto at = plans->find(key);
  return at != plans->end() ? at->second : plans->emplace(key, make_plan(g)).first->second;
}

}  // namespace

bool gemm(const Gemm& g) {
  Plan& p = plan_of(g);
  cublasStatus_t status = CUBLAS_STATUS_NOT_SUPPORTED;  // of a product without any algorithm
  const auto run = [&] {
    if (g.epilogue != Epilogue::none && p.fused) point_epilogue(p, g);
    const bool proven = p.algorithms.proven();
    return p.algorithms.run([&](const Algorithm& algorithm) {
      status = multiply(p, g, algorithm);
      if (status == CUBLAS_STATUS_SUCCESS) return true;
      // A kernel that cannot be launched is refused as well, as long as none ever was.
      const bool not_launched = status == CUBLAS_STATUS_EXECUTION_FAILED || status == CUBLAS_STATUS_INTERNAL_ERROR;
      if (proven || !(refused(status) || not_launched)) check_lt(status, "cublasLtMatmul");
      return false;
    });
  };
  if (run()) return p.fused;
  if (g.epilogue != Epilogue::none && p.fused) {
    Gemm bare = g;
    bare.epilogue = Epilogue::none;
    release(p);
    p = make_plan(bare);
    p.fused = false;
    if (run()) return false;
  }
  fail(ErrorCode::runtime, "[cublasLt] no algorithm takes a product of ", g.m, " x ", g.k, " x ", g.n,
       " (the last answer was status ", int(status), ")");
}
void set_tf32(bool on) { tf32_on = on; }
bool tf32() { return tf32_on; }

}  // namespace kg::cuda
