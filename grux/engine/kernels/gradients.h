// Weight gradients: left^T @ delta over the rows and steps of a chunk, added to what is there.

#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "backward.h"
#include "parts.h"
#include "problem.h"
#include "product.h"

struct GradientArrays {
  const float* x;
  float *d_w_ih, *d_w_hh;  // [GATES, D, H], [GATES, H, H]
  float* sums;             // [DELTAS, H]: of the deltas, which are the gradients of the biases
};

// A task has some rows of the gradients (tiles of inputs, then tiles of the carry) and some blocks of their columns, so
// that no two tasks share a number. Both sides of its products are packed, so that they stay in the nearest cache.
template <class Cell>
class Gradients {
 public:
  // Tasks for so many cores: the grid whose largest task is smallest.
  Gradients(const Problem& s, const BackwardArrays& a, const GradientArrays& g, int cores) : s_(s), a_(a), g_(g) {
    std::fill_n(g.d_w_ih, size_t(G) * s.D * s.H, 0.0f);
    std::fill_n(g.d_w_hh, size_t(G) * s.H * s.H, 0.0f);
    std::fill_n(g.sums, size_t(Cell::DELTAS) * s.H, 0.0f);
    int least = -1;
    for (int down = 1; down <= std::min(cores, tiles()); ++down) {
      const int across = std::min(cores / down, blocks());
      const int most = ((tiles() + down - 1) / down) * ((blocks() + across - 1) / across);
      if (least < 0 || most <= least) least = most, down_ = down, across_ = across;
    }
  }
  int tasks() const { return down_ * across_; }

  // The steps first ... last, whose deltas lie in the chunk.
  void run(int task, int first, int last) const {
    const int row = task / across_, column = task % across_;
    const int top = part(tiles(), row, down_), bottom = part(tiles(), row + 1, down_);
    const int begin = part(blocks(), column, across_), end = part(blocks(), column + 1, across_);
    std::vector<float> packed(size_t(bottom - top) * DEPTH * R);
    Row rows[DEPTH];
    int many = 0;
    for (int b = 0; b < s_.B; ++b)
      for (int n = first; n <= last; ++n) {
        if (s_.held(b, s_.time(n))) continue;  // its deltas are zero
        const size_t chunk = size_t(b) * (last - first + 1) + (n - first);
        rows[many++] = {g_.x + s_.row(b, s_.time(n)) * s_.D, a_.past(s_, b, n),
                        a_.deltas + chunk * stride_of_deltas<Cell>(s_)};
        if (many < DEPTH) continue;
        add(rows, many, packed.data(), top, bottom, begin, end);
        many = 0;
      }
    if (many) add(rows, many, packed.data(), top, bottom, begin, end);
  }

 private:
  static constexpr int G = Cell::GATES, N = blocks_of(1), R = rows_of(1, N);
  static constexpr int DEPTH = 2048 / W;  // rows of a panel [DEPTH, N, W], which is 24 KB and stays in the nearest cache

  struct Row {
    const float *x, *past, *deltas;
  };

  int blocks() const { return s_.wide() / W; }
  int tiles_of_x() const { return (s_.D + R - 1) / R; }
  int tiles() const { return tiles_of_x() + (s_.H + R - 1) / R; }

  void add(const Row* rows, int depth, float* packed, int top, int bottom, int begin, int end) const {
    for (int k = 0; k < depth; ++k)
      for (int tile = top; tile < bottom; ++tile) {
        const bool of_x = tile < tiles_of_x();
        const int i = (of_x ? tile : tile - tiles_of_x()) * R, many = std::min(R, (of_x ? s_.D : s_.H) - i);
        const float* from = (of_x ? rows[k].x : rows[k].past) + i;
        float* to = packed + (size_t(tile - top) * DEPTH + k) * R;
        if (many == R)
          std::memcpy(to, from, sizeof(float) * R);
        else
          for (int r = 0; r < R; ++r) to[r] = r < many ? from[r] : 0.0f;
      }
    for (int delta = 0; delta < Cell::DELTAS; ++delta)
      for (int block = begin; block < end; block += N)
        with_constant<N>(std::min(N, end - block), [&](auto width) {
          panel<width()>(rows, depth, packed, top, bottom, delta, block);
        });
  }

  template <int WIDTH>
  void panel(const Row* rows, int depth, const float* packed, int top, int bottom, int delta, int block) const {
    alignas(64) float right[DEPTH * WIDTH * W];
    vec sums[WIDTH] = {};
    for (int k = 0; k < depth; ++k)
      for (int n = 0; n < WIDTH; ++n) {
        const vec x = load(rows[k].deltas + size_t(delta) * s_.wide() + (block + n) * W);
        store(right + (k * WIDTH + n) * W, x);
        sums[n] += x;
      }
    if (top == 0) add_to<WIDTH>(g_.sums + size_t(delta) * s_.H, sums, block);
    for (int tile = top; tile < bottom; ++tile) {
      const bool of_x = tile < tiles_of_x();
      if (of_x ? delta >= G : delta < Cell::DELTAS - G) continue;
      const int gate = of_x ? (delta + Cell::FIRST) % G : delta - (Cell::DELTAS - G);
      const int size = of_x ? s_.D : s_.H, i = (of_x ? tile : tile - tiles_of_x()) * R;
      float* to = (of_x ? g_.d_w_ih : g_.d_w_hh) + (size_t(gate) * size + i) * s_.H;
      for (int r = 0; r < std::min(R, size - i); ++r) __builtin_prefetch(to + size_t(r) * s_.H + block * W, 1);
      vec out[R][WIDTH] = {};
      multiply<R, WIDTH>(out, packed + size_t(tile - top) * DEPTH * R, 1, R, right, depth);
      for (int r = 0; r < std::min(R, size - i); ++r) add_to<WIDTH>(to + size_t(r) * s_.H, out[r], block);
    }
  }

  template <int WIDTH>
  void add_to(float* to, const vec* what, int block) const {
    for (int n = 0; n < WIDTH; ++n) {
      const int j = (block + n) * W, left = s_.H - j;
      store_some(to + j, load_some(to + j, left) + what[n], left);
    }
  }

  const Problem& s_;
  const BackwardArrays& a_;
  const GradientArrays& g_;
  int down_ = 1, across_ = 1;
};
