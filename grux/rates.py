"""Rates of dropout: plain numbers, or variables where each member of a program has a rate of its own.

A plain rate is part of the program. A `Rate` is an input of it, so that one program serves many rates; it is no
parameter: nothing trains it.
"""

import math

import numpy as np
from flax import nnx

from grux.arguments import Probability
from grux.shapes import Array

STEP = 2.0**-24
"""Distance of float32 numbers just below 1."""


class Rate(nnx.Variable):
    """float32 []: a rate that is an input of the program."""


AnyRate = Probability | Rate


def value(rate: AnyRate) -> float | Array:
    """The number, to calculate with."""
    return rate[...] if isinstance(rate, Rate) else rate


def as_float32(rate: float) -> np.float32:
    """The float32 rate that draws the masks of the plain number: 1 - rate must come to the same share of 1.

    A plain 1 - rate is rounded once, to float32; a float32 rate that is taken from 1 would be rounded twice. Uniform
    draws are multiples of 2^-23, so rounding a share below 1/2 up to a multiple of 2^-24 moves no draw over it.
    """
    kept = float(np.float32(1.0 - rate))
    return np.float32(1.0 - math.ceil(kept / STEP) * STEP)
