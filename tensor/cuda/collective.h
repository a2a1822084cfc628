// Sums over the GPUs of several processes: tensor/cuda/vendor/collective.cu has them over NCCL, where its header is.
#pragma once

#include <array>
#include <string>

#include "tensor/dtype.h"

namespace kg::cuda {

using CollectiveId = std::array<char, 128>;

std::string collective_problem();  // why there is none; empty when there is one
CollectiveId collective_id();      // of a group that is to be: made by one process, handed to all
void* collective_join(const CollectiveId& id, int rank, int size);  // waits for all; an Error for two ranks on one GPU
void collective_sum(void* group, void* data, int64_t count, Dtype dtype);  // in place, on the stream
void collective_leave(void* group);

}  // namespace kg::cuda
