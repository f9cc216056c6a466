// All steps of a recurrent cell on CPU in one call, forward and backward, float32, batch-major.
//
// Rows of the batch do not meet inside the recurrence, so each thread takes rows of its own and never waits for another
// on the way. A step is one product of a tile of rows, [x_t, h], with the weights, whose sums stay in registers and go
// through the gates there: neither the projected input nor any other array of a step passes through memory, but for the
// gates that the backward pass will read. Weights are packed once per call, so that they stream from the cache in the
// order of use. The backward pass goes in chunks of time: the deltas of a chunk stay in the cache, and the weight
// gradients are one product over its rows and steps (gradients.h).
//
// Every number comes from the same operations in the same order, whatever tile or thread it falls to: results do not
// depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backward.h"
#include "cells.h"
#include "forward.h"
#include "gradients.h"
#include "problem.h"
#include "product.h"
#include "threads.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

using Floats = ffi::Buffer<ffi::F32>;

constexpr size_t CHUNK = 1 << 20;  // numbers in the deltas of a chunk, 4 MiB, measured: in the cache, and few barriers

static Problem problem_of(const Floats& x, const Floats& w_ih, const ffi::Buffer<ffi::PRED>& mask, bool reverse) {
  const auto size = x.dimensions();
  return {int(size[0]), int(size[1]), int(size[2]), int(w_ih.dimensions()[2]), reverse,
          mask.element_count() ? mask.typed_data() : nullptr};
}

// Results: y, last carries; with `save` also what is kept, of a cell that keeps something.
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
  a.x = x.typed_data();
  for (int k = 0; k < K; ++k) a.first[k] = take();
  a.y = give();
  for (int k = 0; k < K; ++k) a.last[k] = give();
  if (save && Kept<Cell>::COUNT) a.kept = give();
  const Biases biases = pack_biases<Cell>(b_ih.typed_data(), b_hh.typed_data(), s.H);
  a.bias = biases.bias.data(), a.apart = biases.apart.data();
  if (s.few()) {
    a.w_ih = w_ih.typed_data(), a.w_hh = w_hh.typed_data();
    forward_rows<Cell, false>(s, a, 0, s.B);
    return ffi::Error::Success();
  }
  const std::vector<float> packed_ih = pack<G>(w_ih.typed_data(), s.D, s.H);
  const std::vector<float> packed_hh = pack<G>(w_hh.typed_data(), s.H, s.H);
  a.w_ih = packed_ih.data(), a.w_hh = packed_hh.data();
  over(pool, s.B, int(cores), [&](int begin, int end) { forward_rows<Cell, true>(s, a, begin, end); });
  return ffi::Error::Success();
}

// Arguments: first carries, y, what was kept, dy, cotangents of the last carries.
// Results: dx, cotangents of the first carries, d w_ih [G, D, H], d w_hh [G, H, H], sums of the deltas [DELTAS, H].
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
  a.y = take();
  if (Kept<Cell>::COUNT) a.kept = take();
  a.d_y = take();
  const int stride = s.stride();
  std::vector<float> d_carry(size_t(K) * s.B * stride, 0.0f);
  for (int k = 0; k < K; ++k) {
    a.d_carry[k] = d_carry.data() + size_t(k) * s.B * stride;
    const float* d_last = take();
    for (int b = 0; b < s.B; ++b) std::copy_n(d_last + size_t(b) * s.H, s.H, a.d_carry[k] + size_t(b) * stride);
  }
  a.d_x = give();
  float* d_first[2];
  for (int k = 0; k < K; ++k) d_first[k] = give();
  GradientArrays g{};
  g.x = x.typed_data(), g.d_w_ih = give(), g.d_w_hh = give(), g.sums = give();
  std::vector<float> packed_ih, packed_hh;
  a.w_ih = w_ih.typed_data(), a.w_hh = w_hh.typed_data();
  if (!s.few()) {
    packed_ih = s.D < NARROW ? pack_narrow<G>(a.w_ih, s.D, s.H, Cell::FIRST)
                             : pack_transposed<G>(a.w_ih, s.D, s.H, Cell::FIRST);
    packed_hh = pack_transposed<G>(a.w_hh, s.H, s.H, 0);
    a.w_ih = packed_ih.data(), a.w_hh = packed_hh.data();
  }
  std::vector<int> before;
  if (s.mask) before = steps_before(s), a.before = before.data();

  const size_t of_a_step = stride_of_deltas<Cell>(s) * s.B;
  const int most = int(std::min<size_t>(s.T, std::max<size_t>(1, CHUNK / std::max<size_t>(1, of_a_step))));
  std::vector<float> deltas(of_a_step * most);
  a.deltas = deltas.data();
  const int threads = s.few() ? 1 : int(cores);  // waking another takes longer than few rows
  const Gradients<Cell> gradients(s, a, g, threads);
  for (int end = s.T; end > 0;) {
    const int first = std::max(0, end - most), last = end - 1;
    over(pool, s.B, threads, [&](int begin, int stop) { backward_rows<Cell>(s, a, first, last, begin, stop); });
    in_parallel(pool, gradients.tasks(), threads, [&](int task) { gradients.run(task, first, last); });
    end = first;
  }
  for (int k = 0; k < K; ++k)
    for (int b = 0; b < s.B; ++b) std::copy_n(a.d_carry[k] + size_t(b) * stride, s.H, d_first[k] + size_t(b) * s.H);
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
