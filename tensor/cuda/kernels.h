// The functions of the CUDA backend: those of the CPU's families under the same names with the same parameters, so that
// DISPATCH can choose. Each stands in the .cu file of its family.
#pragma once

#include "tensor/cpu/attention.h"
#include "tensor/cpu/conv.h"
#include "tensor/cpu/copy.h"
#include "tensor/cpu/dropout.h"
#include "tensor/cpu/gru.h"
#include "tensor/cpu/index.h"
#include "tensor/cpu/matmul.h"
#include "tensor/cpu/norm.h"
#include "tensor/cpu/optim.h"
#include "tensor/cpu/pointwise.h"
#include "tensor/cpu/quantize.h"
#include "tensor/cpu/reduce.h"
#include "tensor/cpu/softmax.h"

namespace kg::cuda {

// pointwise.cu
#define KG_DECLARE(Op, name)                    \
  decltype(cpu::name##_forward) name##_forward; \
  decltype(cpu::name##_backward) name##_backward;
KG_UNARY_OPS(KG_DECLARE)
KG_UNARY_CONST_OPS(KG_DECLARE)
#undef KG_DECLARE
#define KG_DECLARE(Op, name)                          \
  decltype(cpu::name##_forward) name##_forward;       \
  decltype(cpu::name##_backward_a) name##_backward_a; \
  decltype(cpu::name##_backward_b) name##_backward_b;
KG_BINARY_OPS(KG_DECLARE)
#undef KG_DECLARE
decltype(cpu::where_forward) where_forward;
decltype(cpu::equal_forward) equal_forward;
decltype(cpu::add_inplace) add_inplace;
decltype(cpu::scale_inplace) scale_inplace;
decltype(cpu::lerp_inplace) lerp_inplace;

// copy.cu
decltype(cpu::fill) fill;
decltype(cpu::copy) copy;

// reduce.cu
decltype(cpu::sum_rows) sum_rows;
decltype(cpu::sum_columns) sum_columns;
decltype(cpu::squared_norm) squared_norm;
decltype(cpu::squared_norm_on_device) squared_norm_on_device;
decltype(cpu::clip_scale) clip_scale;
decltype(cpu::all_finite) all_finite;
decltype(cpu::arg_extremum) arg_extremum;
decltype(cpu::topk_rows) topk_rows;
decltype(cpu::cumsum_forward) cumsum_forward;

// softmax.cu
decltype(cpu::softmax_forward) softmax_forward;
decltype(cpu::softmax_backward) softmax_backward;
decltype(cpu::log_softmax_forward) log_softmax_forward;
decltype(cpu::log_softmax_backward) log_softmax_backward;
decltype(cpu::cross_entropy_forward) cross_entropy_forward;
decltype(cpu::cross_entropy_backward) cross_entropy_backward;

// norm.cu
decltype(cpu::norm_forward) norm_forward;
decltype(cpu::norm_backward) norm_backward;
decltype(cpu::add_dropout_norm_forward) add_dropout_norm_forward;
decltype(cpu::add_dropout_norm_backward) add_dropout_norm_backward;

// index.cu
decltype(cpu::index_select_forward) index_select_forward;
decltype(cpu::embedding_rows_forward) embedding_rows_forward;
decltype(cpu::index_add_inplace) index_add_inplace;
decltype(cpu::gather_forward) gather_forward;
decltype(cpu::scatter_add_inplace) scatter_add_inplace;

// dropout.cu
decltype(cpu::dropout_forward) dropout_forward;

// gru.cu
decltype(cpu::gru_step_forward) gru_step_forward;
decltype(cpu::gru_step_backward) gru_step_backward;

// attention.cu
decltype(cpu::attention_forward) attention_forward;
decltype(cpu::attention_backward) attention_backward;

// attention_decode.cu
decltype(cpu::attention_rows_forward) attention_rows_forward;

// quantize.cu
decltype(cpu::nearest_code_forward) nearest_code_forward;
decltype(cpu::code_use_forward) code_use_forward;
decltype(cpu::update_codebook) update_codebook;

// optim.cu
decltype(cpu::adam_step) adam_step;

// matmul.cu, over cuBLASLt
decltype(cpu::matmul_forward) matmul_forward;
decltype(cpu::matmul_into_forward) matmul_into_forward;
decltype(cpu::linear_forward) linear_forward;
decltype(cpu::linear_backward_weight) linear_backward_weight;

// linear_rows.cu
decltype(cpu::linear_rows_forward) linear_rows_forward;
decltype(cpu::project_rows_forward) project_rows_forward;

// conv.cu, over cuDNN
decltype(cpu::conv1d_forward) conv1d_forward;
decltype(cpu::conv1d_backward_input) conv1d_backward_input;
decltype(cpu::conv1d_backward_weight) conv1d_backward_weight;
decltype(cpu::upsample_nearest_forward) upsample_nearest_forward;
decltype(cpu::upsample_nearest_backward) upsample_nearest_backward;

}  // namespace kg::cuda
