// Several vectors that go through the same arithmetic side by side, and the functions that gates need.
//
// One exp is a chain of a dozen dependent operations: a single vector would spend most of its time waiting for itself.

#pragma once
#include <initializer_list>

#include "vector.h"

template <int Q>
struct Lanes {
  vec at[Q];

  Lanes() = default;
  Lanes(float x) {
    for (int q = 0; q < Q; ++q) at[q] = spread(x);
  }

#define OPERATOR(SIGN)                             \
  INLINED friend Lanes operator SIGN(Lanes x, const Lanes& y) { \
    for (int q = 0; q < Q; ++q) x.at[q] = x.at[q] SIGN y.at[q]; \
    return x;                                      \
  }
  OPERATOR(+)
  OPERATOR(-)
  OPERATOR(*)
  OPERATOR(/)
#undef OPERATOR

  INLINED friend Lanes fma_of(const Lanes& x, const Lanes& y, Lanes z) {
    for (int q = 0; q < Q; ++q) z.at[q] = fma_of(x.at[q], y.at[q], z.at[q]);
    return z;
  }
};

// To about 1 unit in the last place; coefficients of Moshier's Cephes library (expf).
template <int Q>
INLINED static Lanes<Q> exp_of(Lanes<Q> x) {
  using L = Lanes<Q>;
  for (int q = 0; q < Q; ++q) x.at[q] = within(spread(-87.0f), spread(88.0f), x.at[q]);
  const L shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const L shifted = fma_of(x, L(1.44269504088896341f), shift);
  const L n = shifted - shift;
  L r = fma_of(n, L(-0.693359375f), x);  // log 2 in two parts
  r = fma_of(n, L(2.12194440e-4f), r);
  L y = 1.9875691500e-4f;
  for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    y = fma_of(y, r, L(c));
  y = fma_of(y, r * r, r) + 1.0f;
  for (int q = 0; q < Q; ++q) y.at[q] *= (vec)(((ints)shifted.at[q] << 23) + (127 << 23));
  return y;
}

template <int Q>
INLINED static Lanes<Q> sigmoid_of(const Lanes<Q>& x) {
  return 1.0f / (exp_of(0.0f - x) + 1.0f);
}

// Near zero by Cephes' polynomial (tanhf), since 1 - 2 / (1 + exp 2x) would lose the small values. The one rational
// function that others take for all x is faster and 5 units off in the last place, which a test against them would see.
template <int Q>
INLINED static Lanes<Q> tanh_of(const Lanes<Q>& x) {
  using L = Lanes<Q>;
  const L square = x * x;
  L near = -5.70498872745e-3f;
  for (float c : {2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f, -3.33332819422e-1f})
    near = fma_of(near, square, L(c));
  near = fma_of(near * square, x, x);
  L y = 1.0f - 2.0f / (exp_of(x + x) + 1.0f);
  for (int q = 0; q < Q; ++q) y.at[q] = square.at[q] < 0.625f * 0.625f ? near.at[q] : y.at[q];
  return y;
}
