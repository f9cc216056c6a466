// All steps of a recurrent cell on CPU in one call, forward and backward, float32, batch-major.
//
// Rows of the batch do not meet inside the recurrence, so each thread takes rows of its own through all of time and
// never waits for another. A step is one product of a tile of rows, [x_t, h], with the weights, whose sums stay in
// registers and go through the gates there: neither the projected input nor any other array of a step passes through
// memory, but for the gates that the backward pass will read. Weights are packed once per call, so that they stream from
// the cache in the order of use. The weight gradients are one product over all rows and steps after the backward loop
// (gradients.h), split over threads by their columns.
//
// A cell is a struct with its numbers of gates and carries, `step` and `back`; derivatives are those of the equations
// at the top of grux/cells/*.py.
//
// Every number comes from the same operations in the same order, whatever tile or thread it falls to: results do not
// depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "gradients.h"
#include "product.h"
#include "threads.h"
#include "vector.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

// ---------------------------------------------------------------------------------------------------------------- cells

// `step` gets the sum of both sides of each gate, but for the gate APART, whose recurrent side is in the sums and whose
// input side comes by itself. `back` turns the cotangent of the carry into that of its elementwise past and into deltas:
// the first GATES of them belong to the input sides; the recurrent side of gate g has delta SIDES[g].

struct Elman {
  static constexpr int GATES = 1, CARRIES = 1, SAVED = 0, DELTAS = 1, APART = -1;
  static constexpr int SIDES[] = {0};

  static inline void step(const vec* sum, vec, vec* carry, vec*) { carry[0] = tanh_of(sum[0]); }

  static inline void back(const vec*, const vec*, const vec* after, vec* d_carry, vec* delta) {
    delta[0] = d_carry[0] * (1.0f - after[0] * after[0]);
    d_carry[0] = zero();
  }
};

struct Gru {  // gates and saved: r, z, n, and the recurrent side of n
  static constexpr int GATES = 3, CARRIES = 1, SAVED = 4, DELTAS = 4, APART = 2;
  static constexpr int SIDES[] = {0, 1, 3};

  static inline void step(const vec* sum, vec input_side, vec* carry, vec* saved) {
    const vec reset = sigmoid_of(sum[0]), update = sigmoid_of(sum[1]);
    const vec fresh = tanh_of(fma_of(reset, sum[2], input_side));
    carry[0] = fma_of(update, carry[0] - fresh, fresh);
    saved[0] = reset, saved[1] = update, saved[2] = fresh, saved[3] = sum[2];
  }

  static inline void back(const vec* saved, const vec* before, const vec*, vec* d_carry, vec* delta) {
    const vec reset = saved[0], update = saved[1], fresh = saved[2], side = saved[3], d = d_carry[0];
    const vec d_fresh = d * (1.0f - update) * (1.0f - fresh * fresh);
    delta[0] = d_fresh * side * reset * (1.0f - reset);
    delta[1] = d * (before[0] - fresh) * update * (1.0f - update);
    delta[2] = d_fresh;
    delta[3] = d_fresh * reset;
    d_carry[0] = d * update;
  }
};

struct Lstm {  // carries h, c; gates and saved: i, f, g, o
  static constexpr int GATES = 4, CARRIES = 2, SAVED = 4, DELTAS = 4, APART = -1;
  static constexpr int SIDES[] = {0, 1, 2, 3};

  static inline void step(const vec* sum, vec, vec* carry, vec* saved) {
    const vec write = sigmoid_of(sum[0]), keep = sigmoid_of(sum[1]);
    const vec fresh = tanh_of(sum[2]), show = sigmoid_of(sum[3]);
    carry[1] = fma_of(keep, carry[1], write * fresh);
    carry[0] = show * tanh_of(carry[1]);
    saved[0] = write, saved[1] = keep, saved[2] = fresh, saved[3] = show;
  }

  static inline void back(const vec* saved, const vec* before, const vec* after, vec* d_carry, vec* delta) {
    const vec write = saved[0], keep = saved[1], fresh = saved[2], show = saved[3], shown = tanh_of(after[1]);
    const vec d_c = d_carry[1] + d_carry[0] * show * (1.0f - shown * shown);
    delta[0] = d_c * fresh * write * (1.0f - write);
    delta[1] = d_c * before[1] * keep * (1.0f - keep);
    delta[2] = d_c * write * (1.0f - fresh * fresh);
    delta[3] = d_carry[0] * shown * show * (1.0f - show);
    d_carry[0] = zero(), d_carry[1] = d_c * keep;
  }
};

// -------------------------------------------------------------------------------------------------------------- forward

constexpr int MOST_ARRAYS = 4;  // gates, saved or deltas of a cell

struct Problem {
  int B, T, D, H;
  bool reverse;
  const bool* mask;  // [B, T] or null

  int wide() const { return padded(H); }
  int time(int n) const { return reverse ? T - 1 - n : n; }
  size_t row(int b, int t) const { return size_t(b) * T + t; }
  bool held(int b, int t) const { return mask && !mask[row(b, t)]; }
  bool all_held(int b, int many, int t) const {
    for (int r = 0; r < many; ++r)
      if (!held(b + r, t)) return false;
    return true;
  }
};

struct ForwardArrays {
  const float *x, *b_ih, *b_hh, *first[2];
  float *y, *second, *last[2], *saved[MOST_ARRAYS];  // second: c of every step; it and saved are null where not wanted
  const float *w_ih, *w_hh;                          // packed
};

template <class Cell, int R, int N>
static inline void forward_tile(
    const Problem& s, const ForwardArrays& a, const float* past, float* next, float* second, int t, int b, int block) {
  constexpr int G = Cell::GATES;
  const int wide = s.wide(), column = block * W;
  vec sums[R][N * G], apart[R][N];
  for (int n = 0; n < N; ++n)
    for (int g = 0; g < G; ++g) {
      const int j = column + n * W;
      vec bias = load_some(a.b_ih + g * s.H + j, s.H - j);
      if (g != Cell::APART) bias += load_some(a.b_hh + g * s.H + j, s.H - j);
      for (int r = 0; r < R; ++r) sums[r][n * G + g] = bias;
    }
  const size_t group = size_t(block) * G * W;
  multiply<R, N * G>(sums, a.x + s.row(b, t) * s.D, size_t(s.T) * s.D, a.w_ih + group * s.D, s.D);
  if constexpr (Cell::APART >= 0)
    for (int n = 0; n < N; ++n) {
      const int j = column + n * W;
      const vec bias = load_some(a.b_hh + Cell::APART * s.H + j, s.H - j);
      for (int r = 0; r < R; ++r) {
        apart[r][n] = sums[r][n * G + Cell::APART];
        sums[r][n * G + Cell::APART] = bias;
      }
    }
  multiply<R, N * G>(sums, past, wide, a.w_hh + group * s.H, s.H);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const bool held = s.held(b + r, t);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      const int j = column + n * W, left = s.H - j;
      const size_t at = s.row(b + r, t) * s.H + j;
      vec carry[2], saved[MOST_ARRAYS];
      carry[0] = load(past + r * wide + j);
      if constexpr (Cell::CARRIES == 2) carry[1] = load(second + r * wide + j);
      if (!held) {
        Cell::step(&sums[r][n * G], apart[r][n], carry, saved);
        for (int i = 0; i < Cell::SAVED; ++i)
          if (a.saved[i]) store_some(a.saved[i] + at, saved[i], left);
        if (Cell::CARRIES == 2 && a.second) store_some(a.second + at, carry[1], left);
      }
      store(next + r * wide + j, carry[0]);
      if constexpr (Cell::CARRIES == 2) store(second + r * wide + j, carry[1]);
      store_some(a.y + at, held ? zero() : carry[0], left);
    }
  }
}

template <class Cell>
static void forward_rows(const Problem& s, const ForwardArrays& a, int begin, int end) {
  constexpr int BLOCKS = blocks_of(Cell::GATES), ROWS = rows_of(Cell::GATES, BLOCKS);
  const int rows = end - begin, wide = s.wide(), blocks = wide / W;
  std::vector<float> scratch(size_t(3) * rows * wide, 0.0f);
  float *past = scratch.data(), *next = past + size_t(rows) * wide, *second = next + size_t(rows) * wide;
  float* carries[] = {past, second};
  for (int k = 0; k < Cell::CARRIES; ++k)
    for (int r = 0; r < rows; ++r)
      std::memcpy(carries[k] + r * wide, a.first[k] + size_t(begin + r) * s.H, sizeof(float) * s.H);
  const int tiles = (rows + ROWS - 1) / ROWS;
  for (int n = 0; n < s.T; ++n) {
    const int t = s.time(n);
    for (int block = 0; block < blocks; block += BLOCKS)
      for (int tile = 0; tile < tiles; ++tile) {
        const int row = rows * tile / tiles, many = rows * (tile + 1) / tiles - row;
        if (s.all_held(begin + row, many, t)) {  // the padded end of a batch of sentences costs nothing
          for (int r = row; r < row + many && block == 0; ++r) {
            std::memcpy(next + r * wide, past + r * wide, sizeof(float) * wide);
            std::memset(a.y + s.row(begin + r, t) * s.H, 0, sizeof(float) * s.H);
          }
          continue;
        }
        with_constant<BLOCKS>(std::min(BLOCKS, blocks - block), [&](auto width) {
          with_constant<ROWS>(many, [&](auto height) {
            const size_t offset = size_t(row) * wide;
            forward_tile<Cell, height(), width()>(
                s, a, past + offset, next + offset, second + offset, t, begin + row, block);
          });
        });
      }
    std::swap(past, next);
  }
  carries[0] = past;
  for (int k = 0; k < Cell::CARRIES; ++k)
    for (int r = 0; r < rows; ++r)
      std::memcpy(a.last[k] + size_t(begin + r) * s.H, carries[k] + r * wide, sizeof(float) * s.H);
}

// ------------------------------------------------------------------------------------------------------------- backward

struct BackwardArrays {
  const float *first[2], *carries[2], *saved[MOST_ARRAYS], *d_y, *d_last[2];
  float *delta[MOST_ARRAYS], *d_x, *d_first[2];
  const float *w_ih, *w_hh;  // packed transposes
  const int* before;         // [B, T]: the step whose carry a step found, -1 for the first; null without a mask

  int found(const Problem& s, int b, int n) const {
    return before ? before[s.row(b, s.time(n))] : n > 0 ? s.time(n - 1) : -1;
  }
  const float* past(const Problem& s, int k, int b, int t) const {
    return t < 0 ? first[k] + size_t(b) * s.H : carries[k] + s.row(b, t) * s.H;
  }
};

static std::vector<int> steps_before(const Problem& s) {
  std::vector<int> before(size_t(s.B) * s.T);
  for (int b = 0; b < s.B; ++b)
    for (int n = 0, last = -1; n < s.T; ++n) {
      const int t = s.time(n);
      before[s.row(b, t)] = last;
      if (!s.held(b, t)) last = t;
    }
  return before;
}

// What step n does to the cotangent of the carry, but for the product; d_carry [rows, wide], deltas [DELTAS, wide].
template <class Cell>
static inline void backward_elementwise(
    const Problem& s, const BackwardArrays& a, float* const* d_carry, float* deltas, int n, int b) {
  const int t = s.time(n), wide = s.wide();
  const bool held = s.held(b, t);
  const int found = a.found(s, b, n);
  for (int j = 0; j < s.H; j += W) {
    const int left = s.H - j;
    const size_t at = s.row(b, t) * s.H + j;
    vec d[2], delta[MOST_ARRAYS];
    for (int k = 0; k < Cell::CARRIES; ++k) d[k] = load(d_carry[k] + j);
    if (held) {
      for (int i = 0; i < Cell::DELTAS; ++i) delta[i] = zero();
    } else {
      vec saved[MOST_ARRAYS], before[2], after[2];
      d[0] += load_some(a.d_y + at, left);
      for (int i = 0; i < Cell::SAVED; ++i) saved[i] = load_some(a.saved[i] + at, left);
      for (int k = 0; k < Cell::CARRIES; ++k) {
        after[k] = load_some(a.carries[k] + at, left);
        before[k] = load_some(a.past(s, k, b, found) + j, left);
      }
      Cell::back(saved, before, after, d, delta);
    }
    // The deltas may lie where the saved gates lay: those were read before.
    for (int i = 0; i < Cell::DELTAS; ++i) {
      store_some(a.delta[i] + at, delta[i], left);
      store(deltas + size_t(i) * wide + j, delta[i]);
    }
    for (int k = 0; k < Cell::CARRIES; ++k) store(d_carry[k] + j, d[k]);
  }
}

// to[rows, columns] = (add ? to : 0) + sum over gates of deltas[side of the gate] @ (its packed transpose).
template <class Cell>
static inline void through_gates(
    const float* deltas, const int* sides, const float* packed, int rows, int wide, float* to, size_t to_stride,
    int columns, bool add) {
  constexpr int G = Cell::GATES, BLOCKS = blocks_of(1), ROWS = rows_of(1, BLOCKS);
  const int tiles = (rows + ROWS - 1) / ROWS, blocks = padded(columns) / W;
  for (int block = 0; block < blocks; block += BLOCKS)
    for (int tile = 0; tile < tiles; ++tile) {
      const int row = rows * tile / tiles, many = rows * (tile + 1) / tiles - row;
      with_constant<BLOCKS>(std::min(BLOCKS, blocks - block), [&](auto width) {
        with_constant<ROWS>(many, [&](auto height) {
          constexpr int R = height(), N = width();
          const float* panel = packed + size_t(block) * G * wide * W;
          float* out = to + row * to_stride + block * W;
          vec sums[R][N];
          for (int r = 0; r < R; ++r)
            for (int n = 0; n < N; ++n)
              sums[r][n] = add ? load_some(out + r * to_stride + n * W, columns - (block + n) * W) : zero();
          for (int g = 0; g < G; ++g)
            multiply<R, N>(
                sums, deltas + (size_t(row) * Cell::DELTAS + sides[g]) * wide, size_t(Cell::DELTAS) * wide,
                panel + size_t(g) * wide * N * W, wide);
          for (int r = 0; r < R; ++r)
            for (int n = 0; n < N; ++n)
              store_some(out + r * to_stride + n * W, sums[r][n], columns - (block + n) * W);
        });
      });
    }
}

template <class Cell>
static void backward_rows(const Problem& s, const BackwardArrays& a, int begin, int end) {
  constexpr int K = Cell::CARRIES;
  static constexpr int INPUTS[] = {0, 1, 2, 3};
  const int rows = end - begin, wide = s.wide();
  std::vector<float> scratch(size_t(K + Cell::DELTAS) * rows * wide, 0.0f);
  float* deltas = scratch.data() + size_t(K) * rows * wide;
  float* d_carry[2] = {scratch.data(), scratch.data() + size_t(K - 1) * rows * wide};
  for (int k = 0; k < K; ++k)
    for (int r = 0; r < rows; ++r)
      std::memcpy(d_carry[k] + r * wide, a.d_last[k] + size_t(begin + r) * s.H, sizeof(float) * s.H);
  for (int n = s.T - 1; n >= 0; --n) {
    const int t = s.time(n);
    for (int r = 0; r < rows; ++r) {
      float* here[2] = {d_carry[0] + r * wide, d_carry[1] + r * wide};
      backward_elementwise<Cell>(s, a, here, deltas + size_t(r) * Cell::DELTAS * wide, n, begin + r);
    }
    float* d_x = a.d_x + s.row(begin, t) * s.D;
    if (s.all_held(begin, rows, t)) {
      for (int r = 0; r < rows; ++r) std::memset(d_x + size_t(r) * s.T * s.D, 0, sizeof(float) * s.D);
      continue;
    }
    through_gates<Cell>(deltas, Cell::SIDES, a.w_hh, rows, wide, d_carry[0], wide, wide, true);
    through_gates<Cell>(deltas, INPUTS, a.w_ih, rows, wide, d_x, size_t(s.T) * s.D, s.D, false);
  }
  for (int k = 0; k < K; ++k)
    for (int r = 0; r < rows; ++r)
      std::memcpy(a.d_first[k] + size_t(begin + r) * s.H, d_carry[k] + r * wide, sizeof(float) * s.H);
}

// ------------------------------------------------------------------------------------------------------------- handlers

using Floats = ffi::Buffer<ffi::F32>;

static Problem problem_of(const Floats& x, const Floats& w_ih, const ffi::Buffer<ffi::PRED>& mask, bool reverse) {
  const auto size = x.dimensions();
  return {int(size[0]), int(size[1]), int(size[2]), int(w_ih.dimensions()[2]), reverse,
          mask.element_count() ? mask.typed_data() : nullptr};
}

// Results: y, last carries; with `save` also c of every step (of a cell that has one) and the saved gates.
template <class Cell>
static ffi::Error forward(
    ffi::ThreadPool pool, Floats x, Floats w_ih, Floats b_ih, Floats w_hh, Floats b_hh, ffi::Buffer<ffi::PRED> mask,
    ffi::RemainingArgs args, ffi::RemainingRets rets, bool reverse, bool save, int64_t cores) {
  constexpr int G = Cell::GATES, K = Cell::CARRIES;
  const Problem s = problem_of(x, w_ih, mask, reverse);
  size_t in = 0, out = 0;
  const auto take = [&] { return args.get<Floats>(in++)->typed_data(); };
  const auto give = [&] { return (*rets.get<Floats>(out++))->typed_data(); };
  ForwardArrays a{};
  a.x = x.typed_data(), a.b_ih = b_ih.typed_data(), a.b_hh = b_hh.typed_data();
  for (int k = 0; k < K; ++k) a.first[k] = take();
  a.y = give();
  for (int k = 0; k < K; ++k) a.last[k] = give();
  if (save && K == 2) a.second = give();
  for (int i = 0; save && i < Cell::SAVED; ++i) a.saved[i] = give();
  const std::vector<float> packed_ih = pack<G>(w_ih.typed_data(), s.D, s.H);
  const std::vector<float> packed_hh = pack<G>(w_hh.typed_data(), s.H, s.H);
  a.w_ih = packed_ih.data(), a.w_hh = packed_hh.data();
  over(pool, s.B, int(cores), [&](int begin, int end) { forward_rows<Cell>(s, a, begin, end); });
  return ffi::Error::Success();
}

// Arguments: first carries, y, (c of every step), saved gates, dy, cotangents of the last carries.
// Results: deltas (scratch), dx, cotangents of the first carries, d w_ih [G, D, H], d w_hh [G, H, H], sums of the deltas
// [DELTAS, H].
template <class Cell>
static ffi::Error backward(
    ffi::ThreadPool pool, Floats x, Floats w_ih, Floats w_hh, ffi::Buffer<ffi::PRED> mask, ffi::RemainingArgs args,
    ffi::RemainingRets rets, bool reverse, int64_t cores) {
  constexpr int G = Cell::GATES, K = Cell::CARRIES;
  const Problem s = problem_of(x, w_ih, mask, reverse);
  size_t in = 0, out = 0;
  const auto take = [&] { return args.get<Floats>(in++)->typed_data(); };
  const auto give = [&] { return (*rets.get<Floats>(out++))->typed_data(); };
  BackwardArrays a{};
  for (int k = 0; k < K; ++k) a.first[k] = take();
  for (int k = 0; k < K; ++k) a.carries[k] = take();
  for (int i = 0; i < Cell::SAVED; ++i) a.saved[i] = take();
  a.d_y = take();
  for (int k = 0; k < K; ++k) a.d_last[k] = take();
  for (int i = 0; i < Cell::DELTAS; ++i) a.delta[i] = give();
  a.d_x = give();
  for (int k = 0; k < K; ++k) a.d_first[k] = give();
  float *d_w_ih = give(), *d_w_hh = give(), *sums = give();
  const std::vector<float> packed_ih = pack_transposed<G>(w_ih.typed_data(), s.D, s.H);
  const std::vector<float> packed_hh = pack_transposed<G>(w_hh.typed_data(), s.H, s.H);
  a.w_ih = packed_ih.data(), a.w_hh = packed_hh.data();
  std::vector<int> before;
  if (mask.element_count()) before = steps_before(s), a.before = before.data();
  over(pool, s.B, int(cores), [&](int begin, int end) { backward_rows<Cell>(s, a, begin, end); });

  // d w = left^T delta over all rows and steps, with left = x for the input sides and the carry before for the others.
  const auto x_at = [&](size_t row) { return x.typed_data() + row * s.D; };
  const auto past_at = [&](size_t row) {
    const int b = int(row / s.T), t = int(row % s.T);
    return a.past(s, 0, b, a.found(s, b, s.time(t)));  // time() is its own inverse
  };
  over(pool, padded(s.H) / W, int(cores), [&](int begin, int end) {
    for (int i = 0; i < Cell::DELTAS; ++i) {
      GradientOf gradient(a.delta[i], size_t(s.B) * s.T, s.H, begin, end, sums + size_t(i) * s.H);
      if (i < G) gradient.add(x_at, s.D, d_w_ih + size_t(i) * s.D * s.H);
      for (int g = 0; g < G; ++g)
        if (Cell::SIDES[g] == i) gradient.add(past_at, s.H, d_w_hh + size_t(g) * s.H * s.H);
      gradient.run();
    }
  });
  return ffi::Error::Success();
}

#define DEFINE(NAME, CELL)                              \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(                        \
      NAME##_forward, forward<CELL>,                    \
      ffi::Ffi::Bind()                                  \
          .Ctx<ffi::ThreadPool>()                       \
          .Arg<Floats>()                                \
          .Arg<Floats>()                                \
          .Arg<Floats>()                                \
          .Arg<Floats>()                                \
          .Arg<Floats>()                                \
          .Arg<ffi::Buffer<ffi::PRED>>()                \
          .RemainingArgs()                              \
          .RemainingRets()                              \
          .Attr<bool>("reverse")                        \
          .Attr<bool>("save")                           \
          .Attr<int64_t>("cores"));                     \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(                        \
      NAME##_backward, backward<CELL>,                  \
      ffi::Ffi::Bind()                                  \
          .Ctx<ffi::ThreadPool>()                       \
          .Arg<Floats>()                                \
          .Arg<Floats>()                                \
          .Arg<Floats>()                                \
          .Arg<ffi::Buffer<ffi::PRED>>()                \
          .RemainingArgs()                              \
          .RemainingRets()                              \
          .Attr<bool>("reverse")                        \
          .Attr<int64_t>("cores"));

DEFINE(elman, Elman)
DEFINE(gru, Gru)
DEFINE(lstm, Lstm)
