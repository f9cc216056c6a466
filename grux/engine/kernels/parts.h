// Even parts of work.

#pragma once
#include <cstdint>

// Where the i-th of n even parts of a size begins.
static inline int part(int size, int i, int n) { return int(int64_t(size) * i / n); }
