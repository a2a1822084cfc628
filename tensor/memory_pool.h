// Memory of several captured graphs that take turns: what one has written is read before another one runs. Such a pool
// is used by a MemoryPoolScope (tensor/storage.h) around the work that is captured.
#pragma once

#include "tensor/storage.h"

namespace kg {

// Blocks stay until the pool goes. With `coarse` sizes, for graphs of steps that differ in size large ones are powers of
// two, so that most blocks of one step fit the others: a pool holds up to about twice what the largest step needs,
// however many graphs there are.
std::shared_ptr<MemoryPool> make_graph_pool(Device device, bool coarse);
AllocatorStats allocator_stats(MemoryPool& pool);

}  // namespace kg
