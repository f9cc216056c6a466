"""The command line: exit codes, sentences, sweeps, and what is skipped, with a stand-in for the training."""

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from stub_jobs import stand_in

from grux.cli import COMMANDS, main
from grux.errors import DataError
from grux.together import Program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRUX_DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Puts a stand-in for `grux.run.run_together` that only notes its call and leaves a finished run behind."""
    calls: list[dict] = []

    def run_together(program: Program, *, title: str) -> list[dict]:
        (plan,) = program.waiting
        config, choices, folder, run_id = plan.config, plan.choices, plan.folder, plan.run_id
        calls.append({"config": config, "choices": choices, "folder": folder, "run_id": run_id, "title": title})
        outcome = OUTCOMES.get(choices["arch"])
        if outcome:
            raise outcome
        return [finish(folder, run_id, config, choices)]

    OUTCOMES.clear()
    monkeypatch.setitem(sys.modules, "grux.run", types.SimpleNamespace(run_together=run_together))
    return calls


OUTCOMES: dict[str, BaseException] = {}


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """launched(arch="program", ...) puts a stand-in for the processes of a sweep; gives what tells what was started."""

    def put(**ends: str):
        record = finish(tmp_path_factory.mktemp("record"), "", {"group": ""}, {"arch": "", "data": "first_token"})
        return stand_in(monkeypatch, tmp_path_factory.mktemp("stand_in"), record, **ends)

    return put


def finish(folder: Path, run_id: str, config: dict, choices: dict) -> dict:
    """Write the smallest complete record and give it."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "format": 1,
        "run_id": run_id,
        "experiment": config["group"],
        "created": "2026-11-21T10:00:00Z",
        "task": "classification",
        "choices": choices,
        "config": config,
        "metric": {"primary": "accuracy", "higher_is_better": True},
        "selection": {"metric": "loss", "split": "validation", "mode": "min", "rule": "best validation loss"},
        "seeds": [
            {
                "seed": 0,
                "status": "done",
                "steps": 9,
                "best_step": 8,
                "scores": {"test": {"accuracy": 0.5, "loss": 1.0}},
            }
        ],
        "baselines": {},
        "signatures": {},
        "parameters": {"total": 100, "recurrent": 50, "rule": "all"},
        "flops": {"forward_per_example": 1.0, "rule": "all"},
        "seconds": {"compile": 1.0, "train": 2.0, "evaluate": 0.5, "total": 3.5},
        "examples_per_second": 10.0,
        "versions": {"python": "3.11"},
        "commit": None,
        "diff": None,
        "data": {},
        "artifacts": {},
        "device": {"platform": "cpu", "kind": "cpu", "count": 1, "cores": 1},
    }
    (folder / "result.json").write_text(json.dumps(record))
    return record


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_names_every_command(capsys):
    code, out, _ = answer(capsys, "--help")
    assert code == 0 and all(f"  {name} " in out for name in COMMANDS) and "grux train -m" in out


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_help_teaches_by_example(capsys, command: str):
    code, out, _ = answer(capsys, command, "--help")
    assert code == 0 and f"  grux {command}" in out


def test_train_help_lists_choices_and_config(capsys):
    _, out, _ = answer(capsys, "train", "--help")
    assert "elman" in out and "batch_size: 32" in out
    assert not re.search(r"hydra(?![./])", out.lower())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "did you mean `grux train`?"),
        (["arch=gru"], "did you mean `grux train arch=gru`?"),
        (["train", "arch=gruu"], "did you mean gru?"),
        (["train", "seeds=0"], "seeds=0 must be a whole number >= 1"),
        (["train", "+seedz=3"], "did you mean seeds?"),
        (["train", "++data._target_=os.system"], "os.system is not allowed"),
        (["train", "experiment=nope"], "experiment=nope is unknown"),
        (["train", "-m", "arch=gru,lstn"], "did you mean lstm?"),
        (["train", "-m", "arch=glob(zz*)"], "selects no job"),
        (["train", "-m", "arch=gru,lstm", "run_dir=x"], "run_dir is the folder of one run"),
        (["train", "-m", "arch=gru", "hydra.run.dir=x"], "of hydra.* grux reads"),
        (["train", "hydra.mode=MULTI"], "of hydra.* grux reads"),
        (["train", "hydra/launcher=basic"], "this is one run; add -m"),
        (["train", "-m", "arch=gru", "hydra/launcher=basik"], "did you mean basic?"),
        (["train", "-m", "seeds=range(1,10)", "launcher.max_jobs=8"], "9 jobs, more than launcher.max_jobs=8"),
        (["train", "-m", "seeds=range(1,9999)", "first_seed=range(0,9999)"], "more than 100000 combinations"),
        (["train", "-m", "arch=gru,lstm", "launcher.jobs=1,2"], "launcher.jobs is 1 in one job and 2 in another"),
        (["train", "launcher.job=2"], "did you mean launcher.jobs?"),
        (["train", "launcher.jobs=0"], "launcher.jobs=0 must be a whole number >= 1 or one of auto"),
        (["train", "launcher.memory=-1"], "launcher.memory=-1 must be a number > 0 or null"),
        (["train", "launcher=3"], "launcher=3 must be a mapping"),
        (["train", "--config-dir", "none"], "is not a folder"),
        (["train", "--experimental-rerun", "x.pickle"], "is not for grux"),
        (["train", "--config-name", "x"], "is not for grux"),
        (["train", "--cfg", "job", "arch=gruu"], "did you mean gru?"),
        (["table"], "there is no folder 'runs'"),
        (["show"], "grux show needs a run"),
        (["report"], "grux report needs the name of an experiment"),
        (["compare", "a"], "grux compare needs two runs"),
        (["plot", "--kind", "pie"], "choose from 'curves', 'final', 'pareto', 'lag', 'length'"),
        (["data", "get", "sst3"], "did you mean sst?"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(capsys, trained, arguments: list[str], words: str):
    code, _, err = answer(capsys, *arguments)
    assert code == 2 and words in err
    assert err.startswith("grux: ") and err.count("\n") == 1
    assert not trained and not list(Path().iterdir())


def test_cfg_prints_the_config_and_leaves_nothing(capsys, trained):
    code, out, err = answer(capsys, "train", "--cfg", "job", "seeds=3")
    assert code == 0 and "seeds: 3" in out and not err
    assert not trained and not list(Path().iterdir())


def test_a_run_then_done_already_then_beside_it(capsys, trained):
    assert answer(capsys, "train")[0] == 0
    folder = trained[0]["folder"]
    assert folder == Path("runs/default") / trained[0]["run_id"] and trained[0]["title"] == "gru on first_token"
    assert answer(capsys, "train")[1] == f"done already: {folder}\n" and len(trained) == 1
    assert answer(capsys, "train", "force=true")[0] == 0
    assert trained[1]["folder"] == folder.with_name(f"{folder.name}-2") and trained[1]["run_id"] == trained[0]["run_id"]


def test_a_sweep_runs_every_job_once(capsys, launched):
    started = launched()
    code, out, _ = answer(capsys, "train", "-m", "arch=gru,lstm,gru", "seeds=1,2")
    assert code == 0 and len(started()) == 4 and "4/4 " in out
    assert sum(line.startswith("train arch=gru seeds=2 ") for line in started()) == 1


def test_an_experiment_may_carry_its_grid(capsys, launched):
    Path("mine/experiment").mkdir(parents=True)
    Path("mine/experiment/grid.yaml").write_text(
        "# @package _global_\ngroup: grid\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {arch: 'gru,lstm'}\n"
    )
    started = launched()
    assert answer(capsys, "train", "--config-dir", "mine", "experiment=grid")[0] == 0
    assert all(line.startswith("train --config-dir mine arch=") and "hydra.mode=RUN" in line for line in started())
    assert sorted(path.name.split("-")[0] for path in Path("runs/grid").iterdir()) == ["gru", "lstm"]


def test_a_grid_cannot_admit_a_package(capsys, trained):
    Path("mine/experiment").mkdir(parents=True)
    Path("mine/experiment/grid.yaml").write_text(
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {plugins: '[os]'}\n"
    )
    code, _, err = answer(capsys, "train", "--config-dir", "mine", "experiment=grid")
    assert code == 2 and "only the command line may admit" in err and not trained


def test_hydras_own_objects_are_not_made(capsys, trained):
    Path("mine/experiment").mkdir(parents=True)
    Path("mine/experiment/x.yaml").write_text(
        "# @package _global_\nhydra:\n  callbacks:\n    x: {_target_: os.system, command: 'touch marker'}\n"
    )
    assert answer(capsys, "train", "--config-dir", "mine", "experiment=x")[0] == 0
    code, _, err = answer(capsys, "train", "--config-dir", "mine", "experiment=x", "--cfg", "job")
    assert code == 2 and "hydra.callbacks" in err
    assert not Path("marker").exists()


def test_one_failure_does_not_stop_the_others(capsys, launched):
    started = launched(gru="status('failed', 'Diverged', 'every seed diverged; lower learning_rate.'); sys.exit(4)")
    code, out, err = answer(capsys, "train", "-m", "arch=gru,lstm")
    assert code == 4 and len(started()) == 2
    assert "gru on first_token: failed: Diverged: every seed diverged; lower learning_rate.; runs/default/gru-" in out
    assert err == (
        "grux: of 2 jobs 1 done, 1 failed (first: gru on first_token: Diverged: every seed diverged; lower "
        "learning_rate); the same command goes on with what is left.\n"
    )


def test_an_interrupted_job_makes_the_sweep_interrupted(capsys, launched):
    ends = {"gru": "status('interrupted', 'Interrupted', 'Stopped at step 3.'); sys.exit(75)", "lstm": "sys.exit(1)"}
    launched(**ends)
    code, _, err = answer(capsys, "train", "-m", "arch=gru,lstm,elman")
    assert code == 75 and "of 3 jobs 1 done, 1 interrupted, 1 failed" in err and "the same command goes on" in err


def test_debug_shows_the_traceback(capsys, trained, monkeypatch):
    OUTCOMES["gru"] = DataError("bad data.")
    monkeypatch.setenv("GRUX_DEBUG", "1")
    code, _, err = answer(capsys, "train")
    assert code == 3 and "Traceback" in err and err.endswith("grux: bad data.\n")


def test_the_folder_of_another_config_is_refused(capsys, trained):
    assert answer(capsys, "train", "run_dir=here")[0] == 0
    code, _, err = answer(capsys, "train", "run_dir=here", "seeds=2")
    assert code == 2 and trained[0]["run_id"] in err and err.count("gru-first_token-") == 2 and len(trained) == 1


def test_a_folder_with_other_files_is_refused(capsys, trained):
    Path("here").mkdir()
    Path("here/thesis.txt").write_text("precious")
    code, _, err = answer(capsys, "train", "run_dir=here")
    assert code == 2 and "holds other files" in err and not trained


def test_a_file_in_the_way_is_a_storage_error(capsys, trained):
    Path("runs").write_text("")
    code, _, err = answer(capsys, "train")
    assert code == 6 and err.count("\n") == 1 and not trained


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_an_unwritable_folder_is_a_storage_error(capsys, trained):
    Path("runs").mkdir(mode=0o500)
    assert answer(capsys, "train")[0] == 6 and not trained


def test_proc_cannot_be_written(capsys, trained):
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    code, _, err = answer(capsys, "train", "runs=/proc/grux")
    assert code == 6 and err.count("\n") == 1 and not trained


def test_table_and_choice_of_runs(capsys, launched):
    launched()
    answer(capsys, "train", "-m", "arch=gru,lstm", "group=one")
    code, out, _ = answer(capsys, "table", "experiment=one", "--format", "csv")
    assert code == 0 and "gru" in out and "lstm" in out
    code, out, _ = answer(capsys, "table", "arch=gru", "--format", "csv")
    assert code == 0 and "lstm" not in out
    code, _, err = answer(capsys, "table", "experiment=onee")
    assert code == 2 and "did you mean one?" in err
    code, _, err = answer(capsys, "table", "arhc=gru")
    assert code == 2 and "did you mean arch" in err
    code, _, err = answer(capsys, "table", "gru-first_tokem")
    assert code == 2 and err.startswith("grux: there is no run")


def test_data_list(capsys):
    code, out, _ = answer(capsys, "data", "list")
    assert code == 0 and "first_token" in out


def test_doctor(capsys):
    code, out, _ = answer(capsys, "doctor")
    assert code == 0 and "jax" in out and "data cache" in out and "seed_strategy=" in out


def test_completion(capsys, monkeypatch):
    code, out, _ = answer(capsys, "train", "-sc", "install=bash")
    assert code == 0 and out.rstrip().endswith("hydra_bash_completion grux")
    monkeypatch.setenv("COMP_LINE", "grux tr")
    assert {"train", "report", "compare"} <= set(answer(capsys, "-sc", "query=bash")[1].split())
    monkeypatch.setenv("COMP_LINE", "grux train arch=el")
    assert answer(capsys, "-sc", "query=bash")[1].split() == ["arch=elman"]
    monkeypatch.setenv("COMP_LINE", "grux count arch=el")
    assert answer(capsys, "-sc", "query=bash")[1].split() == ["arch=elman"]


def test_light_commands_import_nothing_heavy(place: Path):
    """In a fresh interpreter: grux itself, a refused config and a table without JAX."""
    program = (
        "import sys; import grux.cli\n"
        "assert not {'jax', 'hydra', 'numpy', 'omegaconf'} & set(sys.modules)\n"
        "assert grux.cli.main(['train', 'seeds=0']) == 2; assert grux.cli.main(['table']) == 2\n"
        "assert not {'jax', 'flax', 'optax'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_exit_code_of_the_process(place: Path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "grux.cli", "train", "arch=nope"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.startswith("grux: arch=nope is unknown") and not list(place.iterdir())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_without_the_characters_gets_others(place: Path, encoding: str):
    finish(place / "runs" / "a" / "b", "b", {"group": "a"}, {"arch": "gru", "data": "first_token"})
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "grux", "ls"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0 and b"accuracy % 50.0" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["train", "-sc", "install=bash"], 0),
        (["train", "--info"], 0),
        (["data", "list"], 0),
        (["data", "get", "sst3"], 2),
    ],
)
def test_a_reader_that_has_gone_is_no_error(place: Path, arguments: list[str], code: int):
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "grux", *arguments]
    done = subprocess.run(command, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == code and done.stderr.count("\n") == (code > 0), done.stderr
    if code:
        assert subprocess.run(command, env=environment, stdout=writer, stderr=writer, timeout=60).returncode == code
    os.close(writer)


@pytest.mark.parametrize("command", ["train", "tune", "chat", "classify", "table", "demo"])
def test_ctrl_c_promises_to_go_on_only_where_something_does(capsys, monkeypatch, command: str):
    def run(words: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"grux.commands.{command}.run", run)
    code, out, err = answer(capsys, command)
    if command in ("train", "tune"):
        assert code == 75 and err == "grux: interrupted; the same command goes on where it stopped.\n"
    else:
        assert (code, out, err) == (130, "", "")
