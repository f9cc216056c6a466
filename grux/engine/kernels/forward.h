// All steps forward, of some rows of the batch.

#pragma once
#include <algorithm>
#include <vector>

#include "lanes.h"
#include "parts.h"
#include "problem.h"
#include "product.h"

constexpr int MOST_SAVED = 4;

struct ForwardArrays {
  const float *x, *first[2];
  float *y, *kept, *last[2];                // kept is null where it is not wanted
  const float *w_ih, *w_hh, *bias, *apart;  // packed, the weights but for few(); apart: the recurrent bias of APART
};

// The rows of one thread: x and the carries of the step, side by side.
struct Here {
  float *x, *past, *next, *second;
};

// f(first, many) over 0 ... R in groups of at most MOST, both known to the compiler.
template <int R, int MOST, int FIRST = 0, class F>
static inline void in_groups(F&& f) {
  if constexpr (FIRST < R) {
    constexpr int GROUPS = (R + MOST - 1) / MOST, SIZE = std::min((R + GROUPS - 1) / GROUPS, R - FIRST);
    f(std::integral_constant<int, FIRST>(), std::integral_constant<int, SIZE>());
    in_groups<R, MOST, FIRST + SIZE>(f);
  }
}

template <class Cell, bool PACKED, int R, int N>
INLINED static void forward_tile(
    const Problem& s, const ForwardArrays& a, const Here& here, int t, int b, int block) {
  constexpr int G = Cell::GATES;
  const int stride = s.stride();
  const size_t group = size_t(block) * G * W;
  vec sums[R][N * G], apart[R][N];
  for (int i = 0; i < N * G; ++i)
    for (int r = 0; r < R; ++r) sums[r][i] = load(a.bias + group + i * W);
  const auto product = [&](const float* left, int left_stride, const float* weights, int depth) ALWAYS_INLINE {
    if constexpr (PACKED) {
      multiply<R, N * G>(sums, left, left_stride, 1, weights + group * depth, depth);
    } else {
      static_assert(N == 1 || G == 1);
      const size_t next = G == 1 ? W : size_t(depth) * s.H;
      multiply<R, N * G>(sums, left, left_stride, 1, weights + block * W, depth, s.H, next);
    }
  };
  product(here.x, s.x_stride(), a.w_ih, s.D);
  if constexpr (Cell::APART >= 0)
    for (int r = 0; r < R; ++r)
      for (int n = 0; n < N; ++n) {
        apart[r][n] = sums[r][n * G + Cell::APART];
        sums[r][n * G + Cell::APART] = load(a.apart + (block + n) * W);
      }
  product(here.past, stride, a.w_hh, s.H);
  in_groups<R, 4>([&](auto first, auto many) {
    constexpr int Q = many();
    for (int n = 0; n < N; ++n) {
      const int j = (block + n) * W;
      Lanes<Q> sum[G], input_side, carry[2], saved[MOST_SAVED], old[2];
      for (int q = 0; q < Q; ++q) {
        const int r = first() + q;
        for (int g = 0; g < G; ++g) sum[g].at[q] = sums[r][n * G + g];
        if constexpr (Cell::APART >= 0) input_side.at[q] = apart[r][n];
        carry[0].at[q] = load(here.past + r * stride + j);
        if constexpr (Cell::CARRIES == 2) carry[1].at[q] = load(here.second + r * stride + j);
      }
      old[0] = carry[0], old[1] = carry[1];
      Cell::step(sum, input_side, carry, saved);
      for (int q = 0; q < Q; ++q) {
        const int r = first() + q;
        const bool held = s.held(b + r, t);
        store(here.next + r * stride + j, held ? old[0].at[q] : carry[0].at[q]);
        if (held) continue;
        if constexpr (Cell::CARRIES == 2) store(here.second + r * stride + j, carry[1].at[q]);
        if (Kept<Cell>::COUNT == 0 || !a.kept) continue;
        float* kept = a.kept + Kept<Cell>::at(s, t, b + r) + j;
        const int line = Kept<Cell>::line(s);
        for (int i = 0; i < Cell::SAVED; ++i) store(kept + i * line, saved[i].at[q]);
        if constexpr (Cell::CARRIES == 2) store(kept + Kept<Cell>::SECOND * line, carry[1].at[q]);
      }
    }
  });
}

struct Biases {
  std::vector<float> bias, apart;
};

// Both biases of each gate summed, in the order of the packed weights; that of the recurrent side of APART by itself.
template <class Cell>
static Biases pack_biases(const float* b_ih, const float* b_hh, int H) {
  constexpr int G = Cell::GATES;
  Biases out{std::vector<float>(G * padded(H), 0.0f), std::vector<float>(padded(H), 0.0f)};
  for (int j = 0; j < H; ++j)
    for (int g = 0; g < G; ++g) {
      out.bias[((j / W) * G + g) * W + j % W] = b_ih[g * H + j] + (g == Cell::APART ? 0.0f : b_hh[g * H + j]);
      if (g == Cell::APART) out.apart[j] = b_hh[g * H + j];
    }
  return out;
}

template <class Cell, bool PACKED>
static void forward_rows(const Problem& s, const ForwardArrays& a, int begin, int end) {
  constexpr int BLOCKS = blocks_of(Cell::GATES), ROWS = std::min(rows_of(Cell::GATES, BLOCKS), PACKED ? SUMS : 4);
  const int rows = end - begin, wide = s.wide(), blocks = wide / W;
  const size_t stride = s.stride();
  std::vector<float> scratch(size_t(rows) * (3 * stride + s.x_stride()), 0.0f);
  Here all{scratch.data(), scratch.data() + size_t(rows) * s.x_stride()};
  all.next = all.past + rows * stride, all.second = all.next + rows * stride;
  for (int r = 0; r < rows; ++r) {
    std::copy_n(a.first[0] + size_t(begin + r) * s.H, s.H, all.past + r * stride);
    if (Cell::CARRIES == 2) std::copy_n(a.first[1] + size_t(begin + r) * s.H, s.H, all.second + r * stride);
  }
  const int tiles = (rows + ROWS - 1) / ROWS;
  for (int n = 0; n < s.T; ++n) {
    const int t = s.time(n);
    for (int r = 0; r < rows; ++r) std::copy_n(a.x + s.row(begin + r, t) * s.D, s.D, all.x + size_t(r) * s.x_stride());
    for (int block = 0; block < blocks; block += BLOCKS)
      for (int tile = 0; tile < tiles; ++tile) {
        const int row = part(rows, tile, tiles), many = part(rows, tile + 1, tiles) - row;
        const size_t offset = row * stride;
        if (s.all_held(begin + row, many, t)) {  // the padded end of a batch of sentences costs nothing
          if (block == 0) std::copy_n(all.past + offset, many * stride, all.next + offset);
          continue;
        }
        const Here here{all.x + size_t(row) * s.x_stride(), all.past + offset, all.next + offset, all.second + offset};
        with_constant<BLOCKS>(std::min(BLOCKS, blocks - block), [&](auto width) {
          with_constant<ROWS>(many, [&](auto height) {
            forward_tile<Cell, PACKED, height(), width()>(s, a, here, t, begin + row, block);
          });
        });
      }
    for (int r = 0; r < rows; ++r) {
      float* y = a.y + s.row(begin + r, t) * s.H;
      if (s.held(begin + r, t))
        std::fill_n(y, s.H, 0.0f);
      else
        std::copy_n(all.next + r * stride, s.H, y);
    }
    std::swap(all.past, all.next);
  }
  for (int r = 0; r < rows; ++r) {
    std::copy_n(all.past + r * stride, s.H, a.last[0] + size_t(begin + r) * s.H);
    if (Cell::CARRIES == 2) std::copy_n(all.second + r * stride, s.H, a.last[1] + size_t(begin + r) * s.H);
  }
}
