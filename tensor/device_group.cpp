#include "tensor/device_group.h"

#ifdef KG_CUDA
#include "tensor/cuda/collective.h"
#include "tensor/cuda/runtime.h"
#endif

namespace kg {

#ifdef KG_CUDA

void choose_cuda_device(int number) { cuda::choose_device(number); }
std::string DeviceGroup::problem() { return cuda::collective_problem(); }
DeviceGroup::Id DeviceGroup::make_id() { return cuda::collective_id(); }
DeviceGroup::DeviceGroup(const Id& id, int rank, int size) : group_(cuda::collective_join(id, rank, size)) {}
DeviceGroup::~DeviceGroup() { cuda::collective_leave(group_); }
void DeviceGroup::all_reduce_sum(const Tensor& t) const {
  CHECK(t.device() == Device::cuda && t.is_contiguous(), "[all_reduce] needs a contiguous tensor on CUDA, got ",
        t.shape());
  cuda::collective_sum(group_, t.device_data(t.dtype()), t.numel(), t.dtype());
}

#else

void choose_cuda_device(int) {}
std::string DeviceGroup::problem() { return "this build has no CUDA backend"; }
DeviceGroup::Id DeviceGroup::make_id() { fail(ErrorCode::runtime, problem()); }
DeviceGroup::DeviceGroup(const Id&, int, int) : group_(nullptr) { fail(ErrorCode::runtime, problem()); }
DeviceGroup::~DeviceGroup() = default;
void DeviceGroup::all_reduce_sum(const Tensor&) const { CHECK(group_, problem()); }

#endif

}  // namespace kg
