// All-reduce over NCCL, which is opened when it is needed. It sums in an order of its own, the same in each run of one
// machine, and waits for nothing on the host.
#include "tensor/cuda/collective.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/vendor/library.h"

#if __has_include(<nccl.h>)
#include <nccl.h>

#include <cstring>

namespace kg::cuda {
namespace {

const Library& nccl() {
  static const Library library("libnccl.so.2");
  return library;
}
void check_nccl(ncclResult_t result, const char* what) {
  if (result != ncclSuccess)
    fail(ErrorCode::runtime, "[nccl] ", what, ": ", KG_CALL(nccl(), ncclGetErrorString)(result));
}
#define KG_NCCL(name, ...) check_nccl(KG_CALL(nccl(), name)(__VA_ARGS__), #name)

ncclDataType_t type_of(Dtype dtype) {
  CHECK(dtype == Dtype::f32 || dtype == Dtype::bf16, "[nccl] sums f32 and bf16, not ", name_of(dtype));
  return dtype == Dtype::f32 ? ncclFloat32 : ncclBfloat16;
}

}  // namespace

std::string collective_problem() { return nccl().found() ? "" : "NCCL is not here: " + nccl().why(); }

CollectiveId collective_id() {
  ncclUniqueId made;
  KG_NCCL(ncclGetUniqueId, &made);
  CollectiveId id;
  static_assert(sizeof(id) == sizeof(made));
  std::memcpy(id.data(), &made, sizeof(made));
  return id;
}
void* collective_join(const CollectiveId& id, int rank, int size) {
  ncclUniqueId given;
  std::memcpy(&given, id.data(), sizeof(given));
  stream();  // which makes the device of this process the current one
  ncclComm_t group = nullptr;
  KG_NCCL(ncclCommInitRank, &group, size, given, rank);
  return group;
}
void collective_sum(void* group, void* data, int64_t count, Dtype dtype) {
  KG_NCCL(ncclAllReduce, data, data, size_t(count), type_of(dtype), ncclSum, static_cast<ncclComm_t>(group), stream());
}
void collective_leave(void* group) { KG_CALL(nccl(), ncclCommDestroy)(static_cast<ncclComm_t>(group)); }

}  // namespace kg::cuda

#else

namespace kg::cuda {

std::string collective_problem() { return "this build found no nccl.h"; }
CollectiveId collective_id() { fail(ErrorCode::runtime, collective_problem()); }
void* collective_join(const CollectiveId&, int, int) { fail(ErrorCode::runtime, collective_problem()); }
void collective_sum(void*, void*, int64_t, Dtype) { fail(ErrorCode::runtime, collective_problem()); }
void collective_leave(void*) {}

}  // namespace kg::cuda

#endif
