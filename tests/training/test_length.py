"""When a training ends: the steps that epochs, FLOPs and steps come to, and seconds that go on after a stop."""

import json
import math
from pathlib import Path

import pytest
from small_runs import lines, parts, train

import grux.run
from grux.cli import main
from grux.data.batching import steps_per_epoch
from grux.errors import Interrupted, UsageError
from grux.training.interrupts import StopFlag
from grux.training.length import Length, budget_record, length_of
from grux.training.loop import Stopwatch

NOTHING = {"epochs": 3, "steps": None, "flops": None, "seconds": None}


def length(**given) -> Length:
    dataset = parts("data.shortest=6").dataset  # 60 examples in one bucket, 8 steps an epoch
    return length_of(dataset, batch_size=8, **{**NOTHING, **given}, flops_per_example=100.0)


def test_what_decides_and_how_many_steps_it_is():
    assert (length().by, length().steps, length().limit) == ("epochs", 24, 3)
    assert (length(steps=5).by, length(steps=5).steps) == ("steps", 5)
    assert (length(seconds=7.5).by, length(seconds=7.5).steps, length(seconds=7.5).seconds) == ("seconds", None, 7.5)
    # An epoch sees 60 examples, whatever its 8 batches hold.
    assert length(flops=60 * 100 * 3).steps == 24 and length(flops=60 * 100 * 3 - 1).steps == 23
    assert length(flops=60 * 100 / 8).steps == 1
    assert [length(flops=k * 6000 / 8).steps for k in range(1, 200)] == list(range(1, 200))


def test_flops_for_less_than_a_step_are_refused():
    with pytest.raises(UsageError, match=r"flops=700 is less than one training step takes \(750, batch_size=8\)"):
        length(flops=700)


def test_what_was_used_in_the_unit_of_the_limit():
    assert length().used(12, 9.0) == 1.5 and length(steps=24).used(12, 9.0) == 12
    assert length(flops=9000).used(12, 9.0) == 9000 and length(seconds=10).used(12, 9.0) == 9.0
    said = budget_record(length(flops=9000), taken=11, seconds=9.0, patience=4, metric="accuracy")
    assert said["rule"].startswith("9000 training FLOPs for each seed; a seed ends after 4 evaluations in a row")
    assert (said["by"], said["limit"], said["used"], said["steps"], said["patience"]) == ("flops", 9000, 8250, 12, 4)
    assert "ends after" not in budget_record(length(), taken=1, seconds=1.0, patience=None, metric="loss")["rule"]


def test_a_run_by_flops_takes_the_steps_that_they_pay_for(tmp_path: Path):
    record = train("flops=1e6", "schedule=cosine", folder=tmp_path / "run")
    budget, train_split = record["budget"], parts().dataset.splits["train"]
    step = record["flops"]["training_per_example"] * 60 / steps_per_epoch(train_split, 8)
    assert budget["by"] == "flops" and budget["steps"] == record["seeds"][0]["steps"] == math.floor(1e6 / step) > 3
    assert budget["used"] == pytest.approx(budget["steps"] * step) and budget["used"] > 1e6 - step


class Clock:
    """A tenth of a second passes with every look at it, so that a run by seconds takes as many steps each time."""

    now = 0.0

    def __call__(self) -> float:
        Clock.now += 0.1
        return Clock.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Clock()
    monkeypatch.setattr(Stopwatch, "_now", lambda self: reading())


BY_SECONDS = ("seconds=30", "eval_every=7", "steps_per_dispatch=3")


def test_a_run_by_seconds_ends_after_them_and_is_evaluated_there(tmp_path: Path, clock: None):
    record = train(*BY_SECONDS, folder=tmp_path / "run")
    budget, rows = record["budget"], lines(tmp_path / "run")
    assert budget["by"] == "seconds" and budget["steps"] is None and 30 <= budget["used"] < 32
    assert record["seconds"]["train"] == pytest.approx(budget["used"], abs=1e-3)
    taken = record["seeds"][0]["steps"]
    evaluations = [row["step"] for row in rows if row["split"] == "validation"]
    assert evaluations[-1] == taken == max(row["step"] for row in rows) and taken % 7
    assert evaluations[:-1] == list(range(7, taken, 7))
    assert "without compilation and evaluation" in budget["rule"]


class StopsOnce(StopFlag):
    """True at the fifteenth question, of a whole session."""

    asked = 0

    def __bool__(self) -> bool:
        StopsOnce.asked += 1
        return StopsOnce.asked == 15


def test_seconds_that_were_used_before_a_stop_count(tmp_path: Path, clock: None, monkeypatch: pytest.MonkeyPatch):
    straight = train(*BY_SECONDS, folder=tmp_path / "straight")["seeds"][0]["steps"]
    monkeypatch.setattr(grux.run, "StopFlag", StopsOnce)
    with pytest.raises(Interrupted, match=r"Stopped at step \d+ of a training of 30 seconds"):
        train(*BY_SECONDS, folder=tmp_path / "run")
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["steps"] is None and 0 < status["step"] < straight
    record = train(*BY_SECONDS, folder=tmp_path / "run")
    assert 30 <= record["budget"]["used"] < 32
    assert abs(record["seeds"][0]["steps"] - straight) <= 6  # a stop takes a look at the clock more


def test_time_that_is_up_ends_with_an_evaluation_also_when_stopped_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The clock leaps while the loop is asked to stop: what was trained is still evaluated before the end."""
    leap = [0.0]
    monkeypatch.setattr(Stopwatch, "_now", lambda self: leap[0])

    class Leaps(StopFlag):
        asked = 0

        def __bool__(self) -> bool:
            Leaps.asked += 1
            if Leaps.asked == 2:
                leap[0] += 100.0
            return Leaps.asked == 2

    monkeypatch.setattr(grux.run, "StopFlag", Leaps)
    with pytest.raises(Interrupted):
        train("seconds=50", "eval_every=100", "steps_per_dispatch=3", folder=tmp_path / "run")
    record = train("seconds=50", "eval_every=100", "steps_per_dispatch=3", folder=tmp_path / "run")
    (row,) = record["seeds"]
    assert row["best_step"] == row["steps"] and record["budget"]["used"] == 100


def test_a_schedule_that_needs_the_number_of_steps_is_refused(capsys, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for schedule in ("cosine", "warmup", "step"):
        assert main(["train", "seconds=5", f"schedule={schedule}"]) == 2
        error = capsys.readouterr().err
        assert f"seconds=5 leaves the number of steps open, and schedule={schedule} is made of it" in error
        assert error.count("\n") == 1 and not list(tmp_path.iterdir())
