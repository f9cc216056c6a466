"""Writes the files that a search leaves, so that reports can be tested without training."""

import json
from pathlib import Path
from typing import Any

from fake_runs import make_config, make_record, write_run, write_unfinished

from grux.results.record import write_json
from grux.results.trials import STUDY

SPACE = {"learning_rate": "log(0.0001, 0.1)", "model.dropout": "choice(0, 0.2, 0.5)"}


def write_study(root: Path, name: str, **settings: Any) -> None:
    """The file that says what is searched; `root` is the folder of all runs."""
    folder = root / "tuned-search" / STUDY
    (folder / name).mkdir(parents=True, exist_ok=True)
    study = {"contestant": name, "space": SPACE, "sampler": "random", "seed": 0, "seeds": 1, "trials": 4}
    write_json(folder / f"{name}.json", {**study, **settings})


def write_trial(root: Path, contestant: str, number: int, values: dict[str, Any], outcome: float | str) -> Path:
    """A trial and its run: a validation accuracy, or the state it ended in (`diverged`, `failed`, `running`)."""
    run = f"{contestant}-sst2-{number:08x}"
    write_json(
        root / "tuned-search" / STUDY / contestant / f"{number:04d}.json",
        {"number": number, "values": values, "run": run},
    )
    if isinstance(outcome, str):
        kind = "Diverged" if outcome == "diverged" else "RuntimeError"
        state = "failed" if outcome == "diverged" else outcome
        folder = write_unfinished(root, state, arch=contestant, kind=kind, message="oh.")
        target = root / "tuned-search" / run
        target.parent.mkdir(parents=True, exist_ok=True)
        if state == "failed":  # as early as a run can fail
            (folder / "config.yaml").unlink()
        else:
            config = make_config(arch=contestant, data="sst2", seeds=1, role="search")
            (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        return folder.rename(target)
    record = make_record(arch=contestant, run_id=run, scores=[outcome], experiment="tuned-search")
    record["config"] = make_config(arch=contestant, data="sst2", seeds=1, role="search")
    record["selection"] |= {"metric": "accuracy", "mode": "max"}
    for row in record["seeds"]:
        del row["scores"]["test"]
    return write_run(root, record)


def write_search(root: Path, outcomes: dict[str, list[float | str]]) -> None:
    """Contestants with their trials in order; a larger learning rate for each."""
    for contestant, each in outcomes.items():
        write_study(root, contestant, trials=len(each))
        for number, outcome in enumerate(each):
            values = {"learning_rate": round(1e-4 * 2**number, 6), "model.dropout": [0, 0.2, 0.5][number % 3]}
            write_trial(root, contestant, number, values, outcome)
