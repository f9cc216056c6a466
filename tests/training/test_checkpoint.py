"""What was saved comes back bit for bit or is known to be damaged; what belongs elsewhere is refused."""

import json
import random
import shutil
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp
from small_runs import same_bits

from grux.errors import CheckpointError, GruxError, StorageError
from grux.training import checkpoint
from grux.training.checkpoint import Checkpoints

# Orbax's reading threads complain of an event loop that was closed when another of them failed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def state(number: int) -> dict:
    """Every type that a training state holds, and numbers that only bits can tell: NaN, -0, the smallest."""
    draw = np.random.default_rng(number)
    return {
        "params": {
            "w": draw.normal(size=(20, 8)).astype(np.float32),
            "h": jnp.asarray(draw.normal(size=5), "bfloat16"),
        },
        "special": np.array([np.nan, -0.0, np.inf, 1e-45], np.float32),
        "step": np.array([number, -1], np.int32),
        "seed": np.array([2**32 - 1, 0], np.uint32),
        "active": np.array([True, False]),
        "scalar": np.float32(number),
    }


def position(number: int) -> dict:
    return {"epoch": number, "chunk": 3, "offset": 1, "step": 10 * number, "train_seconds": 0.1 + number}


def opened(folder: Path, *, max_to_keep: int = 2, owner: str = "run-1") -> Checkpoints:
    return Checkpoints(folder, max_to_keep=max_to_keep, owner=owner)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Steps 1 and 2, not to be changed."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    with opened(folder) as checkpoints:
        for number in (1, 2):
            checkpoints.save(number, state(number), position(number))
    return folder


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def test_what_is_saved_comes_back_bit_for_bit(saved: Path):
    with opened(saved) as checkpoints:
        restored = checkpoints.restore(state(0))
    assert restored is not None
    step, values, where = restored
    assert step == 2 and where == position(2) and same_bits(values, state(2))


def test_a_relative_folder_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with opened(Path("deep/checkpoints")) as checkpoints:
        assert checkpoints.restore(state(0)) is None
        checkpoints.save(1, state(1), {})
    assert (tmp_path / "deep" / "checkpoints" / "1").is_dir()


def test_only_the_latest_are_kept(tmp_path: Path):
    with opened(tmp_path, max_to_keep=2) as checkpoints:
        for number in (1, 2, 30, 31):
            checkpoints.save(number, state(number), position(number))
            assert max(int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()) == number
    assert sorted(path.name for path in tmp_path.iterdir()) == ["30", "31"]


def test_saving_a_step_twice_keeps_the_first(tmp_path: Path):
    with opened(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), position(1))
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        checkpoints.save(1, state(1), position(1))
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    with opened(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), position(1))
        assert checkpoints.restore(state(0))[2] == position(1)  # pyright: ignore[reportOptionalSubscript]


# Damage


def read(folder: Path) -> str:
    """What a restore comes to: "whole", "step before" or the error; anything else fails the test."""
    try:
        with opened(folder) as checkpoints:
            restored = checkpoints.restore(state(0))
    except CheckpointError:
        return "refused"
    assert restored is not None, "a quiet new start"
    step, values, where = restored
    assert same_bits(values, state(step)) and where == position(step), "silently wrong"
    if step == 2:
        return "whole"
    assert (folder / "2.damaged").is_dir() and not (folder / "2").exists(), "not put aside"
    return "step before"


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "2").rglob("*") if path.is_file())


def test_no_damage_to_a_file_is_ever_silent(saved: Path, tmp_path: Path):
    """Every file lost, emptied and cut in half; then a bit flipped here and there."""
    draw = random.Random(0)

    def cut(share: float):
        return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)

    names = [path.relative_to(saved) for path in files(saved)]
    filled = [name for name in names if (saved / name).stat().st_size]
    damages = [(name, damage) for name in names for damage in (Path.unlink, cut(0), cut(0.5))]
    damages += [(draw.choice(filled), flip) for _ in range(200)]
    seen = []
    for number, (name, damage) in enumerate(damages):
        folder = tmp_path / str(number)
        shutil.copytree(saved, folder)
        damage(folder / name)
        seen.append(read(folder))
        shutil.rmtree(folder)
    assert set(seen) == {"whole", "step before"} and seen.count("step before") > 40


@pytest.mark.parametrize("word", ['"epoch"', '"chunk"', "run-1", '"format"', "float32"])
def test_a_changed_manifest_is_damage(copied: Path, word: str):
    """A number of the position that differs by a bit would go on elsewhere, and nothing else would tell."""
    path = copied / "2" / "manifest" / "_strings.json"
    content = path.read_text()
    assert word.strip('"') in content
    place = content.index(word.strip('"')) + len(word.strip('"')) - 1
    path.write_text(content[:place] + chr(ord(content[place]) ^ 1) + content[place + 1 :])
    assert read(copied) == "step before"


def test_arrays_of_another_step_are_damage(copied: Path):
    """All that Orbax checks is sound there; the hashes of the manifest alone can tell."""
    shutil.rmtree(copied / "2" / "state")
    shutil.copytree(copied / "1" / "state", copied / "2" / "state")
    assert read(copied) == "step before"


def test_damage_is_told_and_kept(copied: Path, caplog: pytest.LogCaptureFixture):
    shutil.rmtree(copied / "2" / "state" / "d")
    content = {path.name for path in (copied / "2").rglob("*")}
    assert read(copied) == "step before"
    assert "checkpoint of step 2 is damaged" in caplog.text and "2.damaged" in caplog.text
    assert {path.name for path in (copied / "2.damaged").rglob("*")} == content
    # The step is made again, is damaged again, and neither is lost.
    with opened(copied) as checkpoints:
        checkpoints.save(2, state(2), position(2))
    assert read(copied) == "whole"
    shutil.rmtree(copied / "2" / "state")
    with opened(copied) as checkpoints:
        assert checkpoints.restore(state(0))[0] == 1  # pyright: ignore[reportOptionalSubscript]
    assert {path.name for path in copied.iterdir()} == {"1", "2.damaged", "2.damaged2"}


def test_no_sound_step_is_an_error_and_no_new_start(copied: Path):
    for number in (1, 2):
        shutil.rmtree(copied / str(number) / "manifest")
    with opened(copied) as checkpoints, pytest.raises(CheckpointError, match=r"None of the 2 .*Remove that folder"):
        checkpoints.restore(state(0))
    # Neither is it one when the same command is given again.
    with opened(copied) as checkpoints, pytest.raises(CheckpointError, match="None of the 2"):
        checkpoints.restore(state(0))


# What belongs elsewhere


def test_another_architecture_is_named(saved: Path):
    other = state(0)
    other["params"]["w"] = np.zeros((20, 9), np.float32)
    other["step"] = other["step"].astype(np.int16)
    other["more"] = other.pop("special")
    with opened(saved) as checkpoints, pytest.raises(CheckpointError) as caught:
        checkpoints.restore(other)
    message = str(caught.value)
    assert (
        "another architecture (4 arrays differ" in message
        and "choose another run_dir, or remove that folder" in message
    )
    assert "['params']['w']: saved float32[20, 8], needed float32[20, 9]" in message
    assert "['step']: saved int32[2], needed int16[2]" in message
    assert "['more']: saved nothing" in message and "['scalar']" not in message
    assert sorted(path.name for path in saved.iterdir()) == ["1", "2"]


def test_another_run_is_refused(saved: Path):
    with opened(saved, owner="run-2") as checkpoints, pytest.raises(CheckpointError, match=r"run-1 .*is run-2"):
        checkpoints.restore(state(0))
    assert sorted(path.name for path in saved.iterdir()) == ["1", "2"]


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    with opened(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), {})
    monkeypatch.undo()
    with opened(tmp_path) as checkpoints, pytest.raises(CheckpointError, match=r"format 2 .* up to 1; update grux"):
        checkpoints.restore(state(0))


# Storage


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), ValueError("RESOURCE_EXHAUSTED: Error writing: No space left on device")],
)
def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception):
    def fail(*_, **__):
        raise error

    with opened(tmp_path) as checkpoints:
        monkeypatch.setattr(ocp.training.Checkpointer, "save_checkpointables", fail)
        with pytest.raises(StorageError, match=r"step 7 .*No space left.*start the same command again"):
            checkpoints.save(7, state(1), {})


def test_a_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(GruxError) as caught, opened(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(1, state(1), {})
    assert isinstance(caught.value, StorageError) and "checkpoints" in str(caught.value)


def test_a_folder_that_vanished(tmp_path: Path):
    """Its place is taken by a file, so that not even root can write there; the answer comes at once."""
    folder = tmp_path / "checkpoints"
    with opened(folder) as checkpoints:
        shutil.rmtree(folder)
        folder.write_text("")
        began = time.monotonic()
        with pytest.raises(StorageError, match="start the same command again"):
            checkpoints.save(2, state(2), {})
        assert time.monotonic() - began < 10


def test_a_save_that_did_not_happen_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with opened(tmp_path) as checkpoints:
        monkeypatch.setattr(ocp.training.Checkpointer, "save_checkpointables", lambda *_, **__: False)
        with pytest.raises(CheckpointError, match="did not save step 7"):
            checkpoints.save(7, state(1), {})


def test_the_rest_of_a_save_that_was_killed_does_no_harm(copied: Path):
    """Orbax writes into a folder of another name and renames it: what a kill leaves is swept away at the next start."""
    half = copied / f"3{ocp_suffix()}"
    shutil.copytree(copied / "2", half)
    (half / "manifest" / "_strings.json").unlink()
    assert read(copied) == "whole"
    with opened(copied) as checkpoints:
        checkpoints.save(3, state(3), position(3))
        assert checkpoints.restore(state(0))[0] == 3  # pyright: ignore[reportOptionalSubscript]


def ocp_suffix() -> str:
    from orbax.checkpoint._src.path import atomicity

    return atomicity.TMP_DIR_SUFFIX


def test_the_manifest_is_readable_without_grux(saved: Path):
    manifest = json.loads(ocp.load_checkpointables(str(saved / "2"), {"manifest": None})["manifest"]["json"])
    assert manifest["owner"] == "run-1" and manifest["leaves"]["['step']"]["dtype"] == "int32"
