"""`grux probe`: what a finished run remembers: its score on sequences of any length, its gradient norm by lag."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grux.commands.use import parser, trained, within
from grux.errors import UsageError

if TYPE_CHECKING:
    from grux.data.answers import Answers
    from grux.results.figure import Figure
    from grux.trained import Trained

EXAMPLES = """\
  grux probe gru-probes-1a2b3c4d --lengths 10,20,50,100    accuracy on fresh sequences, gradient norm by lag
  grux probe lstm-adding --json                            half, once, twice and four times the lengths of training
  grux probe RUN --picture probe.png                       the same, drawn
  grux probe gru-ptb                                       a run on other data: gradient norm by lag alone
"""
COUNT = 256
MOST_STEPS = 1 << 15  # of a batch, all its rows together
GENERATED = ("probes", "adding")
"""The data sets that make sequences of any length."""


def run(arguments: Sequence[str]) -> int:
    made = parser("probe", "What a finished run remembers: score by length, gradient norm by lag.", EXAMPLES)
    made.add_argument("--lengths", metavar="N,N,...", help="default: 1/2, 1, 2 and 4 times the longest of training")
    made.add_argument(
        "--count", type=within(int, 1, 1_000_000), metavar="N", help=f"sequences of each length (default: {COUNT})"
    )
    made.add_argument("--json", action="store_true", help="an object: by_length, gradient_by_lag, window")
    made.add_argument("--picture", metavar="FILE", help="draw both as well, into a .png or .svg file")
    given = made.parse_args(arguments)
    lengths = _lengths(given.lengths)
    if given.picture:
        from grux.commands.pictures import kind_of

        kind_of(given.picture)

    model = trained(given, None)
    if own := _generated(model):
        found = _probed(model, lengths or _usual(model), given.count or COUNT)
    else:
        if lengths or given.count:
            raise UsageError(
                f"{model.title} has no sequences of any length to make, as {' and '.join(GENERATED)} have; leave out "
                "--lengths and --count for the gradient norm by lag alone."
            )
        found = {"gradient_by_lag": _recorded(model)}
    found = {"run": model.run.run_id, "seed": model.seed, **found, "window": reach(model.model)}
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        print(_table(model, found))
    if given.picture:
        from grux.commands.pictures import write_picture

        write_picture(_figure(model, found, own), given.picture)
    return 0


def _lengths(text: str | None) -> list[int]:
    """Whole numbers, ascending; [] where none are given."""
    try:
        found = sorted({int(word) for word in text.split(",")}) if text is not None else []
    except ValueError:
        found = [0]
    if found and found[0] < 1:
        raise UsageError(f"--lengths {text} must be whole numbers >= 1 with commas between them, such as 10,20,50.")
    return found


def _generated(model: "Trained") -> str | None:
    """The data set of the run, where it is one that makes sequences of any length."""
    target = model.run.config["data"]["_target_"]
    return next((name for name in GENERATED if target == f"grux.data.{name}.{name}"), None)


def _settings(model: "Trained") -> dict[str, Any]:
    return model.run.config["data"]


def _there(model: "Trained") -> Sequence[int]:
    """The lengths that sequences of the data of the run can have."""
    from grux.data import adding, probes

    return adding.LENGTHS if _generated(model) == "adding" else probes.lengths_there(_settings(model)["name"])


def _usual(model: "Trained") -> list[int]:
    """Half, once, twice and four times the longest of training, each the next one below that there is."""
    there, longest = _there(model), _settings(model)["train_length"]
    wanted = (longest // 2, longest, 2 * longest, 4 * longest)
    return sorted({max((n for n in there[: want + 1] if n <= want), default=there[0]) for want in wanted})


def _fresh(model: "Trained", length: int, count: int) -> "Answers":
    from grux.data import adding, probes

    data = _settings(model)
    if _generated(model) == "adding":
        return adding.fresh(length, count=count, seed=data["data_seed"])
    return probes.fresh(data["name"], length, count=count, seed=data["data_seed"])


def _probed(model: "Trained", lengths: list[int], count: int) -> dict[str, Any]:
    """Scores on `count` fresh sequences of each length, and the gradient by lag on the longest of them."""
    data = _settings(model)
    made = {length: _fresh(model, length, count) for length in lengths}  # all, before the first program is compiled
    return {
        "trained_lengths": [data["shortest"], data["train_length"]],
        "by_length": [
            {"length": length, "sequences": count, **_scores(model, sequences)} for length, sequences in made.items()
        ],
        "gradient_by_lag": _gradient(model, made[lengths[-1]]),
    }


def _scores(model: "Trained", sequences: "Answers") -> dict[str, float]:
    """Every metric of the task of the run."""
    import jax
    import numpy as np

    from grux.config import build
    from grux.data.base import in_batches

    task = build(model.run.config["task"])(info=model.info)
    rows = max(1, min(64, MOST_STEPS // sequences.shape[0]))
    score = jax.jit(lambda batch: task.metrics(model.model(batch, key=None), batch))
    totals = None
    for batch, _ in in_batches(sequences, rows):
        sums = jax.tree.map(lambda x: np.asarray(x, np.float64), score(batch))
        totals = sums if totals is None else jax.tree.map(np.add, totals, sums)
    return task.summarise(totals)


def _gradient(model: "Trained", sequences: "Answers") -> dict[str, Any]:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from grux.data.base import take_rows
    from grux.training.lag import MOST_EXAMPLES, norms_of, spaced_lags

    steps = sequences.shape[0]
    rows = max(1, min(sequences.size, MOST_EXAMPLES, MOST_STEPS // steps))
    batch = jax.tree.map(jnp.asarray, take_rows(sequences, sequences.arrays, np.arange(rows, dtype=np.int32)))
    lags = spaced_lags(steps)
    norms = jax.jit(lambda batch: norms_of(model.model, batch, lags))(batch)
    return {"lags": lags, "norms": np.asarray(norms).astype(float).tolist(), "examples": rows}


def _recorded(model: "Trained") -> dict[str, Any]:
    """What the run wrote down when it was finished, on its own validation data."""
    record = model.run.record or {}
    probe = record.get("gradient_by_lag")
    if not probe:
        raise UsageError(f"{model.title} has no gradient norms by lag in its record; train it again with force=true.")
    number = [row["seed"] for row in record["seeds"]].index(model.seed)
    return {"lags": probe["lags"], "norms": probe["norms"][number], "examples": probe["examples"][0]}


def reach(model: Any) -> int | None:
    """Steps that an output can depend on, its own included.

    None where a recurrence lets it depend on all before, or where the model does not answer step by step.
    """
    from flax import nnx

    from grux.layers.recurrent import Recurrent
    from grux.layers.self_attention import SelfAttention
    from grux.layers.tcn import Convolution

    parts = [module for _, module in nnx.iter_modules(model)]
    if not hasattr(model, "run") or any(isinstance(part, Recurrent) for part in parts):
        return None
    windows = [part.context - 1 for part in parts if isinstance(part, SelfAttention)]
    windows += [part.reach for part in parts if isinstance(part, Convolution)]
    return 1 + sum(windows) if windows else None


def _title(model: "Trained") -> str:
    name = _settings(model).get("name")
    return model.title.replace(", seed", f" ({name}), seed") if _generated(model) and name else model.title


def _table(model: "Trained", found: dict[str, Any]) -> str:
    from grux.results.units import Unit, decimals_for

    lines = [_title(model)]
    if rows := found.get("by_length"):
        low, high = found["trained_lengths"]
        lines[0] += f", trained on lengths {low} to {high}"
        metrics = [name for name in rows[0] if name not in ("length", "sequences")]
        units = [Unit(name, "", None, decimals_for(name, [row[name] for row in rows], [])) for name in metrics]
        lines += ["", "".join(f"{word:>16}" for word in ("length", *(unit.name for unit in units)))]
        for row in rows:
            numbers = [str(row["length"]), *(unit.number(row[unit.metric]) for unit in units)]
            lines.append("".join(f"{number:>16}" for number in numbers) + "  beyond training" * (row["length"] > high))
    gradient = found["gradient_by_lag"]
    lines += ["", "".join(f"{word:>16}" for word in ("lag", "gradient norm"))]
    lines += [f"{lag:>16}{norm:>16.3g}" for lag, norm in zip(gradient["lags"], gradient["norms"], strict=True)]
    if found["window"]:
        lines += ["", f"An output of this model depends on its last {found['window']} steps and on nothing before."]
    return "\n".join(lines)


def _figure(model: "Trained", found: dict[str, Any], generated: str | None) -> "Figure":
    from grux.results.figure import Figure, Panel
    from grux.results.probes import lag_panel
    from grux.results.units import Unit

    name, gradient = model.run.choices["arch"], found["gradient_by_lag"]
    metric = (model.run.record or {})["metric"]["primary"]
    unit = Unit(metric, "", (model.run.record or {})["metric"]["higher_is_better"])

    def draw(axes: Any, styles: dict[str, Any]) -> None:
        rows = found["by_length"]
        colour, dash = styles[name]
        x, y = [row["length"] for row in rows], [row[metric] * unit.scale for row in rows]
        axes.plot(x, y, color=colour, linestyle=dash, linewidth=1.6, marker="o", markersize=4)
        axes.axvline(found["trained_lengths"][1], color="#888888", linestyle=":", linewidth=1)
        if unit.scale == 100:
            axes.set_ylim(0, 104)

    norms = {lag: [norm] for lag, norm in zip(gradient["lags"], gradient["norms"], strict=True)}
    panels = [lag_panel("Gradient norm by lag", {name: norms})]
    caption = (
        "Norm of the gradient of the last recurrent state by the input k steps before (root mean square over "
        f"{gradient['examples']} sequences of the Frobenius norm), best weights of {_title(model)}."
    )
    if generated:
        panels.insert(0, Panel("Score by length", "length", unit.label, (name,), draw))
        count = found["by_length"][0]["sequences"]
        caption = f"Score on {count} fresh sequences of each length; dotted: the longest of training. {caption}"
    return Figure("probe", "What a run remembers", tuple(panels), caption)
