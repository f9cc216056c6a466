"""What several tests share: cells and layers by their yaml, random weights, plain truths."""

import ast
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import yaml
from flax import nnx

from grux.config import build

ROOT = Path(__file__).resolve().parent.parent
ARCHS = sorted(path.stem for path in (ROOT / "configs" / "arch").glob("*.yaml"))


def arch_node(name: str) -> dict:
    """`configs/arch/<name>.yaml`."""
    return yaml.safe_load((ROOT / "configs" / "arch" / f"{name}.yaml").read_text())


CELLS = [name for name in ARCHS if "cell" in arch_node(name)]
"""Those that are one cell, which the engine runs; the others are layers of their own."""


def arch(name: str):
    """The layer constructor of `configs/arch/<name>.yaml`."""
    return build(arch_node(name))


def layer(name: str, in_features: int = 5, features: int = 7, seed: int = 0):
    """A layer whose every parameter, biases too, is random: zero biases hide missing terms."""
    module = arch(name)(in_features=in_features, features=features, rngs=nnx.Rngs(seed))
    return randomise(module, seed)


def randomise(module, seed: int, scale: float = 0.3, dtype=jnp.float32):
    """The module with normal noise added to every parameter, in `dtype`."""
    graph, params = nnx.split(module)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed + 100), len(leaves))
    noisy = [x.astype(dtype) + scale * jax.random.normal(k, x.shape, dtype) for x, k in zip(leaves, keys, strict=True)]
    return nnx.merge(graph, jax.tree.unflatten(structure, noisy))


def formula(docstring: str) -> str:
    """The expression after "Parameters:" in a cell's docstring."""
    lines = [line.split(":", 1)[1] for line in docstring.splitlines() if line.startswith("Parameters:")]
    assert len(lines) == 1, "the docstring must have one line 'Parameters: ...'"
    return lines[0].strip()


def evaluate(expression: str, **names: int) -> int:
    """The value of a formula made of +, * and names; nothing else is allowed in it."""

    def value(node: ast.AST) -> int:
        match node:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return value(left) + value(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return value(left) * value(right)
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id=name):
                return names[name]
        raise ValueError(f"{expression!r} may hold +, *, numbers and {sorted(names)} only")

    return value(ast.parse(expression, mode="eval").body)


def lengths_mask(lengths: list[int], steps: int):
    """bool [B, T], true on the first `lengths[b]` steps."""
    return jnp.arange(steps)[None, :] < jnp.array(lengths)[:, None]


def fitted(graph, state, task, data, *, steps: int, learning_rate: float):
    """The state after `steps` of Adam on the mean loss of one batch."""
    optimizer = optax.adam(learning_rate)

    def objective(state):
        total, count = task.loss(nnx.merge(graph, state)(data), data)
        return total / count

    def step(carry, _):
        state, memory = carry
        updates, memory = optimizer.update(jax.grad(objective)(state), memory)
        return (optax.apply_updates(state, updates), memory), None

    (state, _), _ = jax.jit(lambda c: jax.lax.scan(step, c, length=steps))((state, optimizer.init(state)))
    return state
