"""Our own permutation of range(n): a pure function of (seed, epoch, stream), the same on every machine.

A Feistel network over the bits of the index: each round xors one half with a keyed hash of the other, which is a
bijection of the next power of two whatever the hash is; values that fall outside range(n) walk on along their cycle
until they come back in (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). Generators of libraries may
change their stream between versions; this one is fixed by golden values in its test.
"""

import hashlib

import numpy as np

ROUNDS = 12  # small domains need more rounds than the four of Luby and Rackoff 1988 to look random
MIX_1 = np.uint64(0xFF51AFD7ED558CCD)  # finaliser of MurmurHash3, Appleby 2011
MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
SHIFT = np.uint64(33)


def permutation(n: int, *, seed: int, epoch: int, stream: str) -> np.ndarray:
    """int32 [n]: each of 0..n-1 once. `stream` tells apart permutations of one seed and epoch."""
    if not 0 <= n < 2**31:
        raise ValueError(f"n={n} must be at least 0 and below 2**31.")
    if n < 2:
        return np.arange(n, dtype=np.int32)
    bits = max(2, (n - 1).bit_length())
    keys = _keys(ROUNDS, seed, epoch, stream)
    values = _network(np.arange(n, dtype=np.uint64), bits, keys)
    outside = np.flatnonzero(values >= n)
    while len(outside):
        values[outside] = _network(values[outside], bits, keys)
        outside = outside[values[outside] >= n]
    return values.astype(np.int32)


def random_integers(n: int, *, below: int, seed: int, stream: str) -> np.ndarray:
    """int32 [n] in 0..below-1, for generated data; the bias of the remainder is below 2**-32."""
    (key,) = _keys(1, seed, 0, stream)
    return (_mix(np.arange(n, dtype=np.uint64), key) % np.uint64(below)).astype(np.int32)


def _keys(count: int, seed: int, epoch: int, stream: str) -> np.ndarray:
    text = f"grux permutation 1/{seed}/{epoch}/{stream}".encode()
    return np.frombuffer(hashlib.shake_256(text).digest(8 * count), dtype="<u8").astype(np.uint64)


def _mix(x: np.ndarray, key: np.uint64) -> np.ndarray:
    # Unsigned arithmetic wraps modulo 2**64, silently for arrays.
    x = x * MIX_2 + key
    x = (x ^ (x >> SHIFT)) * MIX_1
    x = (x ^ (x >> SHIFT)) * MIX_2
    return x ^ (x >> SHIFT)


def _network(x: np.ndarray, bits: int, keys: np.ndarray) -> np.ndarray:
    low_bits = np.uint64(bits // 2)
    low_mask = np.uint64((1 << (bits // 2)) - 1)
    high_mask = np.uint64((1 << (bits - bits // 2)) - 1)
    high, low = x >> low_bits, x & low_mask
    for number, key in enumerate(keys):
        if number % 2:
            high = high ^ (_mix(low, key) & high_mask)
        else:
            low = low ^ (_mix(high, key) & low_mask)
    return (high << low_bits) | low
