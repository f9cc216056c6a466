// All steps of a recurrent cell on CPU in one call, forward and backward, float32.
//
// Rows of the batch do not meet inside the recurrence, so each thread takes rows of its own through all of time and
// never waits for another. A step is one product of a tile of rows with the recurrent weights, whose sums stay in
// registers and go through the gates there. The weights are packed once per call, so that they stream from the cache in
// the order of use. What is no recurrence (input projection, weight gradients) is left to XLA's large products.
//
// A cell is a struct with its numbers of gates and carries, `step` and `back`; derivatives are those of the equations
// at the top of grux/cells/*.py.
//
// Every row goes through the same operations in the same order, whatever tile or thread it falls to: results do not
// depend on the number of threads.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "vector.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

// ---------------------------------------------------------------------------------------------------------------- cells

struct Elman {
  static constexpr int GATES = 1, CARRIES = 1, SAVED = 0, DELTAS = 1;

  static inline void step(const vec* p, const vec* r, vec* carry, vec*) { carry[0] = tanh_of(p[0] + r[0]); }

  static inline void back(const vec*, const vec*, const vec* after, vec* d_carry, vec* delta, vec* d_r) {
    delta[0] = d_r[0] = d_carry[0] * (1.0f - after[0] * after[0]);
    d_carry[0] = zero();
  }
};

struct Gru {  // saved: r, z, n and the recurrent side of n; delta: of p_r, p_z, p_n and of that side
  static constexpr int GATES = 3, CARRIES = 1, SAVED = 4, DELTAS = 4;

  static inline void step(const vec* p, const vec* r, vec* carry, vec* saved) {
    const vec reset = sigmoid_of(p[0] + r[0]), update = sigmoid_of(p[1] + r[1]);
    const vec fresh = tanh_of(fma_of(reset, r[2], p[2]));
    carry[0] = fma_of(update, carry[0] - fresh, fresh);
    saved[0] = reset, saved[1] = update, saved[2] = fresh, saved[3] = r[2];
  }

  static inline void back(const vec* saved, const vec* before, const vec*, vec* d_carry, vec* delta, vec* d_r) {
    const vec reset = saved[0], update = saved[1], fresh = saved[2], side = saved[3], d = d_carry[0];
    const vec d_fresh = d * (1.0f - update) * (1.0f - fresh * fresh);
    delta[0] = d_r[0] = d_fresh * side * reset * (1.0f - reset);
    delta[1] = d_r[1] = d * (before[0] - fresh) * update * (1.0f - update);
    delta[2] = d_fresh;
    delta[3] = d_r[2] = d_fresh * reset;
    d_carry[0] = d * update;
  }
};

struct Lstm {  // carries h, c; saved: i, f, g, o
  static constexpr int GATES = 4, CARRIES = 2, SAVED = 4, DELTAS = 4;

  static inline void step(const vec* p, const vec* r, vec* carry, vec* saved) {
    const vec write = sigmoid_of(p[0] + r[0]), keep = sigmoid_of(p[1] + r[1]);
    const vec fresh = tanh_of(p[2] + r[2]), show = sigmoid_of(p[3] + r[3]);
    carry[1] = fma_of(keep, carry[1], write * fresh);
    carry[0] = show * tanh_of(carry[1]);
    saved[0] = write, saved[1] = keep, saved[2] = fresh, saved[3] = show;
  }

  static inline void back(const vec* saved, const vec* before, const vec* after, vec* d_carry, vec* delta, vec* d_r) {
    const vec write = saved[0], keep = saved[1], fresh = saved[2], show = saved[3], shown = tanh_of(after[1]);
    const vec d_c = d_carry[1] + d_carry[0] * show * (1.0f - shown * shown);
    delta[0] = d_c * fresh * write * (1.0f - write);
    delta[1] = d_c * before[1] * keep * (1.0f - keep);
    delta[2] = d_c * write * (1.0f - fresh * fresh);
    delta[3] = d_carry[0] * shown * show * (1.0f - show);
    for (int g = 0; g < 4; ++g) d_r[g] = delta[g];
    d_carry[0] = zero(), d_carry[1] = d_c * keep;
  }
};

// ------------------------------------------------------------------------------------------------------------- products

// Column blocks of W that one tile covers, so that its sums fill the registers whatever the number of gates.
constexpr int blocks_of(int gates) { return gates >= 3 ? 1 : gates == 2 ? 2 : 3; }
constexpr int rows_of(int gates, int blocks) { return std::max(1, SUMS / (gates * blocks)); }

// sums[R][N] += left[R][depth] @ right[depth][N vectors]; the vectors of one row of `right` lie side by side.
template <int R, int N>
static inline void multiply(vec (&sums)[R][N], const float* left, int left_stride, const float* right, int depth) {
  for (int k = 0; k < depth; ++k, right += N * W) {
    vec column[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) column[n] = load(right + n * W);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const vec x = zero() + left[r * left_stride + k];
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) sums[r][n] = fma_of(x, column[n], sums[r][n]);
    }
  }
}

// Calls f(integral_constant<int, n>) for a run-time 1 <= n <= MOST.
template <int MOST, class F>
static inline void with_constant(int n, F&& f) {
  if constexpr (MOST > 1) {
    if (n < MOST) return with_constant<MOST - 1>(n, f);
  }
  f(std::integral_constant<int, MOST>());
}

static inline int padded(int n) { return (n + W - 1) / W * W; }

// w [gates, H, H] -> for each group of column blocks: [k][block][gate][W], zeros beyond H.
template <int GATES>
static void pack(const float* w, int H, std::vector<float>& out) {
  constexpr int MOST = blocks_of(GATES);
  const int blocks = padded(H) / W;
  out.assign(size_t(blocks) * H * GATES * W, 0.0f);
  float* to = out.data();
  for (int first = 0; first < blocks; first += MOST)
    for (int k = 0; k < H; ++k)
      for (int block = first; block < std::min(first + MOST, blocks); ++block)
        for (int g = 0; g < GATES; ++g, to += W)
          std::memcpy(to, w + (size_t(g) * H + k) * H + block * W, sizeof(float) * std::min(W, H - block * W));
}

// The transposes, for d_r @ w^T: for each group of column blocks [gate][k][block][W].
template <int GATES>
static void pack_transposed(const float* w, int H, std::vector<float>& out) {
  constexpr int MOST = blocks_of(1);
  const int wide = padded(H), blocks = wide / W;
  out.assign(size_t(blocks) * GATES * wide * W, 0.0f);
  float* to = out.data();
  for (int first = 0; first < blocks; first += MOST) {
    const int count = std::min(MOST, blocks - first);
    for (int g = 0; g < GATES; ++g)
      for (int i = 0; i < std::min(count * W, H - first * W); ++i) {
        const float* from = w + (size_t(g) * H + first * W + i) * H;
        float* column = to + size_t(g) * wide * count * W + i;
        for (int k = 0; k < H; ++k) column[size_t(k) * count * W] = from[k];
      }
    to += size_t(GATES) * wide * count * W;
  }
}

// -------------------------------------------------------------------------------------------------------------- threads

// Threads that work for a kernel at this moment, over all calls: several devices may share the cores.
static std::atomic<int> working{0};

// f(0) ... f(tasks - 1), some of them on threads of XLA's pool. The caller takes tasks too, so it waits only for tasks
// that have begun, and a busy pool costs speed but cannot block.
template <class F>
static void in_parallel(ffi::ThreadPool& pool, int tasks, int cores, const F& f) {
  struct Count {
    std::atomic<int> next{0}, done{0};
  };
  auto count = std::make_shared<Count>();
  auto work = [count, tasks, &f] {
    for (int i; (i = count->next.fetch_add(1)) < tasks; count->done.fetch_add(1)) f(i);
  };
  const int busy = working.fetch_add(1) + 1;
  const int helpers = std::max(0, std::min(tasks - 1, cores - busy));
  for (int i = 0; i < helpers; ++i)
    pool.Schedule([work, count, tasks] {
      if (count->next.load() >= tasks) return;
      working.fetch_add(1);
      work();
      working.fetch_sub(1);
    });
  work();
  working.fetch_sub(1);
  while (count->done.load() < tasks) std::this_thread::yield();
}

// ----------------------------------------------------------------------------------------------------------- recurrence

constexpr int MOST_ARRAYS = 4;  // gates, saved or deltas of a cell

struct Problem {
  int T, B, H;
  bool reverse;
  const bool* mask;  // [T, B] or null

  int wide() const { return padded(H); }
  int time(int n) const { return reverse ? T - 1 - n : n; }
  size_t at(int t, int b) const { return (size_t(t) * B + b) * H; }
  bool held(int t, int b) const { return mask && !mask[size_t(t) * B + b]; }
};

struct ForwardArrays {
  const float *w, *bias, *first[2], *p[MOST_ARRAYS];
  float *carries[2], *last[2], *saved[MOST_ARRAYS];  // null where not wanted
};

template <class Cell, int R, int N>
static inline void forward_tile(
    const Problem& s, const ForwardArrays& a, const float* panel, const float* past, float* next, float* second, int t,
    int row, int column) {
  constexpr int G = Cell::GATES;
  const int wide = s.wide();
  vec sums[R][N * G];
  for (int n = 0; n < N; ++n)
    for (int g = 0; g < G; ++g) {
      const int j = column + n * W;
      const vec b = load_some(a.bias + g * s.H + j, s.H - j);
      for (int r = 0; r < R; ++r) sums[r][n * G + g] = b;
    }
  multiply<R, N * G>(sums, past, wide, panel, s.H);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      const int j = column + n * W, left = s.H - j;
      const size_t at = s.at(t, row + r) + j;
      vec carry[2], p[MOST_ARRAYS], saved[MOST_ARRAYS];
      carry[0] = load(past + r * wide + j);
      if constexpr (Cell::CARRIES == 2) carry[1] = load(second + r * wide + j);
      if (!s.held(t, row + r)) {
        for (int g = 0; g < G; ++g) p[g] = load_some(a.p[g] + at, left);
        Cell::step(p, &sums[r][n * G], carry, saved);
        // The saved gates may lie where p lay: p is read before.
        for (int i = 0; i < Cell::SAVED; ++i)
          if (a.saved[i]) store_some(a.saved[i] + at, saved[i], left);
      }
      store(next + r * wide + j, carry[0]);
      if constexpr (Cell::CARRIES == 2) store(second + r * wide + j, carry[1]);
      for (int k = 0; k < Cell::CARRIES; ++k)
        if (a.carries[k]) store_some(a.carries[k] + at, carry[k], left);
    }
  }
}

template <class Cell>
static void forward_rows(const Problem& s, const ForwardArrays& a, const float* packed, int begin, int end) {
  constexpr int G = Cell::GATES, BLOCKS = blocks_of(G), ROWS = rows_of(G, BLOCKS);
  const int rows = end - begin, wide = s.wide(), blocks = wide / W;
  std::vector<float> scratch(size_t(3) * rows * wide, 0.0f);
  float *past = scratch.data(), *next = past + size_t(rows) * wide, *second = next + size_t(rows) * wide;
  for (int r = 0; r < rows; ++r) {
    std::memcpy(past + r * wide, a.first[0] + size_t(begin + r) * s.H, sizeof(float) * s.H);
    if (Cell::CARRIES == 2)
      std::memcpy(second + r * wide, a.first[1] + size_t(begin + r) * s.H, sizeof(float) * s.H);
  }
  const int tiles = (rows + ROWS - 1) / ROWS;
  for (int n = 0; n < s.T; ++n) {
    const int t = s.time(n);
    for (int block = 0; block < blocks; block += BLOCKS) {
      const float* panel = packed + size_t(block) * s.H * G * W;
      for (int tile = 0; tile < tiles; ++tile) {
        const int row = rows * tile / tiles, many = rows * (tile + 1) / tiles - row;
        with_constant<BLOCKS>(std::min(BLOCKS, blocks - block), [&](auto width) {
          with_constant<ROWS>(many, [&](auto height) {
            forward_tile<Cell, height(), width()>(
                s, a, panel, past + row * wide, next + row * wide, second + row * wide, t, begin + row, block * W);
          });
        });
      }
    }
    std::swap(past, next);
  }
  for (int r = 0; r < rows; ++r) {
    std::memcpy(a.last[0] + size_t(begin + r) * s.H, past + r * wide, sizeof(float) * s.H);
    if (Cell::CARRIES == 2)
      std::memcpy(a.last[1] + size_t(begin + r) * s.H, second + r * wide, sizeof(float) * s.H);
  }
}

struct BackwardArrays {
  const float *w, *first[2], *carries[2], *saved[MOST_ARRAYS], *d_y, *d_last[2];
  float *delta[MOST_ARRAYS], *d_first[2];
};

// What one step does to the cotangent of the carry, but for the product: d_carry and d_r are scratch [rows, ...].
template <class Cell>
static inline void backward_elementwise(
    const Problem& s, const BackwardArrays& a, float* const* d_carry, float* d_r, int n, int row, int b) {
  constexpr int G = Cell::GATES, K = Cell::CARRIES;
  const int t = s.time(n), wide = s.wide();
  const bool held = s.held(t, b);
  for (int j = 0; j < s.H; j += W) {
    const int left = s.H - j;
    const size_t at = s.at(t, b) + j;
    vec d[2], delta[MOST_ARRAYS], side[MOST_ARRAYS];
    for (int k = 0; k < K; ++k) d[k] = load(d_carry[k] + row * wide + j);
    d[0] += load_some(a.d_y + at, left);
    if (held) {
      for (int i = 0; i < Cell::DELTAS; ++i) delta[i] = zero();
      for (int g = 0; g < G; ++g) side[g] = zero();
    } else {
      vec saved[MOST_ARRAYS], before[2], after[2];
      for (int i = 0; i < Cell::SAVED; ++i) saved[i] = load_some(a.saved[i] + at, left);
      for (int k = 0; k < K; ++k) {
        after[k] = load_some(a.carries[k] + at, left);
        const float* from = n > 0 ? a.carries[k] + s.at(s.time(n - 1), b) : a.first[k] + size_t(b) * s.H;
        before[k] = load_some(from + j, left);
      }
      Cell::back(saved, before, after, d, delta, side);
    }
    for (int i = 0; i < Cell::DELTAS; ++i) store_some(a.delta[i] + at, delta[i], left);
    for (int g = 0; g < G; ++g) store(d_r + (size_t(row) * G + g) * wide + j, side[g]);
    for (int k = 0; k < K; ++k) store(d_carry[k] + row * wide + j, d[k]);
  }
}

template <class Cell>
static void backward_rows(const Problem& s, const BackwardArrays& a, const float* packed, int begin, int end) {
  constexpr int G = Cell::GATES, K = Cell::CARRIES, BLOCKS = blocks_of(1), ROWS = rows_of(1, BLOCKS);
  const int rows = end - begin, wide = s.wide(), blocks = wide / W;
  std::vector<float> scratch(size_t(K + G) * rows * wide, 0.0f);
  float* d_r = scratch.data() + size_t(K) * rows * wide;
  float* d_carry[2] = {scratch.data(), scratch.data() + size_t(K - 1) * rows * wide};
  for (int k = 0; k < K; ++k)
    for (int r = 0; r < rows; ++r)
      std::memcpy(d_carry[k] + r * wide, a.d_last[k] + size_t(begin + r) * s.H, sizeof(float) * s.H);
  const int tiles = (rows + ROWS - 1) / ROWS;
  for (int n = s.T - 1; n >= 0; --n) {
    for (int r = 0; r < rows; ++r) backward_elementwise<Cell>(s, a, d_carry, d_r, n, r, begin + r);
    for (int block = 0; block < blocks; block += BLOCKS) {
      const float* panel = packed + size_t(block) * G * wide * W;
      for (int tile = 0; tile < tiles; ++tile) {
        const int row = rows * tile / tiles, many = rows * (tile + 1) / tiles - row;
        with_constant<BLOCKS>(std::min(BLOCKS, blocks - block), [&](auto width) {
          with_constant<ROWS>(many, [&](auto height) {
            constexpr int R = height(), N = width();
            float* to = d_carry[0] + row * wide + block * W;
            vec sums[R][N];
            for (int r = 0; r < R; ++r)
              for (int i = 0; i < N; ++i) sums[r][i] = load(to + r * wide + i * W);
            multiply<R, N>(sums, d_r + size_t(row) * G * wide, G * wide, panel, G * wide);
            for (int r = 0; r < R; ++r)
              for (int i = 0; i < N; ++i) store(to + r * wide + i * W, sums[r][i]);
          });
        });
      }
    }
  }
  for (int k = 0; k < K; ++k)
    for (int r = 0; r < rows; ++r)
      std::memcpy(a.d_first[k] + size_t(begin + r) * s.H, d_carry[k] + r * wide, sizeof(float) * s.H);
}

// ------------------------------------------------------------------------------------------------------------- handlers

static Problem problem_of(const ffi::Buffer<ffi::F32>& like, const ffi::Buffer<ffi::PRED>& mask, bool reverse) {
  const auto size = like.dimensions();
  return {int(size[0]), int(size[1]), int(size[2]), reverse, mask.element_count() ? mask.typed_data() : nullptr};
}

template <class F>
static void over_rows(ffi::ThreadPool& pool, int rows, int cores, const F& f) {
  const int tasks = std::max(1, std::min(cores, rows));
  in_parallel(pool, tasks, cores, [&](int i) { f(rows * i / tasks, rows * (i + 1) / tasks); });
}

// args: first carries, p per gate. rets: y (with `save`: every carry of every step), last carries, (saved gates).
template <class Cell>
static ffi::Error forward(
    ffi::ThreadPool pool, ffi::Buffer<ffi::F32> w, ffi::Buffer<ffi::F32> bias, ffi::Buffer<ffi::PRED> mask,
    ffi::RemainingArgs args, ffi::RemainingRets rets, bool reverse, bool save, int64_t cores) {
  constexpr int G = Cell::GATES, K = Cell::CARRIES;
  ForwardArrays a{};
  a.w = w.typed_data(), a.bias = bias.typed_data();
  size_t in = 0, out = 0;
  const auto take = [&] { return args.get<ffi::Buffer<ffi::F32>>(in++)->typed_data(); };
  const auto give = [&] { return (*rets.get<ffi::Buffer<ffi::F32>>(out++))->typed_data(); };
  for (int k = 0; k < K; ++k) a.first[k] = take();
  const Problem s = problem_of(*args.get<ffi::Buffer<ffi::F32>>(in), mask, reverse);
  for (int g = 0; g < G; ++g) a.p[g] = take();
  for (int k = 0; k < (save ? K : 1); ++k) a.carries[k] = give();
  for (int k = 0; k < K; ++k) a.last[k] = give();
  for (int i = 0; save && i < Cell::SAVED; ++i) a.saved[i] = give();
  std::vector<float> packed;
  pack<G>(a.w, s.H, packed);
  over_rows(pool, s.B, int(cores), [&](int begin, int end) { forward_rows<Cell>(s, a, packed.data(), begin, end); });
  return ffi::Error::Success();
}

// args: first carries, every carry of every step, saved gates, dy, cotangents of the last carries.
// rets: deltas, cotangents of the first carries.
template <class Cell>
static ffi::Error backward(
    ffi::ThreadPool pool, ffi::Buffer<ffi::F32> w, ffi::Buffer<ffi::PRED> mask, ffi::RemainingArgs args,
    ffi::RemainingRets rets, bool reverse, int64_t cores) {
  constexpr int G = Cell::GATES, K = Cell::CARRIES;
  BackwardArrays a{};
  a.w = w.typed_data();
  size_t in = 0, out = 0;
  const auto take = [&] { return args.get<ffi::Buffer<ffi::F32>>(in++)->typed_data(); };
  const auto give = [&] { return (*rets.get<ffi::Buffer<ffi::F32>>(out++))->typed_data(); };
  for (int k = 0; k < K; ++k) a.first[k] = take();
  const Problem s = problem_of(*args.get<ffi::Buffer<ffi::F32>>(in), mask, reverse);
  for (int k = 0; k < K; ++k) a.carries[k] = take();
  for (int i = 0; i < Cell::SAVED; ++i) a.saved[i] = take();
  a.d_y = take();
  for (int k = 0; k < K; ++k) a.d_last[k] = take();
  for (int i = 0; i < Cell::DELTAS; ++i) a.delta[i] = give();
  for (int k = 0; k < K; ++k) a.d_first[k] = give();
  std::vector<float> packed;
  pack_transposed<G>(a.w, s.H, packed);
  over_rows(pool, s.B, int(cores), [&](int begin, int end) { backward_rows<Cell>(s, a, packed.data(), begin, end); });
  return ffi::Error::Success();
}

#define DEFINE(NAME, CELL)                                        \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(                                  \
      NAME##_forward, forward<CELL>,                              \
      ffi::Ffi::Bind()                                            \
          .Ctx<ffi::ThreadPool>()                                 \
          .Arg<ffi::Buffer<ffi::F32>>()                           \
          .Arg<ffi::Buffer<ffi::F32>>()                           \
          .Arg<ffi::Buffer<ffi::PRED>>()                          \
          .RemainingArgs()                                        \
          .RemainingRets()                                        \
          .Attr<bool>("reverse")                                  \
          .Attr<bool>("save")                                     \
          .Attr<int64_t>("cores"));                               \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(                                  \
      NAME##_backward, backward<CELL>,                            \
      ffi::Ffi::Bind()                                            \
          .Ctx<ffi::ThreadPool>()                                 \
          .Arg<ffi::Buffer<ffi::F32>>()                           \
          .Arg<ffi::Buffer<ffi::PRED>>()                          \
          .RemainingArgs()                                        \
          .RemainingRets()                                        \
          .Attr<bool>("reverse")                                  \
          .Attr<int64_t>("cores"));

DEFINE(elman, Elman)
DEFINE(gru, Gru)
DEFINE(lstm, Lstm)
