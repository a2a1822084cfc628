// Vector quantiser (van den Oord et al. 2017) with the codebook updates of T2M-GPT (Zhang et al. 2023, section 3.1):
// moving averages of the vectors assigned to each code, and reset of codes that are hardly used.
// x (N, d), codebook (K, d).
#pragma once

#include <cmath>
#include <optional>

#include "nn/config.h"
#include "nn/module.h"

namespace kg {

enum class CodebookUpdate {
  ema_reset,  // moving average, dead codes replaced by vectors of the batch
  ema,        // moving average alone
  reset,      // learned by gradient, dead codes replaced
  learned     // by gradient alone: codebook loss + commitment loss
};
template <>
struct Names<CodebookUpdate> {
  static constexpr const char* const of[] = {"ema_reset", "ema", "reset", "learned"};
};

class Quantizer : public Module {
 public:
  Quantizer(int64_t codes, int64_t width, CodebookUpdate update, double decay = 0.99, double reset_below = 1);

  struct Output {
    Var y;       // the codes, with the gradient of x passed straight through
    Var loss;    // commitment loss mean |x - sg(code)|^2 (+ codebook loss mean |sg(x) - code|^2 where learned)
    Tensor ids;  // (N) i32
    Tensor use;  // f64 (2): entropy of all ranks' code use, codes that it uses. Reading them waits for the device.
    double perplexity() const { return std::exp(use.select(0, 0).item()); }
    int64_t used() const { return int64_t(use.select(0, 1).item()); }
  };
  // x (..., d). In training mode the first batch fills the codebook, and each batch then updates it after its use. A
  // batch is that of all ranks of world(), so all hold the same codebook.
  Output operator()(const Var& x);
  Tensor ids(const Tensor& x) const;      // (..., d) -> (...) i32
  Tensor codes(const Tensor& ids) const;  // (...) -> (..., d)

  int64_t size() const { return codebook.size(0); }

  Var codebook;                 // (K, d): a parameter where learned, else a buffer
  Tensor code_sum, code_count;  // moving sums and counts of the assigned vectors
  Tensor initialized;           // u8 (1)

 private:
  void start(const Tensor& x);
  void update(const Tensor& x, const CodeStatistics& batch);
  Tensor tile(const Tensor& x) const;  // the first K rows of all x, repeated with a little noise if there are fewer

  CodebookUpdate update_;
  double decay_, reset_below_;
  std::optional<uint32_t> checked_;  // the version of `initialized` that was seen to be 1, to read it just once
};

}  // namespace kg
