"""Batches shared by devices and by processes give the numbers of one device."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from small_runs import SMALL, leaves, lines, parts, train

import grux.run
from grux.config.check import check_nodes
from grux.data.batching import epoch_plan
from grux.errors import Interrupted, UsageError
from grux.launch.jobs import prepare
from grux.training.interrupts import StopFlag
from grux.training.mesh import data_mesh, join
from grux.training.seeds import SeedAxis, seed_axis

ROOT = Path(__file__).resolve().parents[2]
STEPS = 4
SEEDS = [7, 3]


@pytest.fixture(scope="module")
def small():
    """57 examples in 8 batches of 8 or less, so that some rows are fillers."""
    return parts("data.shortest=6", "data.train=57", "learning_rate=0.02")


def trained(small, axis: SeedAxis, accumulate: int = 1):
    programs = small.programs(axis, accumulate=accumulate)
    split = small.dataset.splits["train"]
    (chunk, *_) = epoch_plan(split, batch_size=8, seeds=SEEDS, epoch=0, steps_per_chunk=STEPS)
    assert chunk.index.shape == (2, STEPS, 8) and (chunk.index < 0).any()
    arrays = axis.place(split.buckets[0].arrays, seeded=False)
    state, metrics = programs.train(programs.initial(SEEDS), split.buckets[0], arrays, chunk, 0, STEPS)
    (program,) = [compiled for key, compiled in programs._compiled.items() if key[0] == "train"]
    return (state, metrics), program


@pytest.fixture(scope="module")
def alone(small):
    return trained(small, SeedAxis("map", 2))[0]


@pytest.mark.parametrize(("strategy", "accumulate"), [("map", 1), ("vmap", 2)])
def test_two_devices_are_one(small, alone, strategy: str, accumulate: int):
    results, program = trained(small, seed_axis(2, strategy, data_mesh(2, 1)), accumulate)
    for got, expected in zip(jax.tree.leaves(results), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)
    places = [leaf.sharding for leaf in jax.tree.leaves(results)]
    assert all(place.is_fully_replicated and len(place.device_set) == 2 for place in places)
    # The work is divided: half of the rows at each step [T, (S,) B, H], sums over devices, no batch is gathered again.
    text = program.as_text()
    rows = 8 // accumulate // 2
    assert "all-reduce" in text and "num_partitions=2" in text and "all-gather" not in text
    assert re.search(rf"f32\[8,(?:2,)?{rows},8\]", text) and not re.search(rf"f32\[8,(?:2,)?{2 * rows},8\]", text)


def test_devices_are_used_once():
    with pytest.raises(UsageError, match=r"choose seed_strategy=map or vmap, or mesh\.data=1"):
        seed_axis(2, "shard", data_mesh(2, 1))
    assert seed_axis(2, "auto", data_mesh(2, 1)).strategy == "map"
    assert data_mesh(1, 1) is None and seed_axis(2, "auto", None).data is None


def test_more_devices_than_there_are():
    with pytest.raises(UsageError, match=r"mesh\.data=64 needs 64 devices and there are 2; choose mesh\.data=2"):
        data_mesh(64, 1)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["mesh.data=3", "batch_size=32"], "batch_size=32 cannot be shared by mesh.data=3 devices"),
        (["mesh.data=3", "batch_size=32"], "choose batch_size=33"),
        (["mesh.data=3", "batch_size=31"], "choose batch_size=30"),
        (["mesh.data=4", "batch_size=2"], "choose batch_size=4"),
        (["mesh.data=2", "accumulate=3", "batch_size=15"], "equal parts, accumulate=3 times; choose batch_size=12"),
        (["mesh.data=3", "mesh.hosts=2", "batch_size=12"], "mesh.data=3 devices are those of mesh.hosts=2 processes"),
        (["mesh.data=1", "mesh.hosts=2"], "choose mesh.data=2"),
        (["mesh.data=0"], "mesh.data=0 must be a whole number >= 1"),
        (["mesh.hosts=2", "mesh.data=2", "mesh.host=2"], "mesh.host=2 is none of mesh.hosts=2 processes"),
        (["mesh.host=x"], "mesh.host='x' must be a whole number >= 0 or null"),
        (["+mesh.dat=2"], "did you mean mesh.data?"),
    ],
)
def test_a_mesh_that_cannot_be_is_refused(overrides: list[str], words: str):
    with pytest.raises(UsageError) as caught:
        prepare(overrides)
    assert words in str(caught.value)


def test_a_kernel_is_not_asked_for_parts_of_batches():
    config = prepare(["mesh.data=2", "arch.strategy=native"]).config
    with pytest.raises(UsageError, match=r"arch\.strategy=native takes whole batches and mesh\.data=2 divides them"):
        check_nodes(config)


def test_a_first_process_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr("grux.training.mesh.WAIT", 0.6)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"  # bound, so that nobody answers there
        with pytest.raises(UsageError, match=f"mesh.coordinator={address} does not answer"):
            join(2, address, 1)
    assert f"waiting for the first process at {address}" in capsys.readouterr().err
    with pytest.raises(UsageError, match="give HOST:PORT"):
        join(2, "nowhere", 1)


@pytest.mark.parametrize(
    "variables", [{"JAX_NUM_CPU_DEVICES": "3"}, {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}]
)
def test_devices_that_the_environment_forces_stay(variables: dict[str, str]):
    program = "from grux.training.platform import start_jax; start_jax(); import jax; print(len(jax.devices()))"
    environment = {k: v for k, v in os.environ.items() if k not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    out = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["3"]


def test_a_mesh_is_no_other_run():
    assert prepare(["mesh.data=2"]).run_id == prepare(["mesh.hosts=2", "mesh.data=4"]).run_id == prepare([]).run_id


RUN = ("data.shortest=6", "seeds=2", "epochs=2", "eval_every=3", "model.dropout=0.2", "learning_rate=0.02")


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight") / "run"
    train(*RUN, "seed_strategy=map", folder=folder)
    return folder


def assert_near(folder: Path, straight: Path) -> None:
    records = [json.loads((place / "result.json").read_text()) for place in (folder, straight)]
    for got, expected in zip(*(record["seeds"] for record in records), strict=True):
        assert (got["seed"], got["steps"], got["best_step"]) == (
            expected["seed"],
            expected["steps"],
            expected["best_step"],
        )
        for split, scores in expected["scores"].items():
            assert got["scores"][split] == pytest.approx(scores, rel=1e-3)
    for name, value in leaves(straight).items():
        np.testing.assert_allclose(leaves(folder)[name], value, rtol=1e-3, atol=1e-4)
    places = [[(row["step"], row["seed"], row["split"]) for row in lines(place)] for place in (folder, straight)]
    assert places[0] == places[1]


class StopsAfter(StopFlag):
    """True from the fourth question on; the loop asks once per dispatch."""

    asked = 0

    def __bool__(self) -> bool:
        StopsAfter.asked += 1
        return StopsAfter.asked >= 4


def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    monkeypatch.setattr(StopsAfter, "asked", 0)
    monkeypatch.setattr(grux.run, "StopFlag", StopsAfter)
    with pytest.raises(Interrupted, match="saved"):
        train(*RUN, *overrides, folder=folder)
    monkeypatch.undo()


def test_a_run_may_go_on_with_other_devices(straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stopped(tmp_path / "run", monkeypatch, "mesh.data=2", "seed_strategy=map")
    record = train(*RUN, "seed_strategy=map", folder=tmp_path / "run")
    assert record["mesh"] == {"data": 1, "hosts": 1}
    assert_near(tmp_path / "run", straight)


def test_two_processes_are_one(straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Begun by one process, gone on with by two, so that what the first reads reaches the second."""
    folder = tmp_path / "run"
    stopped(folder, monkeypatch, "seed_strategy=map")
    before = sorted(path.name for path in tmp_path.iterdir())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mesh = ("mesh.data=2", "mesh.hosts=2", f"mesh.coordinator=127.0.0.1:{port}", "seed_strategy=map")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "grux", "train", *SMALL, *RUN, *mesh, f"mesh.host={host}", f"run_dir={folder}"],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in (0, 1)
    ]
    try:
        ends = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], ends
    assert_near(folder, straight)
    record = json.loads((folder / "result.json").read_text())
    assert record["mesh"] == {"data": 2, "hosts": 2}
    assert json.loads((folder / "status.json").read_text())["pid"] == processes[0].pid
    assert sorted(path.name for path in tmp_path.iterdir()) == before and not (folder / "lock").exists()
