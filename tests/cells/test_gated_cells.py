"""What single non-linear cells promise, against the cell that they vary or their equations by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import arch, randomise

from grux.cells.base import GatedCell
from grux.cells.lstm_peephole import LSTMPeepholeCell
from grux.engine.run import run
from grux.errors import UsageError
from grux.layers.recurrent import Recurrent

B, T, D, H = 2, 4, 3, 5
OPEN = 100.0  # before a sigmoid: a gate of exactly one in float32


def cell(name: str, in_features: int = D, **options):
    return randomise(arch(name)(in_features=in_features, features=H, rngs=nnx.Rngs(0)).cell, 2, **options)


def normal(seed: int, *shape: int):
    return jax.random.normal(jax.random.key(seed), shape)


def arrays(seed: int, count: int):
    return tuple(normal(seed + n, B, H) for n in range(count))


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def close(a, b, atol=1e-6):
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, atol=atol), a, b)


def combined(name: str, carry, p, r, v=None):
    kind = type(arch(name)(in_features=1, features=1, rngs=nnx.Rngs(0)).cell)
    return kind.combine(carry, p, r) if v is None else kind.combine(carry, p, r, v)


def test_a_peephole_lstm_starts_as_an_lstm_and_departs_from_it():
    lstm, peephole = cell("lstm"), cell("lstm_peephole")
    for name in ("w_ih", "b_ih", "w_hh"):
        getattr(peephole, name)[...] = getattr(lstm, name)[...]
    x = normal(0, B, T, D)
    assert float(jnp.abs(run(peephole, x)[0] - run(lstm, x)[0]).max()) > 1e-3
    fresh = arch("lstm_peephole")(in_features=D, features=H, rngs=nnx.Rngs(0)).cell
    peephole.w_peephole[...] = fresh.w_peephole[...]
    close(run(peephole, x), run(lstm, x))


def test_peepholes_see_the_old_memory_but_the_output_gate_sees_the_new():
    (h, c), p, r = arrays(0, 2), arrays(10, 4), arrays(20, 4)
    v = tuple(normal(n, B, H) for n in (30, 31, 32))
    shown, memory = LSTMPeepholeCell.combine((h, c), p, r, v)
    i, f = (sigmoid(p[g] + r[g] + v[g] * c) for g in (0, 1))
    new = f * c + i * np.tanh(p[2] + r[2])
    close((shown, memory), (sigmoid(p[3] + r[3] + v[2] * new) * np.tanh(new), new))


# Each variant as the full cell with one gate forced: gates i, f, g, o of p, r and peepholes i, f, o of v.
def full(p, r, v):
    return LSTMPeepholeCell.combine(arrays(0, 2), p, r, v)


ZERO, FORCED = jnp.zeros((B, H)), jnp.full((B, H), OPEN)
P, R, V = arrays(10, 4), arrays(20, 4), arrays(30, 3)


@pytest.mark.parametrize(
    ("name", "own", "same"),
    [
        (
            "lstm_nig",
            (P[1:], R[1:], V[1:]),
            lambda: full((FORCED, *P[1:]), (ZERO, *R[1:]), (ZERO, *V[1:])),
        ),
        (
            "lstm_nfg",
            ((P[0], *P[2:]), (R[0], *R[2:]), (V[0], V[2])),
            lambda: full((P[0], FORCED, *P[2:]), (R[0], ZERO, *R[2:]), (V[0], ZERO, V[2])),
        ),
        (
            "lstm_nog",
            (P[:3], R[:3], V[:2]),
            lambda: full((*P[:3], FORCED), (*R[:3], ZERO), (*V[:2], ZERO)),
        ),
        (
            "lstm_niaf",
            ((*P[:2], jnp.tanh(P[2]), P[3]), (*R[:2], ZERO, R[3]), V),
            lambda: full(P, (*R[:2], ZERO, R[3]), V),
        ),
        (
            "lstm_cifg",
            (P[1:], R[1:], V[1:]),
            lambda: full((-P[1], *P[1:]), (-R[1], *R[1:]), (-V[1], *V[1:])),
        ),
    ],
)
def test_a_variant_is_the_full_cell_with_one_thing_fixed(name, own, same):
    close(combined(name, arrays(0, 2), *own), same())


def test_without_output_activation_the_memory_itself_is_shown():
    (shown, memory), (full_shown, full_memory) = combined("lstm_noaf", arrays(0, 2), P, R, V), full(P, R, V)
    close(memory, full_memory)
    close(shown / memory, full_shown / jnp.tanh(full_memory), atol=1e-5)


def test_cifg_writes_what_it_forgets():
    carry = arrays(0, 2)
    plain = combined("cifg", carry, P[1:], R[1:])
    close(plain, combined("lstm_cifg", carry, P[1:], R[1:], (ZERO, ZERO)))
    f = sigmoid(P[1] + R[1])
    close(plain[1], f * carry[1] + (1 - f) * np.tanh(P[2] + R[2]))


def test_full_gate_recurrence_without_its_matrices_is_the_peephole_lstm():
    full_gates, peephole = cell("lstm_fgr"), cell("lstm_peephole")
    for name in ("w_ih", "b_ih", "w_hh", "w_peephole"):
        getattr(peephole, name)[...] = getattr(full_gates, name)[...]
    x = normal(0, B, T, D)
    assert float(jnp.abs(run(full_gates, x)[0] - run(peephole, x)[0]).max()) > 1e-3
    full_gates.w_gates[...] = jnp.zeros_like(full_gates.w_gates[...])
    close(run(full_gates, x)[0], run(peephole, x)[0])


@pytest.mark.parametrize(("to", "source"), [(0, 1), (1, 2), (2, 0)])
def test_a_gate_of_full_recurrence_sees_the_last_value_of_another(to, source):
    lstm = cell("lstm_fgr")
    lstm.w_gates[...] = jnp.zeros((3, 3, H, H)).at[to, source].set(OPEN * jnp.eye(H))
    before = [jnp.zeros((B, H))] * 5
    before[2 + source] = jnp.ones((B, H))
    (_, _, *gates), _ = lstm.step(tuple(before), arrays(0, 4))
    assert [bool((gate > 0.99999).all()) for gate in gates] == [number == to for number in range(3)]


def test_mgu_and_atr_by_hand():
    (h,), p, r = arrays(0, 1), arrays(10, 2), arrays(20, 2)
    f = sigmoid(p[0] + r[0])
    close(combined("mgu", (h,), p, r), ((1 - f) * h + f * np.tanh(p[1] + f * r[1]),))
    i, f = sigmoid(p[0] + r[0]), sigmoid(p[0] - r[0])
    close(combined("atr", (h,), p[:1], r[:1]), (i * p[0] + f * h,))


def test_an_identity_rnn_without_input_copies_its_state_and_the_gradient():
    fresh = arch("irnn")(in_features=D, features=H, rngs=nnx.Rngs(0)).cell
    h = jnp.abs(normal(0, B, H)) + 0.1
    last = lambda h: run(fresh, jnp.zeros((B, 50, D)), carry=(h,))[1][0]  # noqa: E731
    np.testing.assert_array_equal(last(h), h)
    np.testing.assert_array_equal(jax.grad(lambda h: last(h).sum())(h), jnp.ones((B, H)))


@pytest.mark.parametrize("max_steps", [1, 20, 1000])
def test_an_independent_unit_starts_with_a_bounded_gain(max_steps):
    fresh = arch("indrnn")(in_features=D, features=4000, rngs=nnx.Rngs(0)).cell
    fresh = type(fresh)(in_features=1, features=4000, max_steps=max_steps, rngs=nnx.Rngs(0))
    gains = np.asarray(fresh.u[...], np.float64) ** max_steps
    assert gains.min() >= 0 and 0.9 * 2 < gains.max() <= 2 * (1 + 1e-6 * max_steps)


def test_units_of_an_indrnn_see_only_their_own_past():
    indrnn = cell("indrnn")
    assert not hasattr(indrnn, "w_hh")
    p = (jnp.full((1, H), 10.0),)  # away from the corner of relu
    jacobian = jax.jacobian(lambda h: indrnn.step((h[None],), p)[1][0])(normal(0, H))
    close(jacobian, jnp.diag(indrnn.u[...]))


def negated_update(p, w):
    """A GRU's z is how much is kept; a MUT's, how much is replaced."""
    return (p[1], -p[0], p[2]), jnp.stack([w[1], -w[0], w[2]])


def gru_step(h, p, w):
    gru = cell("gru_reset_before")
    gru.w_hh[...] = w
    return gru.step((h,), p)[1]


def test_mut1_squashes_its_input_and_its_update_gate_does_not_look_back():
    mut, x, h = cell("mut1"), normal(0, B, D), normal(1, B, H)
    w, b, (w_r, w_n) = mut.w_ih[...], mut.b_ih[...], mut.w_hh[...]
    p = (x @ w[0] + b[0][None], x @ w[1] + b[1][None], jnp.tanh(x @ w[2]) + b[2][None])
    close(mut.step((h,), mut.project(x))[1], gru_step(h, *negated_update(p, [jnp.zeros((H, H)), w_r, w_n])), atol=1e-5)


@pytest.mark.parametrize("in_features", [H, H - 2, H + 2])
def test_mut2_resets_by_the_input_itself(in_features):
    mut, x, h = cell("mut2", in_features), normal(0, B, in_features), normal(1, B, H)
    w, b = mut.w_ih[...], mut.b_ih[...]
    as_wide = jnp.eye(in_features, H)
    p = (x @ w[0] + b[0][None], x @ as_wide + mut.b_r[...][None], x @ w[1] + b[1][None])
    close(mut.step((h,), mut.project(x))[1], gru_step(h, *negated_update(p, mut.w_hh[...])), atol=1e-5)


def test_mut3_updates_by_the_squashed_state():
    mut, h, p = cell("mut3"), normal(1, B, H), arrays(10, 3)
    w_z, w_r, w_n = mut.w_hh[...]
    p_gru, w_gru = negated_update((p[0] + jnp.tanh(h) @ w_z, *p[1:]), [jnp.zeros((H, H)), w_r, w_n])
    close(mut.step((h,), p)[1], gru_step(h, p_gru, w_gru), atol=1e-5)


def test_slstm_equals_its_definition_without_a_stabiliser(float64):
    slstm = cell("slstm", dtype=jnp.float64)
    x = normal(0, B, T, D)
    y, _ = run(slstm, x)
    h, c, n = (np.zeros((B, H)) for _ in range(3))
    for t in range(T):
        i, f, z, o = (p + h @ w for p, w in zip(slstm.project(x[:, t]), slstm.w_hh[...], strict=True))
        c = sigmoid(f) * c + np.exp(i) * np.tanh(z)
        n = sigmoid(f) * n + np.exp(i)
        h = sigmoid(o) * c / n
        np.testing.assert_allclose(y[:, t], h, atol=1e-12)


@pytest.mark.parametrize("strategy", ["sequential", "gated"])
@pytest.mark.parametrize("i", [-200.0, 200.0])
@pytest.mark.parametrize("f", [-200.0, 200.0])
def test_slstm_survives_large_gates(i, f, strategy):
    slstm = cell("slstm")
    slstm.b_ih[...] = slstm.b_ih[...].at[0].set(i).at[1].set(f)
    graph, params = nnx.split(slstm)
    x = normal(0, B, T, D)

    def loss(params, x):
        y, last = run(nnx.merge(graph, params), x, strategy=strategy)
        return (y**2).sum() + sum(c.sum() for c in last), y

    (_, y), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(params, x)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((y, gradients)))
    assert 0 < float(jnp.abs(y).max()) <= 1


def test_slstm_takes_a_carry_that_it_could_not_have_made():
    """A bridge hands over any numbers, a normaliser near zero among them."""
    carry = (ZERO, ZERO + 1.0, ZERO - 1e-9, ZERO + 200.0)
    y, _ = run(cell("slstm"), normal(0, B, T, D), carry=carry)
    assert bool((jnp.abs(y) <= 1).all())


@pytest.mark.parametrize(
    ("name", "gate"),
    [
        *(("cifg", 0), ("lstm_nig", 0), ("lstm_cifg", 0), ("lstm", 1), ("lstm_peephole", 1), ("lstm_nog", 1)),
        *(("lstm_niaf", 1), ("lstm_noaf", 1), ("lstm_fgr", 1), ("slstm", 1)),
    ],
)
def test_only_the_forget_gate_starts_with_a_bias(name, gate):
    bias = arch(name)(in_features=2, features=3, rngs=nnx.Rngs(0)).cell.b_ih[...]
    assert [float(b.sum()) for b in bias] == [3.0 * (number == gate) for number in range(len(bias))]


class Ill(GatedCell):
    """What an author may get wrong: gates that are not there, a carry that is no tuple, or one array too many."""

    gates = 2
    wrong = ""

    @staticmethod
    def combine(carry, p, r):
        (h,) = carry
        if Ill.wrong == "gates":
            _, _, _ = p
        return {"bare": h, "two": (h, h)}.get(Ill.wrong, (h,))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            "gates",
            r"Ill cannot take a step: ValueError in .*test_gated_cells.py, line \d+: not enough values .* gates=2",
        ),
        ("bare", r"Ill (gives|cannot take a step: ).* carries=1"),  # where types are checked that comes first
        ("two", r"Ill gives \[\(2, 3\), \(2, 3\)\] as the carry of two rows, and carries=1 wants"),
    ],
)
def test_a_cell_that_does_not_fit_together_is_named(monkeypatch, wrong: str, words: str):
    def layer():
        return Recurrent(cell=Ill, in_features=4, features=3, rngs=nnx.Rngs(0))

    layer()
    monkeypatch.setattr(Ill, "wrong", wrong)
    with pytest.raises(UsageError, match=words):
        layer()
