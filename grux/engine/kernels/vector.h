// A vector of floats as wide as the machine has it.

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

// Where a call would pass vectors through memory.
#define ALWAYS_INLINE __attribute__((always_inline))
#define INLINED ALWAYS_INLINE inline

typedef float vec __attribute__((vector_size(W * 4)));
typedef int32_t ints __attribute__((vector_size(W * 4)));
typedef float loose_vec __attribute__((vector_size(W * 4), aligned(4), may_alias));

static inline vec zero() { return vec{}; }
static inline vec spread(float x) { return x - vec{}; }  // minus: x + 0 is not x where x is -0, so it would be computed
static inline vec load(const float* from) { return *reinterpret_cast<const loose_vec*>(from); }
static inline void store(float* to, vec x) { *reinterpret_cast<loose_vec*>(to) = x; }

// Keeps x in a register: left to itself the compiler may read it from memory again at each use, and the loads, not the
// multiply-adds, become the bound.
static inline vec kept(vec x) {
#if defined(__AVX__)
  asm("" : "+v"(x));
#elif defined(__aarch64__)
  asm("" : "+w"(x));
#endif
  return x;
}

// x * y + z in one rounding where the machine has it. Written out, and contraction switched off elsewhere: by itself
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

// x between two bounds. A NaN stays a NaN: the instructions give their second operand then.
static inline vec within(vec low, vec high, vec x) {
#if defined(__AVX512F__)
  return (vec)_mm512_min_ps((__m512)high, _mm512_max_ps((__m512)low, (__m512)x));
#elif defined(__AVX__)
  return (vec)_mm256_min_ps((__m256)high, _mm256_max_ps((__m256)low, (__m256)x));
#else
  x = x < low ? low : x;
  return x > high ? high : x;
#endif
}

// The first n of a vector, which may be more than there are; the others are read as zero and not written.
#if defined(__AVX__) && !defined(__AVX512F__)
static inline __m256i first_of(int n) {
  static constexpr int32_t ON[2 * W] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ON + W - n));
}
#endif

static inline vec load_some(const float* from, int n) {
  if (__builtin_expect(n >= W, 1)) return load(from);
#if defined(__AVX512F__)
  return (vec)_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), from);
#elif defined(__AVX__)
  return (vec)_mm256_maskload_ps(from, first_of(n));
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
#elif defined(__AVX__)
  _mm256_maskstore_ps(to, first_of(n), (__m256)x);
#else
  std::memcpy(to, &x, n * sizeof(float));
#endif
}
