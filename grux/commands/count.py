"""`grux count`: what the models of a command line cost, by the counting rules of the papers; trains nothing."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from grux.commands.times import measure, widths_of
from grux.commands.words import Parser
from grux.config import Composed, build, check_nodes, check_pair, check_settings, check_words, compose
from grux.config.complaints import nearest
from grux.data.base import Dataset
from grux.errors import UsageError
from grux.launch.jobs import named_job, read_command_line
from grux.launch.loggers import only_our_warnings

EPILOG = """\
Examples:
  grux count data=sst2                                  every rule, and a line for each recurrent layer
  grux count arch=gru,lstm data=sst2 model.features=64,128
  grux count arch=lstm data=sst2 rule=chung             one rule; rule=chung,tai for two
  grux count arch=gru,lstm data=sst2 match=parameters budget=100000     the widths at which they are of one size

  grux count --time arch=gru,lstm data=sst2 widths=32,64,128   measure training steps here, for match=step_time

The words are those of `grux train`, so that a line can be counted before it is trained; key=a,b needs no -m here.
The data are read, and fetched where they are not here yet: vocabulary and lengths are part of what is counted.
"""

QUANTITIES = ("state", "FLOPs/step", "forward", "training")


def run(arguments: Sequence[str]) -> int:
    made = Parser(
        prog="grux count",
        description="Parameters by the rules of the papers, state, and FLOPs of models, without training them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("words", nargs="*", metavar="key=value", help="as for `grux train`, and rule=NAME")
    made.add_argument("--config-dir", "-cd", metavar="FOLDER", help="own yaml files, as for `grux train`")
    made.add_argument("--multirun", "-m", action="store_true", help="without effect: every sweep is expanded")
    made.add_argument("--time", action="store_true", help="measure training steps here, for match=step_time")
    given = made.parse_intermixed_args(arguments)

    own = ("rule=", "widths=") if given.time else ("rule=",)
    jobs = _checked([word for word in given.words if not word.startswith(own)], given.config_dir)
    if given.time:
        widths = widths_of([word for word in given.words if word.startswith("widths=")])
        _check_nodes(jobs)
        with only_our_warnings():
            print(measure(jobs, widths))
        return 0
    # From here on JAX may be imported.
    rules = _rules([word for word in given.words if word.startswith("rule=")])
    with only_our_warnings():
        print(_page(_count(jobs), rules))
    return 0


def _checked(overrides: Sequence[str], config_dir: str | None) -> dict[str, Composed]:
    """The config of each job, by its title. Imports no JAX."""
    line = read_command_line(overrides, config_dir=config_dir, multirun=True)
    each = line.jobs()
    jobs = {}
    for job_overrides in each:
        with named_job(job_overrides if len(each) > 1 else None):
            composed = compose(job_overrides, config_dir=config_dir)
            check_settings(composed.config, line.plugins)
            check_words(job_overrides, composed.config)
        jobs[_title(composed.choices, job_overrides, each)] = composed
    return jobs


def _rules(words: Sequence[str]) -> list[str]:
    """The rules of rule=NAME,NAME, all of them without one. Raises `UsageError` for an unknown name."""
    from grux.counting.parameters import RULES

    names = [name for word in words for name in word.removeprefix("rule=").split(",")]
    for name in names:
        if name not in RULES:
            raise UsageError(f"rule={name} is unknown: {nearest(name, RULES)}")
    return list(dict.fromkeys(names)) or list(RULES)


def _count(jobs: dict[str, Composed]) -> dict[str, dict[str, Any]]:
    """The counts of each job. All are checked before the first data are read."""
    _check_nodes(jobs)
    if any(composed.config["match"] == "step_time" for composed in jobs.values()):
        from grux.training.platform import start_jax

        start_jax()  # times belong to the devices that a run has
    counts, datasets = {}, {}
    for title, composed in jobs.items():
        key = json.dumps(composed.config["data"], sort_keys=True)
        if key not in datasets:
            datasets[key] = build(composed.config["data"], plugins=composed.config["plugins"])
        with named_job([title] if len(jobs) > 1 else None):
            counts[title] = _count_one(composed.config, datasets[key])
    return counts


def _check_nodes(jobs: dict[str, Composed]) -> None:
    for composed in jobs.values():
        check_nodes(composed.config, composed.config["plugins"])
        check_pair(composed.config, composed.config["plugins"])


def _count_one(config: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    from flax import nnx

    from grux.assembly import step_times
    from grux.counting.model import count
    from grux.matching import matched, of_width

    task = build(config["task"], plugins=config["plugins"])(info=dataset.info)
    matching = matched(config, dataset, task, lambda width: step_times(config, dataset, task, width))
    config = of_width(config, matching.features) if matching else config
    make_model, layer = (build(config[node], plugins=config["plugins"]) for node in ("model", "arch"))
    model = nnx.eval_shape(lambda: make_model(info=dataset.info, layer=layer, rngs=nnx.Rngs(0)))
    return {**count(model, task, dataset), "matching": matching}


def _title(choices: dict[str, str], overrides: list[str], each: Sequence[list[str]]) -> str:
    """ "gru on sst2", and what else tells this job from the others."""
    own = [o for o in overrides if not all(o in others for others in each)]
    extra = [o for o in own if o.partition("=")[0] not in ("arch", "data")]
    return " ".join([f"{choices.get('arch', '?')} on {choices.get('data', '?')}", *extra])


def _page(counts: dict[str, dict[str, Any]], rules: Sequence[str]) -> str:
    from grux.counting.model import FLOPS_RULE
    from grux.counting.parameters import RULES
    from grux.results.terminal import Page

    page = Page()
    _add_matchings(page, {title: found["matching"] for title, found in counts.items() if found["matching"]})
    heads = ["", *rules, *QUANTITIES]
    rows = [[title, *_numbers(found, rules)] for title, found in counts.items()]
    tables = [_table(heads, rows, page.styled), _table(*_turned(heads, rows), page.styled)]
    page.add(next(filter(page.fits, tables), tables[0]))
    if len(counts) == 1:
        (found,) = counts.values()
        heads = ["layer", "cell", "input", "features", "parameters", "state", "FLOPs/step", "training/step"]
        page.write("")
        page.add(_table(heads, [_layer(layer) for layer in found["recurrence"]["layers"]], page.styled, labels=2))
    page.write("")
    page.write("Parameters:")
    for name in rules:
        page.write(f"  {name:<10}{RULES[name].meaning}", indent=" " * 12)
    page.write("State: numbers that one sequence carries from step to step.")
    page.write(f"FLOPs of one step of all recurrent layers, and per training example: {FLOPS_RULE}.")
    return page.text()


def _add_matchings(page: Any, matchings: dict[str, Any]) -> None:
    """A line for each model whose width was solved: target, what was reached, and the rule."""
    from grux.counting.match import deviation, number

    if not matchings:
        return
    first = next(iter(matchings.values()))
    heads = ["", "features", "target", "reached", "off by"]
    rows = [
        [title, f"{m.features:,}", number(m.target), number(m.reached), deviation(m.reached, m.target)]
        for title, m in matchings.items()
    ]
    page.add(_table(heads, rows, page.styled))
    rules = dict.fromkeys(f"{m.by} by rule {m.rule} ({m.meaning}), in {m.unit}" for m in matchings.values())
    page.write(f"Matched: {'; '.join(rules)}; to {first.tolerance:.3g} of the target.")
    page.write("")


def _numbers(found: dict[str, Any], rules: Sequence[str]) -> list[str]:
    from grux.results.units import short_count

    parameters = [f"{found['parameters']['by_rule'][rule]:,}" for rule in rules]
    recurrence = [f"{found['recurrence'][name]:,}" for name in ("state", "step_flops")]
    examples = [short_count(round(found["flops"][f"{name}_per_example"])) for name in ("forward", "training")]
    return [*parameters, *recurrence, *examples]


def _layer(layer: dict[str, Any]) -> list[str]:
    sizes = ("in_features", "features", "parameters", "state", "step_flops", "training_step_flops")
    return [layer["name"], layer["cell"], *(f"{layer[size]:,}" for size in sizes)]


def _turned(heads: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    first, *rest = zip(heads, *rows, strict=True)
    return list(first), [list(row) for row in rest]


def _table(heads: list[str], rows: list[list[str]], styled: bool, *, labels: int = 1) -> Any:
    from rich.text import Text

    from grux.results.terminal import ruled_table

    table = ruled_table([Text(head) for head in heads], labels=labels, styled=styled)
    for row in rows:
        table.add_row(*(Text(text) for text in row))
    return table
