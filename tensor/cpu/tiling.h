// How a matrix product C (m, n) = A (m, k) B (k, n), or a batch of them, is cut into tiles for the threads. The tiles
// depend on the shapes alone, and each is computed by one thread: results are the same for any number of threads.
#pragma once

#include <algorithm>

#include "tensor/parallel.h"

namespace kg::cpu {

inline constexpr int64_t kTileExtent = 512;      // a larger tile packs no better
inline constexpr int64_t kTileWork = 1 << 22;    // multiply-adds below which a tile is not halved (some 40 us)
inline constexpr int64_t kInlineWork = 1 << 18;  // multiply-adds below which threads are not woken
inline constexpr int64_t kTiles = 8;             // halve no further: small tiles pack the same data again

struct Tiling {
  int64_t rows, cols, down, across;  // extents of a tile, tiles along m and n
  int64_t count() const { return down * across; }
};

inline Tiling tiling(int64_t batch, int64_t m, int64_t n, int64_t k, int64_t max_rows = kTileExtent) {
  auto parts = [](int64_t extent, int64_t tile) { return (extent + tile - 1) / tile; };
  int64_t rows = std::min(m, max_rows), cols = std::min(n, kTileExtent);
  while (batch * parts(m, rows) * parts(n, cols) < kTiles && rows * cols * k > 2 * kTileWork)
    (rows >= cols ? rows : cols) = (std::max(rows, cols) + 1) / 2;
  // Even parts, in steps of a register block.
  auto even = [&](int64_t extent, int64_t tile) {
    const int64_t part = parts(extent, parts(extent, tile));
    return std::min(extent, (part + 15) / 16 * 16);
  };
  rows = std::min(even(m, rows), max_rows), cols = even(n, cols);
  return {rows, cols, parts(m, rows), parts(n, cols)};
}

// visit(entry, i, j, rows, cols) for every tile of every product of a batch.
template <class Visit>
void for_tiles(int64_t batch, int64_t m, int64_t n, int64_t k, int64_t max_rows, Visit&& visit) {
  if (batch * m * n == 0) return;
  const Tiling t = tiling(batch, m, n, k, max_rows);
  const int64_t grain = std::max<int64_t>(1, kInlineWork / std::max<int64_t>(1, t.rows * t.cols * k));
  parallel_for(batch * t.count(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t tile = task % t.count(), i = tile / t.across * t.rows, j = tile % t.across * t.cols;
      visit(task / t.count(), i, j, std::min(t.rows, m - i), std::min(t.cols, n - j));
    }
  });
}

}  // namespace kg::cpu
