// The sizes of one call, and which steps of which rows are padding.

#pragma once
#include <cstddef>

#include "product.h"

constexpr int LINE = 16;  // floats in a cache line
constexpr int FEW = 16;   // rows times steps; for fewer, packing the weights costs more than it gains

struct Problem {
  int B, T, D, H;
  bool reverse;
  const bool* mask;  // [B, T] or null

  bool few() const { return B <= 4 && B * T < FEW && H % W == 0; }
  int wide() const { return padded(H); }
  // From one row to the next in scratch: not a power of two, or rows would compete for the same lines of the cache.
  int stride() const { return wide() + LINE; }
  int x_stride() const { return D + LINE; }
  int time(int n) const { return reverse ? T - 1 - n : n; }  // of the n-th step; its own inverse
  size_t row(int b, int t) const { return size_t(b) * T + t; }
  bool held(int b, int t) const { return mask && !mask[row(b, t)]; }
  bool all_held(int b, int many, int t) const {
    for (int r = 0; r < many; ++r)
      if (!held(b + r, t)) return false;
    return true;
  }
};

// What the backward pass needs of each step beside y, [T, B, COUNT, line]: the saved gates and, where there is one, the
// second carry. Time-major, so that a step writes to one place.
template <class Cell>
struct Kept {
  static constexpr int COUNT = Cell::SAVED + Cell::CARRIES - 1, SECOND = Cell::SAVED;
  static int line(const Problem& s) { return (s.H + LINE - 1) / LINE * LINE; }
  static size_t at(const Problem& s, int t, int b) { return (size_t(t) * s.B + b) * COUNT * line(s); }
};
