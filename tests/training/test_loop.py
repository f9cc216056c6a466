"""When the loop evaluates, saves and stops, read from what a run leaves behind."""

from pathlib import Path

import pytest
from small_runs import lines, train

from grux.training import loop
from grux.training.checkpoint import Checkpoints
from grux.training.loop import Stopwatch
from grux.training.programs import Programs


def test_a_stopwatch_leaves_out_what_it_is_told(monkeypatch: pytest.MonkeyPatch):
    now, compiling = [10.0], [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    watch = Stopwatch(lambda: compiling[0])
    now[0], compiling[0] = 15.0, 3.0
    assert watch.elapsed() == 2.0 and watch.lap() == 2.0 and watch.elapsed() == 0.0
    now[0] = 16.5
    assert watch.lap() == 1.5


def test_it_evaluates_and_saves_when_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """21 steps, an evaluation every 4 and at the end, a checkpoint every second evaluation and at the end."""
    saved: list[int] = []
    save = Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", lambda self, step, *rest: (saved.append(step), save(self, step, *rest)))
    record = train("steps=21", "eval_every=4", "checkpoint_every=2", "steps_per_dispatch=3", folder=tmp_path / "run")
    rows = lines(tmp_path / "run")
    assert [row["step"] for row in rows if row["split"] == "validation"] == [4, 8, 12, 16, 20, 21]
    assert saved == [8, 16, 21]
    train_steps = [row["step"] for row in rows if row["split"] == "train"]
    assert train_steps == sorted(set(train_steps)) and train_steps[-1] == 21
    assert max(b - a for a, b in zip([0, *train_steps], [*train_steps, 21], strict=True)) <= 3
    assert record["seeds"][0]["steps"] == 21


def test_every_example_is_seen_once_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also where evaluations cut chunks in two."""
    seen: list[tuple[int, int]] = []
    step = Programs.train

    def watched(self, state, bucket, arrays, chunk, begin, end):
        rows = chunk.index[0, begin:end].ravel()
        seen.extend((chunk.bucket, int(row)) for row in rows if row >= 0)
        return step(self, state, bucket, arrays, chunk, begin, end)

    monkeypatch.setattr(Programs, "train", watched)
    train("epochs=2", "eval_every=5", "steps_per_dispatch=3", folder=tmp_path / "run")
    first, second = seen[:60], seen[60:]
    assert len(set(first)) == 60 and sorted(first) == sorted(second) and first != second


def test_nothing_runs_once_every_seed_has_stopped(tmp_path: Path):
    """No learning, so the first evaluation stays the best, and patience ends the run."""
    options = ("seeds=2", "learning_rate=1e-12", "steps=100", "eval_every=2", "patience=3")
    record = train(*options, folder=tmp_path / "run")
    assert [(row["steps"], row["best_step"]) for row in record["seeds"]] == [(8, 2), (8, 2)]
    assert max(row["step"] for row in lines(tmp_path / "run")) == 8
