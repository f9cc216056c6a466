"""Write tests/fixtures/torch_reference.npz: what torch.nn.{RNN,GRU,LSTM} compute, values and gradients, in float64.

Run where PyTorch is installed (it is no dependency): python scripts/export_references.py
Biases are random: zero biases would hide a missing term.
"""

from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "torch_reference.npz"
B, T, D, H = 3, 7, 4, 5
LAYERS = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}


def reference(arch: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights, inputs, outputs and gradients of one layer, batch-major.

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


def main() -> None:
    import torch

    arrays = {f"{arch}/{name}": value for arch in LAYERS for name, value in reference(arch).items()}
    np.savez_compressed(FIXTURE, torch_version=torch.__version__, **arrays)
    print(f"wrote {FIXTURE} ({FIXTURE.stat().st_size} bytes) from torch {torch.__version__}")


if __name__ == "__main__":
    main()
