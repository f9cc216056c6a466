// Products of a few rows with packed weights, their sums in registers.

#pragma once
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "vector.h"

// Column blocks of W that one tile covers, so that its sums fill the registers whatever the number of gates.
constexpr int blocks_of(int gates) { return gates >= 3 ? 1 : gates == 2 ? 2 : 3; }
constexpr int rows_of(int gates, int blocks) { return std::max(1, SUMS / (gates * blocks)); }

static inline int padded(int n) { return (n + W - 1) / W * W; }

// to[R][N] += left[R][depth] @ right[depth][N vectors]; the numbers of `left` lie at row * row_stride + k * k_stride,
// the vectors of `right` at k * right_k + n * right_n. The shorter side of the tile stays in registers beside the sums.
template <int R, int N>
INLINED static void multiply(
    vec (&to)[R][N], const float* left, size_t row_stride, size_t k_stride, const float* right, int depth,
    size_t right_k = N * W, size_t right_n = W) {
  vec sums[R][N];  // what a caller indexes by a variable would lie in memory
  std::memcpy(sums, to, sizeof(sums));
  for (int k = 0; k < depth; ++k, left += k_stride, right += right_k) {
    if constexpr (N <= R) {
      vec column[N];
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) column[n] = kept(load(right + n * right_n));
#pragma GCC unroll 24
      for (int r = 0; r < R; ++r) {
        const vec x = kept(spread(left[r * row_stride]));
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) sums[r][n] = fma_of(x, column[n], sums[r][n]);
      }
    } else {
      vec x[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) x[r] = kept(spread(left[r * row_stride]));
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        const vec column = kept(load(right + n * right_n));
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) sums[r][n] = fma_of(x[r], column, sums[r][n]);
      }
    }
  }
  std::memcpy(to, sums, sizeof(sums));
}

// Calls f(integral_constant<int, n>) for a run-time 1 <= n <= MOST.
template <int MOST, class F>
static inline void with_constant(int n, F&& f) {
  if constexpr (MOST > 1) {
    if (n < MOST) return with_constant<MOST - 1>(n, f);
  }
  f(std::integral_constant<int, MOST>());
}

// w [gates, D, H] -> for each group of column blocks: [k < D][block][gate][W], zeros beyond H.
template <int GATES>
static std::vector<float> pack(const float* w, int D, int H) {
  constexpr int MOST = blocks_of(GATES);
  const int blocks = padded(H) / W;
  std::vector<float> out(size_t(blocks) * D * GATES * W, 0.0f);
  float* to = out.data();
  for (int first = 0; first < blocks; first += MOST)
    for (int k = 0; k < D; ++k)
      for (int block = first; block < std::min(first + MOST, blocks); ++block)
        for (int g = 0; g < GATES; ++g, to += W)
          std::copy_n(w + (size_t(g) * D + k) * H + block * W, std::min(W, H - block * W), to);
  return out;
}

// The transposes, for deltas [., GATES * padded H] @ w^T, the deltas from gate `gate` on, around: for each group of
// blocks of D: [delta][k < padded H][block][W].
template <int GATES>
static std::vector<float> pack_transposed(const float* w, int D, int H, int gate) {
  constexpr int MOST = blocks_of(1);
  const int wide = padded(H), blocks = padded(D) / W;
  std::vector<float> out(size_t(blocks) * GATES * wide * W, 0.0f);
  float* to = out.data();
  for (int first = 0; first < blocks; first += MOST) {
    const int count = std::min(MOST, blocks - first);
    for (int g = 0; g < GATES; ++g)
      for (int i = 0; i < std::min(count * W, D - first * W); ++i) {
        const float* from = w + (size_t((g + gate) % GATES) * D + first * W + i) * H;
        float* column = to + size_t(g) * wide * count * W + i;
        for (int k = 0; k < H; ++k) column[size_t(k) * count * W] = from[k];
      }
    to += size_t(GATES) * wide * count * W;
  }
  return out;
}

// The same for few rows D, as they are: [D][delta][padded H].
template <int GATES>
static std::vector<float> pack_narrow(const float* w, int D, int H, int gate) {
  const int wide = padded(H);
  std::vector<float> out(size_t(D) * GATES * wide, 0.0f);
  for (int i = 0; i < D; ++i)
    for (int g = 0; g < GATES; ++g)
      std::memcpy(
          &out[(size_t(i) * GATES + g) * wide], w + (size_t((g + gate) % GATES) * D + i) * H, sizeof(float) * H);
  return out;
}
