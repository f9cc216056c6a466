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

// A NaN stays a NaN.
template <int Q>
INLINED static Lanes<Q> clamp(Lanes<Q> x, float low, float high) {
  for (int q = 0; q < Q; ++q) x.at[q] = at_most(spread(high), at_least(spread(low), x.at[q]));
  return x;
}

// To about 1 unit in the last place; coefficients of Moshier's Cephes library (expf).
template <int Q>
INLINED static Lanes<Q> exp_of(Lanes<Q> x) {
  using L = Lanes<Q>;
  x = clamp(x, -87.0f, 88.0f);
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

// To 5 units in the last place; the rational function of Eigen (generic_fast_tanh_float), which XLA takes too.
template <int Q>
INLINED static Lanes<Q> tanh_of(Lanes<Q> x) {
  using L = Lanes<Q>;
  x = clamp(x, -7.90531110763549805f, 7.90531110763549805f);
  const L square = x * x;
  L above = -2.76076847742355e-16f, below = 1.19825839466702e-06f;
  for (float c : {2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f, 1.48572235717979e-05f,
                  6.37261928875436e-04f, 4.89352455891786e-03f})
    above = fma_of(above, square, L(c));
  for (float c : {1.18534705686654e-04f, 2.26843463243900e-03f, 4.89352518554385e-03f})
    below = fma_of(below, square, L(c));
  return x * above / below;
}
