// Embedding, index select, gather, and their transposes, which add in the order of the indices: no atomics.
#pragma once

#include "tensor/ops.h"

namespace kg::cpu {

// x (outer, n, inner), ids (m) -> (outer, m, inner), and values (outer, m, inner) added into out (outer, n, inner)
void index_select_forward(const Tensor& y, const Tensor& x, const Tensor& ids);
void index_add_inplace(const Tensor& out, const Tensor& ids, const Tensor& values);
// Of a decoding step, as in tensor/ops.h.
void embedding_rows_forward(const Tensor& y, const Tensor& first, const Tensor& table, const Tensor& ids,
                            const Tensor& places, const Tensor& position);
// index (outer, m, inner)
void gather_forward(const Tensor& y, const Tensor& x, const Tensor& index);
void scatter_add_inplace(const Tensor& out, const Tensor& index, const Tensor& values);

}  // namespace kg::cpu
