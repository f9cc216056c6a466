"""Widths by time: what was measured here is kept, what is reached was measured, and without a measurement nothing."""

import json
from pathlib import Path

import pytest
from flax import nnx
from small_runs import SMALL as WITH_WIDTH
from small_runs import parts

import grux.assembly
import grux.run
from grux import provenance
from grux.assembly import _learner
from grux.cli import main
from grux.config import compose
from grux.data.batching import steps_per_epoch
from grux.errors import UsageError
from grux.launch.jobs import prepare
from grux.launch.settings import settings_here
from grux.launch.shares import divide
from grux.matching import of_width, times
from grux.matching.times import add_time, match_time, read_times, table_of
from grux.training.platform import start_jax
from grux.training.programs import Programs
from grux.training.seeds import SeedAxis
from grux.training.timing import time_step

SMALL = [word for word in WITH_WIDTH if not word.startswith("model.features")]


class Machine:
    """Stands in for the measurement: a step takes 1 ms and 0.1 ms for each unit, if nothing else is said."""

    def __init__(self) -> None:
        self.measured: list[int] = []
        self.milliseconds = lambda width: 1 + 0.1 * width

    def __call__(self, config, dataset, task, width: int) -> list[float]:
        self.measured.append(width)
        _learner(of_width(config, width), dataset, 1, {}).build_model(nnx.Rngs(0))  # a width that it can have
        return [self.milliseconds(width)] * 3


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(grux.assembly, "step_times", made)
    return made


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    return code, *capsys.readouterr()


COUNT = [word for word in SMALL if not word.startswith(("tensorboard", "progress"))]


def test_without_a_measurement_the_command_that_measures(machine: Machine, capsys, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in ("train", "count"):
        code, _, err = answer(capsys, command, *COUNT, "match=step_time", "budget=3")
        assert code == 2 and "measure first, by the same words after `grux count --time`" in err
        assert "with " in err and err.count("\n") == 1 and not machine.measured
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_width_between_those_measured_is_measured_itself(machine: Machine, capsys, tmp_path: Path):
    code, out, _ = answer(capsys, "count", "--time", *COUNT, "widths=8,32")
    assert code == 0 and machine.measured == [8, 32] and "ms per step" in out
    config = compose([*SMALL, "match=step_time", "budget=3.01"]).config
    found = match_time(config, lambda width: machine(config, parts().dataset, None, width))
    assert machine.measured == [8, 32, 19, 20] and (found.features, found.unit, found.rule) == (20, "ms", "measured")
    assert found.reached == read_times(config)[20]["milliseconds"] == 3.0 and "measured: median of" in found.meaning
    words = [*SMALL, "match=step_time", "budget=3.01", "steps=2", f"run_dir={tmp_path / 'run'}"]
    job = prepare(words)
    record = grux.run.run(job.config, choices=job.choices, folder=job.folder, run_id=job.run_id)
    assert machine.measured == [8, 32, 19, 20]  # it stands in the table
    assert record["matching"]["reached"] == 3.0 and record["config"]["model"]["features"] == 20
    code, out, _ = answer(capsys, "count", *COUNT, "match=step_time", "budget=3.01", "rule=all")
    assert code == 0 and "Matched: step_time by rule measured" in out and machine.measured == [8, 32, 19, 20]


def config_of(*words: str) -> dict:
    return compose([*SMALL, "match=step_time", *words]).config


def test_a_step_is_measured_on_the_devices_of_a_batch(monkeypatch: pytest.MonkeyPatch):
    spread = []
    monkeypatch.setattr(grux.assembly, "time_step", lambda _, __, axis, **___: spread.append(axis.data) or [1.0])
    made = parts()
    for word, devices in (("mesh.data=1", None), ("mesh.data=2", 2)):
        grux.assembly.step_times(compose([*SMALL, word]).config, made.dataset, made.task, 4)
        assert spread[-1] is None if devices is None else spread[-1].size == devices


def test_several_processes_are_not_measured(machine: Machine, capsys):
    code, _, err = answer(capsys, "count", "--time", *COUNT, "mesh.data=2", "mesh.hosts=2")
    assert code == 2 and "a training step is measured in one process" in err and not machine.measured


def test_jobs_that_are_matched_by_time_run_alone():
    timed, plain = config_of("budget=3"), compose(SMALL).config
    assert settings_here([plain, plain]).jobs == "auto"
    assert settings_here([timed, timed]).jobs == settings_here([plain, timed]).jobs == 1
    two = config_of("budget=3", "launcher.jobs=2")
    assert settings_here([two]).jobs == 1
    with pytest.raises(UsageError, match=r"launcher\.jobs=2 shares the machine out.*give launcher\.jobs=1"):
        settings_here([two, two])


def test_what_was_measured_is_what_a_sweep_goes_by(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Jobs are processes of their own, whom the launcher tells what they have of the machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("grux.launch.shares.available_cores", lambda: 2)
    words = [*COUNT, "steps=1", "match=step_time", "budget=1", "tensorboard=false"]
    start_jax()
    for arch in ("elman", "gru"):
        for width, spent in ((4, 1.0), (8, 9.0)):
            add_time(compose([*words, f"arch={arch}"]).config, width, [spent])
    code, out, err = answer(capsys, "train", "-m", *words, "arch=elman,gru")
    assert code == 0 and "2 jobs, one at a time" in out, out + err


def test_a_curve_is_followed_by_measuring():
    """No power law, so that the first guess is wrong."""
    config, asked = config_of("budget=100.5", "match_tolerance=0.02"), []
    for width in (8, 256):
        add_time(config, width, [3 + width**2 / 100])

    def measure(width: int) -> list[float]:
        asked.append(width)
        return [3 + width**2 / 100]

    found = match_time(config, measure)
    assert abs(found.reached / 100.5 - 1) < 0.02 and found.reached == 3 + found.features**2 / 100
    assert len(asked) == len(set(asked)) <= times.ATTEMPTS


def test_a_wider_network_that_was_faster_once_does_not_lead_astray():
    config = config_of("budget=3")
    for width, spent in ((8, 1.8), (16, 2.9), (20, 2.7), (32, 4.2)):
        add_time(config, width, [spent])
    found = match_time(config, lambda width: [1 + 0.1 * width])
    assert abs(found.reached / 3 - 1) < 0.05


@pytest.mark.parametrize(
    ("budget", "spent", "sentence"),
    [
        (
            "budget=50",
            [1.0],
            "widths 8 to 32 were measured and take 1.8 to 4 ms; choose a budget between, or measure",
        ),
        ("budget=1", [1.0], "choose a budget between"),
        ("budget=3", [9.0], "the nearest measured is 4 at model.features=32 (+33 %); choose a budget near it"),
    ],
)
def test_what_cannot_be_met_is_a_sentence(budget: str, spent: list[float], sentence: str):
    config = config_of(budget)
    add_time(config, 8, [1.8])
    add_time(config, 32, [4.0])
    with pytest.raises(UsageError) as caught:
        match_time(config, lambda width: spent)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_widths_that_a_model_cannot_have_are_passed_over(machine: Machine):
    config = config_of("budget=3.1", "model.bidirectional=true")
    for width in (8, 32):
        add_time(config, width, [1 + 0.1 * width])
    found = match_time(config, lambda width: machine(config, parts().dataset, None, width))
    assert found.features in (20, 22) and found.reached == pytest.approx(1 + 0.1 * found.features)


def test_a_time_belongs_to_the_step_and_the_machine(monkeypatch: pytest.MonkeyPatch):
    config = config_of("budget=3")
    add_time(config, 8, [1.0, 2.0, 9.0])
    assert read_times(config)[8]["milliseconds"] == 2.0
    same = ("learning_rate=0.5", "epochs=3", "first_seed=4", "budget=7", "model.features=3", "group=x", "patience=2")
    assert all(read_times(config_of("budget=3", word)) for word in same)
    other = (
        "batch_size=4",
        "arch=lstm",
        "model.dropout=0.5",
        "seeds=2",
        "optimizer=sgd",
        "data.longest=9",
        "mesh.data=2",
    )
    assert not any(read_times(config_of("budget=3", word)) for word in other)
    content = json.loads(table_of(config).read_text())
    assert content["machine"]["cores"] and content["versions"]["jax"]
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "available_cores", lambda: 4096)
        assert not read_times(config)
    with monkeypatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # the user's, which a job does not see
        assert read_times(config)
        for variable, setting in divide(1)[0].environment.items():
            patch.setenv(variable, setting)
        patch.setenv("CUDA_VISIBLE_DEVICES", "0")
        assert read_times(config)  # a job that has the machine to itself
        patch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=1")
        assert not read_times(config)
    table_of(config).write_text("{")
    assert read_times(config) == {}


@pytest.mark.parametrize("words", ["widths=0", "widths=a", "widths=", "widths=8,-1"])
def test_wrong_widths_are_one_sentence(capsys, words: str):
    code, _, err = answer(capsys, "count", "--time", *COUNT, words)
    assert code == 2 and "must be whole numbers >= 1" in err and err.count("\n") == 1


def test_a_step_is_timed_as_often_as_an_epoch_takes_it(monkeypatch: pytest.MonkeyPatch):
    """On real programs, by a clock on which a step of the longer bucket takes 5 s and one of the shorter 1 s."""
    made, seconds = parts(), [0.0]
    shapes = [bucket.shape[0] for bucket in made.dataset.splits["train"].buckets]
    train = Programs.train

    def timed(self, state, bucket, arrays, chunk, begin, end):
        seconds[0] += (end - begin) * (5.0 if bucket.shape[0] == max(shapes) else 1.0)
        return train(self, state, bucket, arrays, chunk, begin, end)

    monkeypatch.setattr(Programs, "train", timed)
    monkeypatch.setattr("grux.training.timing.time.perf_counter", lambda: seconds[0])
    axis = SeedAxis("map", 2)
    found = time_step(
        made.programs(axis), made.dataset, axis, seeds=[0, 1], batch_size=8, steps_per_dispatch=3, repeats=2
    )
    split = made.dataset.splits["train"]
    per_bucket = [-(-bucket.size // 8) for bucket in split.buckets]
    assert sum(per_bucket) == steps_per_epoch(split, 8) and len(shapes) == 2
    each = [5.0 if shape == max(shapes) else 1.0 for shape in shapes]
    mean = sum(a * b for a, b in zip(each, per_bucket, strict=True)) / sum(per_bucket)
    assert found == pytest.approx([1e3 * mean] * 2)
