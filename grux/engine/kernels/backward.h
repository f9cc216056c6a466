// The steps of a chunk of time backwards, of some rows of the batch.

#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "forward.h"
#include "lanes.h"
#include "parts.h"
#include "problem.h"
#include "product.h"

constexpr int MOST_DELTAS = 4;
constexpr int NARROW = W / 2;  // an input narrower than that would leave most of a vector empty

struct BackwardArrays {
  const float *first[2], *y, *kept, *d_y;
  float *d_x, *d_carry[2];   // d_carry [B, stride], the cotangents of the carries where the backward pass stands
  float* deltas;             // [B, steps of a chunk, stride_of_deltas]
  const float *w_ih, *w_hh;  // packed transposes, but for few()
  const int* before;         // [B, T]: the step whose carry a step found, -1 for the first; null without a mask

  int found(const Problem& s, int b, int n) const {
    return before ? before[s.row(b, s.time(n))] : n > 0 ? s.time(n - 1) : -1;
  }
  const float* past(const Problem& s, int b, int n) const {
    const int t = found(s, b, n);
    return t < 0 ? first[0] + size_t(b) * s.H : y + s.row(b, t) * s.H;
  }
  template <class Cell>
  const float* past_second(const Problem& s, int b, int n) const {
    const int t = found(s, b, n);
    if (t < 0) return first[1] + size_t(b) * s.H;
    return kept + Kept<Cell>::at(s, t, b) + Kept<Cell>::SECOND * Kept<Cell>::line(s);
  }
};

static inline std::vector<int> steps_before(const Problem& s) {
  std::vector<int> before(size_t(s.B) * s.T);
  for (int b = 0; b < s.B; ++b)
    for (int n = 0, last = -1; n < s.T; ++n) {
      const int t = s.time(n);
      before[s.row(b, t)] = last;
      if (!s.held(b, t)) last = t;
    }
  return before;
}

// Numbers from the deltas of one step to the next; not a power of two, so that rows do not compete for cache lines.
template <class Cell>
static inline size_t stride_of_deltas(const Problem& s) {
  return size_t(Cell::DELTAS) * s.wide() + LINE;
}

// What step n does to the cotangent of the carry, but for the product; deltas [DELTAS, wide].
template <class Cell>
static inline void backward_elementwise(const Problem& s, const BackwardArrays& a, float* deltas, int n, int b) {
  constexpr int K = Cell::CARRIES;
  const int t = s.time(n), wide = s.wide();
  if (s.held(b, t)) {
    std::memset(deltas, 0, sizeof(float) * Cell::DELTAS * wide);
    return;
  }
  const float *past = a.past(s, b, n), *past_second = nullptr, *kept = nullptr;
  const int line = Kept<Cell>::line(s);
  if constexpr (Kept<Cell>::COUNT > 0) kept = a.kept + Kept<Cell>::at(s, t, b);
  if constexpr (K == 2) past_second = a.template past_second<Cell>(s, b, n);
  const size_t row = s.row(b, t) * s.H;
  for (int block = 0; block < wide / W; block += 2)
    with_constant<2>(std::min(2, wide / W - block), [&](auto lanes) {
      constexpr int Q = lanes();
      Lanes<Q> saved[MOST_SAVED], before[2], after[2], d[2], delta[MOST_DELTAS];
      for (int q = 0; q < Q; ++q) {
        const int j = (block + q) * W, left = s.H - j;
        for (int i = 0; i < Cell::SAVED; ++i) saved[i].at[q] = load(kept + i * line + j);
        for (int k = 0; k < K; ++k) d[k].at[q] = load(a.d_carry[k] + size_t(b) * s.stride() + j);
        d[0].at[q] += load_some(a.d_y + row + j, left);
        before[0].at[q] = load_some(past + j, left);
        after[0].at[q] = load_some(a.y + row + j, left);
        if constexpr (K == 2) {
          before[1].at[q] = load_some(past_second + j, left);
          after[1].at[q] = load(kept + Kept<Cell>::SECOND * line + j);
        }
      }
      Cell::back(saved, before, after, d, delta);
      for (int q = 0; q < Q; ++q) {
        const int j = (block + q) * W;
        for (int i = 0; i < Cell::DELTAS; ++i) store(deltas + size_t(i) * wide + j, delta[i].at[q]);
        for (int k = 0; k < K; ++k) store(a.d_carry[k] + size_t(b) * s.stride() + j, d[k].at[q]);
      }
    });
}

// to[rows, columns] = (add ? to : 0) + left[rows, depth] @ (a packed transpose); the rows of `to` have room for whole
// vectors.
static inline void through_gates(
    const float* left, size_t left_stride, const float* packed, int depth, int rows, float* to, size_t to_stride,
    int columns, bool add) {
  constexpr int BLOCKS = blocks_of(1), ROWS = rows_of(1, BLOCKS);
  const int tiles = (rows + ROWS - 1) / ROWS, blocks = padded(columns) / W;
  for (int block = 0; block < blocks; block += BLOCKS)
    for (int tile = 0; tile < tiles; ++tile) {
      const int row = part(rows, tile, tiles), many = part(rows, tile + 1, tiles) - row;
      with_constant<BLOCKS>(std::min(BLOCKS, blocks - block), [&](auto width) {
        with_constant<ROWS>(many, [&](auto height) {
          constexpr int R = height(), N = width();
          float* out = to + row * to_stride + block * W;
          vec sums[R][N];
          for (int r = 0; r < R; ++r)
            for (int n = 0; n < N; ++n) sums[r][n] = add ? load(out + r * to_stride + n * W) : zero();
          multiply<R, N>(sums, left + row * left_stride, left_stride, 1, packed + size_t(block) * depth * W, depth);
          for (int r = 0; r < R; ++r)
            for (int n = 0; n < N; ++n) store(out + r * to_stride + n * W, sums[r][n]);
        });
      });
    }
}

// Weights as they came, [GATES, columns, H], or padded: those of the deltas from gate `first` on, around.
struct Unpacked {
  const float* at;
  size_t gate_stride, column_stride;
  int first;
};

// The same by sums along the depth, for few columns or rows: nothing needs to be packed.
template <class Cell>
static inline void through_gates_narrow(
    const float* left, size_t left_stride, const Unpacked& weights, int wide, int rows, float* to, size_t to_stride,
    int columns, bool add) {
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < columns; ++i) {
      vec sums[4] = {};
      for (int g = 0; g < Cell::GATES; ++g) {
        const float* x = left + r * left_stride + size_t(g) * wide;
        const int gate = (g + weights.first) % Cell::GATES;
        const float* w = weights.at + gate * weights.gate_stride + i * weights.column_stride;
        for (int k = 0, n = 0; k < wide; k += W, n = (n + 1) % 4) sums[n] = fma_of(load(x + k), load(w + k), sums[n]);
      }
      const vec sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      float total = add ? to[r * to_stride + i] : 0.0f;
      for (int n = 0; n < W; ++n) total += sum[n];
      to[r * to_stride + i] = total;
    }
}

// Steps last, last - 1 ... first of rows begin ... end; leaves their deltas and dx, and d_carry at step `first`.
template <class Cell>
static void backward_rows(const Problem& s, const BackwardArrays& a, int first, int last, int begin, int end) {
  constexpr int G = Cell::GATES;
  const int rows = end - begin, wide = s.wide(), depth = G * wide, x_stride = padded(s.D) + LINE;
  const size_t step = stride_of_deltas<Cell>(s), stride = step * (last - first + 1);
  std::vector<float> d_x(size_t(rows) * x_stride);
  for (int n = last; n >= first; --n) {
    const int t = s.time(n);
    float* deltas = a.deltas + begin * stride + (n - first) * step;
    for (int r = 0; r < rows; ++r) backward_elementwise<Cell>(s, a, deltas + r * stride, n, begin + r);
    if (s.all_held(begin, rows, t)) {
      std::fill(d_x.begin(), d_x.end(), 0.0f);
    } else {
      const float* recurrent = deltas + (Cell::DELTAS - G) * wide;
      float* d_carry = a.d_carry[0] + size_t(begin) * s.stride();
      const size_t H = s.H, D = s.D;
      if (s.few()) {
        const Unpacked w_hh{a.w_hh, H * H, H, 0}, w_ih{a.w_ih, D * H, H, Cell::FIRST};
        through_gates_narrow<Cell>(recurrent, stride, w_hh, wide, rows, d_carry, s.stride(), s.H, true);
        through_gates_narrow<Cell>(deltas, stride, w_ih, wide, rows, d_x.data(), x_stride, s.D, false);
      } else {
        through_gates(recurrent, stride, a.w_hh, depth, rows, d_carry, s.stride(), wide, true);
        const Unpacked w_ih{a.w_ih, size_t(wide), size_t(depth), 0};
        if (s.D < NARROW)
          through_gates_narrow<Cell>(deltas, stride, w_ih, wide, rows, d_x.data(), x_stride, s.D, false);
        else
          through_gates(deltas, stride, a.w_ih, depth, rows, d_x.data(), x_stride, s.D, false);
      }
    }
    for (int r = 0; r < rows; ++r) std::copy_n(&d_x[size_t(r) * x_stride], s.D, a.d_x + s.row(begin + r, t) * s.D);
  }
}
