"""Write tests/fixtures/{torch,keras}_reference.npz: what the layers of others compute, values and gradients.

Run where they are installed (neither is a dependency):

    python scripts/export_references.py torch    # torch.nn.{RNN,GRU,LSTM}
    python scripts/export_references.py keras    # keras.layers.{SimpleRNN,GRU,LSTM}, on the backend of JAX

Biases are random: zero biases would hide a missing term.
"""

import os
import sys
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
B, T, D, H = 3, 7, 4, 5
LAYERS = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}


def reference(arch: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights, inputs, outputs and gradients of one layer, batch-major, in float64.

    The loss weighs the outputs by a cosine and the last carry by a sine, so that no two entries count the same.
    Keys: x, h0 (and c0), w_ih, w_hh, b_ih, b_hh in PyTorch's layout; y, hn (and cn); d_<name> for each gradient.
    """
    import torch

    torch.manual_seed(seed)
    layer = getattr(torch.nn, LAYERS[arch])(D, H, batch_first=True).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    carry = [torch.randn(1, B, H, dtype=torch.float64, requires_grad=True) for _ in range(2 if arch == "lstm" else 1)]
    y, last = layer(x, tuple(carry) if arch == "lstm" else carry[0])
    last = list(last) if arch == "lstm" else [last]

    def weigh(a, f):
        return (a * f(torch.arange(a.numel(), dtype=torch.float64).reshape(a.shape))).sum()

    (weigh(y, torch.cos) + sum(weigh(c[0], torch.sin) for c in last)).backward()
    names = {"x": x, "h0": carry[0], "w_ih": layer.weight_ih_l0, "w_hh": layer.weight_hh_l0}
    names |= {"b_ih": layer.bias_ih_l0, "b_hh": layer.bias_hh_l0} | ({"c0": carry[1]} if arch == "lstm" else {})
    found = {name: value.detach().numpy() for name, value in names.items()}
    found |= {f"d_{name}": value.grad.numpy() for name, value in names.items()}
    found |= {"y": y.detach().numpy(), "hn": last[0].detach().numpy()}
    return found | ({"cn": last[1].detach().numpy()} if arch == "lstm" else {})


def deep_reference(arch: str, seed: int = 1) -> dict[str, np.ndarray]:
    """The state dict of two levels in both directions, x, y and d_x (the outputs weighed by a cosine), in float64."""
    import torch

    torch.manual_seed(seed)
    kind, options = {"irnn": ("RNN", {"nonlinearity": "relu"})}.get(arch) or (LAYERS[arch], {})
    layer = getattr(torch.nn, kind)(D, H, 2, batch_first=True, bidirectional=True, **options).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    y, _ = layer(x)
    (y * torch.cos(torch.arange(y.numel(), dtype=y.dtype).reshape(y.shape))).sum().backward()
    assert x.grad is not None
    found = {"x": x.detach(), "y": y.detach(), "d_x": x.grad, **layer.state_dict()}
    return {name: value.numpy() for name, value in found.items()}


KERAS_LAYERS = {
    "elman": ("SimpleRNN", {}),
    "gru": ("GRU", {"reset_after": True}),
    "gru_reset_before": ("GRU", {"reset_after": False}),
    "lstm": ("LSTM", {}),
}
KERAS_SHAPES = {"deep": {"depth": 2, "bidirectional": True, "bias": True}}
KERAS_SHAPES["plain"] = {"depth": 1, "bidirectional": False, "bias": False}


def keras_reference(arch: str, shape: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights, inputs, outputs and the gradient of the inputs of a Sequential with one layer or several.

    Each direction has H units. The loss weighs the outputs by a cosine. Keys: x, y, d_x, and w0, w1, ... in the order
    of `get_weights()`. In float32: Keras knows float64 on TensorFlow only.
    """
    os.environ["KERAS_BACKEND"] = "jax"
    import jax
    import jax.numpy as jnp
    import keras

    kind, options = KERAS_LAYERS[arch]
    how = KERAS_SHAPES[shape]

    def layer():
        one = getattr(keras.layers, kind)(H, return_sequences=True, use_bias=how["bias"], **options)
        return keras.layers.Bidirectional(one) if how["bidirectional"] else one

    model = keras.Sequential([keras.Input((T, D)), *(layer() for _ in range(how["depth"]))])
    draw = np.random.default_rng(seed)
    weights = [draw.normal(0, 0.5, w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)

    def loss(x):
        y = model(x)
        return (y * jnp.cos(jnp.arange(y.size, dtype=y.dtype).reshape(y.shape))).sum(), y

    x = jnp.asarray(draw.normal(size=(B, T, D)), jnp.float32)
    d_x, y = jax.grad(loss, has_aux=True)(x)
    found = {name: np.asarray(value) for name, value in {"x": x, "y": y, "d_x": d_x}.items()}
    return found | {f"w{i}": w for i, w in enumerate(weights)}


def write(framework: str, arrays: dict[str, np.ndarray]) -> None:
    version = sys.modules[framework].__version__
    path = FIXTURES / f"{framework}_reference.npz"
    np.savez_compressed(path, **{f"{framework}_version": version}, **arrays)
    print(f"wrote {path} ({path.stat().st_size} bytes) from {framework} {version}")


def main(frameworks: list[str]) -> None:
    if "torch" in frameworks:
        plain = {f"{arch}/{name}": value for arch in LAYERS for name, value in reference(arch).items()}
        deep = {f"deep/{arch}/{n}": value for arch in (*LAYERS, "irnn") for n, value in deep_reference(arch).items()}
        write("torch", plain | deep)
    if "keras" in frameworks:
        cases = [(arch, shape) for arch in KERAS_LAYERS for shape in KERAS_SHAPES]
        found = {(*case, name): value for case in cases for name, value in keras_reference(*case).items()}
        write("keras", {"/".join(key): value for key, value in found.items()})


if __name__ == "__main__":
    main(sys.argv[1:] or ["torch", "keras"])
