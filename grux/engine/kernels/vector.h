// A vector of floats as wide as the machine has it, and the functions that gates need.

#pragma once
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
constexpr int W = 16, SUMS = 24;  // of 32 registers; the others hold a column of weights and one factor
#elif defined(__AVX__)
#include <immintrin.h>
constexpr int W = 8, SUMS = 12;  // of 16
#elif defined(__aarch64__)
#include <arm_neon.h>
constexpr int W = 4, SUMS = 24;  // of 32
#else
constexpr int W = 4, SUMS = 12;
#endif

typedef float vec __attribute__((vector_size(W * 4)));
typedef int32_t ints __attribute__((vector_size(W * 4)));
typedef float loose_vec __attribute__((vector_size(W * 4), aligned(4), may_alias));

static inline vec zero() { return vec{}; }
static inline vec load(const float* from) { return *reinterpret_cast<const loose_vec*>(from); }
static inline void store(float* to, vec x) { *reinterpret_cast<loose_vec*>(to) = x; }

// x * y + z in one rounding where the machine has it. Written out, and contraction switched off elsewhere: left to itself
// the compiler contracts an expression in one way here and in another there, and a row would depend on its neighbours.
static inline vec fma_of(vec x, vec y, vec z) {
#if defined(__AVX512F__)
  return (vec)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z);
#elif defined(__AVX__) && defined(__FMA__)
  return (vec)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
#elif defined(__aarch64__)
  return (vec)vfmaq_f32((float32x4_t)z, (float32x4_t)x, (float32x4_t)y);
#else
  return x * y + z;
#endif
}

// The first n of a vector, which may be more than there are; the others are read as zero and not written.
static inline vec load_some(const float* from, int n) {
  if (__builtin_expect(n >= W, 1)) return load(from);
#if defined(__AVX512F__)
  return (vec)_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), from);
#else
  vec x = zero();
  std::memcpy(&x, from, n * sizeof(float));
  return x;
#endif
}

static inline void store_some(float* to, vec x, int n) {
  if (__builtin_expect(n >= W, 1)) return store(to, x);
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, __mmask16((1u << n) - 1), (__m512)x);
#else
  std::memcpy(to, &x, n * sizeof(float));
#endif
}

// exp, to about 1 unit in the last place; coefficients of Moshier's Cephes library (expf). A NaN stays a NaN.
static inline vec exp_of(vec x) {
  const vec low = zero() - 87.0f, high = zero() + 88.0f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const vec shift = zero() + 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const vec shifted = fma_of(x, zero() + 1.44269504088896341f, shift);
  const vec n = shifted - shift;
  vec r = fma_of(n, zero() - 0.693359375f, x);  // log 2 in two parts
  r = fma_of(n, zero() + 2.12194440e-4f, r);
  vec y = zero() + 1.9875691500e-4f;
  y = fma_of(y, r, zero() + 1.3981999507e-3f);
  y = fma_of(y, r, zero() + 8.3334519073e-3f);
  y = fma_of(y, r, zero() + 4.1665795894e-2f);
  y = fma_of(y, r, zero() + 1.6666665459e-1f);
  y = fma_of(y, r, zero() + 5.0000001201e-1f);
  y = fma_of(y, r * r, r) + 1.0f;
  return y * (vec)(((ints)shifted << 23) + (127 << 23));
}

static inline vec sigmoid_of(vec x) { return 1.0f / (1.0f + exp_of(zero() - x)); }

// tanh; near zero by Cephes' polynomial (tanhf), since 1 - 2 / (1 + exp 2x) would lose the small values.
static inline vec tanh_of(vec x) {
  const vec square = x * x;
  vec near = zero() - 5.70498872745e-3f;
  near = fma_of(near, square, zero() + 2.06390887954e-2f);
  near = fma_of(near, square, zero() - 5.37397155531e-2f);
  near = fma_of(near, square, zero() + 1.33314422036e-1f);
  near = fma_of(near, square, zero() - 3.33332819422e-1f);
  near = fma_of(near * square, x, x);
  const vec far = 1.0f - 2.0f / (1.0f + exp_of(x + x));
  return square < 0.625f * 0.625f ? near : far;
}
