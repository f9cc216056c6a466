"""The axis legend, and short names for annotated arrays.

    B  batch rows          T  input steps         S  target steps
    D  input features      H  hidden features     G  gates
    V  vocabulary          C  classes             N  examples

Signatures carry shapes as `Float[Array, "B T H"]`; the tests check them at run time. Time-major arrays ("T B H")
live inside `grux.engine` only.
"""

from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

Key = PRNGKeyArray

__all__ = ["Array", "Bool", "Float", "Int", "Key"]
