// Weight gradients: left^T @ delta over all rows of the batch and all steps.

#pragma once
#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "product.h"
#include "vector.h"

// The columns begin*W ... end*W of the gradients that one delta [rows, H] gives with several left sides, in one pass
// over that delta. Blocks of rows are packed on both sides so that they stay in the nearest cache while they are used.
class GradientOf {
 public:
  GradientOf(const float* delta, size_t rows, int H, int begin, int end, float* sums)
      : delta_(delta), rows_(rows), H_(H), begin_(begin), end_(end), sums_(sums) {}

  // `row_of(row)` points to the left side's row, of D numbers; out [D, H].
  void add(std::function<const float*(size_t)> row_of, int D, float* out) {
    lefts_.push_back({std::move(row_of), D, out, (D + R - 1) / R, {}});
    lefts_.back().packed.resize(size_t(lefts_.back().tiles) * DEPTH * R);
  }

  void run() {
    const int first = begin_ * W, columns = std::min(end_ * W, H_) - first;
    for (Left& left : lefts_)
      for (int i = 0; i < left.D; ++i) std::memset(left.out + size_t(i) * H_ + first, 0, sizeof(float) * columns);
    std::memset(sums_ + first, 0, sizeof(float) * columns);
    for (size_t row = 0; row < rows_; row += DEPTH) {
      const int depth = int(std::min<size_t>(DEPTH, rows_ - row));
      for (Left& left : lefts_) pack_left(left, row, depth);
      for (int block = begin_; block < end_; block += N)
        with_constant<N>(std::min(N, end_ - block), [&](auto width) { panel<width()>(row, depth, block); });
    }
  }

 private:
  static constexpr int N = blocks_of(1), R = rows_of(1, N), DEPTH = 128;

  struct Left {
    std::function<const float*(size_t)> row_of;
    int D;
    float* out;
    int tiles;
    std::vector<float> packed;  // [tile][depth][R]
  };

  void pack_left(Left& left, size_t row, int depth) {
    for (int k = 0; k < depth; ++k) {
      const float* from = left.row_of(row + k);
      for (int tile = 0; tile < left.tiles; ++tile) {
        float* to = left.packed.data() + (size_t(tile) * DEPTH + k) * R;
        const int many = std::min(R, left.D - tile * R);
        if (many == R)
          std::memcpy(to, from + tile * R, sizeof(float) * R);
        else
          for (int r = 0; r < R; ++r) to[r] = r < many ? from[tile * R + r] : 0.0f;
      }
    }
  }

  template <int WIDTH>
  void panel(size_t row, int depth, int block) {
    alignas(64) float right[DEPTH * WIDTH * W];
    vec sums[WIDTH];
    for (int n = 0; n < WIDTH; ++n) sums[n] = load_some(sums_ + (block + n) * W, H_ - (block + n) * W);
    for (int k = 0; k < depth; ++k)
      for (int n = 0; n < WIDTH; ++n) {
        const vec x = load_some(delta_ + (row + k) * H_ + (block + n) * W, H_ - (block + n) * W);
        store(right + (k * WIDTH + n) * W, x);
        sums[n] += x;
      }
    for (int n = 0; n < WIDTH; ++n) store_some(sums_ + (block + n) * W, sums[n], H_ - (block + n) * W);
    for (Left& left : lefts_)
      for (int tile = 0; tile < left.tiles; ++tile) {
        vec out[R][WIDTH];
        for (int r = 0; r < R; ++r)
          for (int n = 0; n < WIDTH; ++n) out[r][n] = zero();
        const float* from = left.packed.data() + size_t(tile) * DEPTH * R;
        for (int k = 0; k < depth; ++k, from += R) {
          vec column[WIDTH];
#pragma GCC unroll 8
          for (int n = 0; n < WIDTH; ++n) column[n] = load(right + (k * WIDTH + n) * W);
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) {
            const vec x = zero() + from[r];
#pragma GCC unroll 8
            for (int n = 0; n < WIDTH; ++n) out[r][n] = fma_of(x, column[n], out[r][n]);
          }
        }
        for (int r = 0; r < std::min(R, left.D - tile * R); ++r)
          for (int n = 0; n < WIDTH; ++n) {
            float* to = left.out + size_t(tile * R + r) * H_ + (block + n) * W;
            const int some = H_ - (block + n) * W;
            store_some(to, load_some(to, some) + out[r][n], some);
          }
      }
  }

  const float* delta_;
  const size_t rows_;
  const int H_, begin_, end_;
  float* sums_;
  std::vector<Left> lefts_;
};
