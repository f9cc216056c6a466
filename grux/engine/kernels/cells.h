// The cells, elementwise: what a step does once its products are there, and its derivatives, those of the equations at
// the top of grux/cells/*.py.
//
// `step` gets the sum of both sides of each gate, but for the gate APART, whose recurrent side is in the sums and whose
// input side comes by itself. `back` turns the cotangent of the carry into that of its elementwise past, and into
// deltas: those of the input sides of the gates come first, in the order FIRST, FIRST + 1 ... (around), the last GATES of
// them belong to the recurrent sides, in the order of the gates.

#pragma once
#include "lanes.h"

struct Elman {
  static constexpr int GATES = 1, CARRIES = 1, SAVED = 0, DELTAS = 1, APART = -1, FIRST = 0;

  template <class V>
  INLINED static void step(const V* sum, const V&, V* carry, V*) {
    carry[0] = tanh_of(sum[0]);
  }

  template <class V>
  INLINED static void back(const V*, const V*, const V* after, V* d_carry, V* delta) {
    delta[0] = d_carry[0] * (1.0f - after[0] * after[0]);
    d_carry[0] = 0.0f;
  }
};

struct Gru {  // gates: r, z, n; saved: r, z, n and the recurrent side of n; deltas: n, r, z and that side
  static constexpr int GATES = 3, CARRIES = 1, SAVED = 4, DELTAS = 4, APART = 2, FIRST = 2;

  template <class V>
  INLINED static void step(const V* sum, const V& input_side, V* carry, V* saved) {
    const V reset = sigmoid_of(sum[0]), update = sigmoid_of(sum[1]);
    const V fresh = tanh_of(fma_of(reset, sum[2], input_side));
    carry[0] = fma_of(update, carry[0] - fresh, fresh);
    saved[0] = reset, saved[1] = update, saved[2] = fresh, saved[3] = sum[2];
  }

  template <class V>
  INLINED static void back(const V* saved, const V* before, const V*, V* d_carry, V* delta) {
    const V reset = saved[0], update = saved[1], fresh = saved[2], side = saved[3], d = d_carry[0];
    const V d_fresh = d * (1.0f - update) * (1.0f - fresh * fresh);
    delta[0] = d_fresh;
    delta[1] = d_fresh * side * reset * (1.0f - reset);
    delta[2] = d * (before[0] - fresh) * update * (1.0f - update);
    delta[3] = d_fresh * reset;
    d_carry[0] = d * update;
  }
};

struct Lstm {  // carries h, c; gates and saved: i, f, g, o
  static constexpr int GATES = 4, CARRIES = 2, SAVED = 4, DELTAS = 4, APART = -1, FIRST = 0;

  template <class V>
  INLINED static void step(const V* sum, const V&, V* carry, V* saved) {
    const V write = sigmoid_of(sum[0]), keep = sigmoid_of(sum[1]);
    const V fresh = tanh_of(sum[2]), show = sigmoid_of(sum[3]);
    carry[1] = fma_of(keep, carry[1], write * fresh);
    carry[0] = show * tanh_of(carry[1]);
    saved[0] = write, saved[1] = keep, saved[2] = fresh, saved[3] = show;
  }

  template <class V>
  INLINED static void back(const V* saved, const V* before, const V* after, V* d_carry, V* delta) {
    const V write = saved[0], keep = saved[1], fresh = saved[2], show = saved[3], shown = tanh_of(after[1]);
    const V d_c = fma_of(d_carry[0] * show, 1.0f - shown * shown, d_carry[1]);
    delta[0] = d_c * fresh * write * (1.0f - write);
    delta[1] = d_c * before[1] * keep * (1.0f - keep);
    delta[2] = d_c * write * (1.0f - fresh * fresh);
    delta[3] = d_carry[0] * shown * show * (1.0f - show);
    d_carry[0] = 0.0f, d_carry[1] = d_c * keep;
  }
};
