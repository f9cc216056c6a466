"""`grux demo`: every one of them names what there is, and one goes from nothing to one's own lines."""

import argparse
import importlib
import io
import wave
from pathlib import Path

import pytest
from small_runs import SMALL

from grux.cli import COMMANDS
from grux.commands import demo, examples
from grux.commands.demo import DEMOS, Demo, run
from grux.config.check import check_nodes, check_pair
from grux.data.anomaly import read_sequences
from grux.data.forecasting import read_series
from grux.errors import UsageError
from grux.launch.jobs import prepare

TINY = (*SMALL, "steps=2")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_it_lists_what_there_is(capsys):
    assert run([]) == 0
    said = capsys.readouterr().out
    assert all(name in said and each.about in said for name, each in DEMOS.items())
    with pytest.raises(UsageError, match=r"no demo 'transalte'; choose one of generate, "):
        run(["transalte"])


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_trains_what_can_be_trained_and_uses_what_there_is(name, monkeypatch):
    demo = DEMOS[name]
    job = prepare([*demo.train, "group=demo"])
    check_nodes(job.config)
    check_pair(job.config)
    for words in filter(None, (demo.use, demo.own)):
        assert words[0] in COMMANDS and "RUN" in words
        parsed = []
        monkeypatch.setattr(
            f"grux.commands.{words[0]}.trained", lambda given, *_, seen=parsed: seen.append(given) or _stop()
        )
        with pytest.raises(_Stop):
            importlib.import_module(f"grux.commands.{words[0]}").run(words[1:])
        assert isinstance(parsed[0], argparse.Namespace) and parsed[0].run == "RUN"
    assert (demo.example is not None) == ("INPUT" in demo.use)


class _Stop(Exception):
    pass


def _stop():
    raise _Stop


def test_it_trains_once_shows_the_example_and_takes_lines_of_a_terminal(monkeypatch, capsys):
    made = Demo("", TINY, ("show", "RUN"), own=("show", "RUN", "LINE"))
    used = []
    monkeypatch.setattr(demo, "DEMOS", {"tiny": made})
    monkeypatch.setattr("grux.commands.show.run", lambda words: used.append(words) or 0)
    monkeypatch.setattr("sys.stdin", Terminal("one\n two words \n\nnever read\n"))
    run(["tiny", "arch=elman"])
    folder = Path(used[0][0])
    assert (folder / "result.json").is_file() and folder.parts[:2] == ("runs", "demo") and "elman" in folder.name
    assert used == [[str(folder)], [str(folder), "one"], [str(folder), "two words"]]
    assert "$ grux train data=first_token" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("a line of a pipe\n"))
    run(["tiny", "arch=elman"])
    assert len(used) == 4 and "done already" in capsys.readouterr().out


def test_a_missing_package_is_said_before_the_training(monkeypatch):
    made = Demo("", ("data=nothing_that_could_be_trained",), ("show", "RUN"), needs=("no_such_package", "music"))
    monkeypatch.setattr(demo, "DEMOS", {"tiny": made})
    with pytest.raises(UsageError, match=r"needs no_such_package, which is not installed: pip install .grux\[music\]"):
        run(["tiny"])


@pytest.mark.parametrize(
    ("name", "data", "own", "use"),
    [
        ("forecast", "csv_series", "seattle_weather", "forecast RUN --input FILE"),
        ("detect", "csv_anomaly", "ecg5000", "detect RUN --input FILE"),
        ("transcribe", "fsdd", "fsdd_strings", "transcribe RUN --stream FILE"),
    ],
)
def test_other_data_than_those_of_the_example_are_refused_before_the_training(name, data, own, use, monkeypatch):
    def train(words):
        pytest.fail("it trains")

    monkeypatch.setattr(demo, "_call", train)
    with pytest.raises(UsageError, match=rf"^data={data} was asked .* a file of data={own}; .* `grux {use}`\.$"):
        run([name, f"data={data}", "data.path=my.csv"])
    monkeypatch.setattr(demo, "_call", lambda words: _stop())
    with pytest.raises(_Stop):
        run([name, f"data={own}"])


@pytest.mark.parametrize("name", ["weather", "beats", "digits"])
def test_examples_are_files_as_the_commands_read_them(name, tmp_path, mirror):
    path = getattr(examples, name)(tmp_path)
    if name == "weather":
        series = read_series(path, columns=("temp_max", "temp_min"))
        assert len(series.values) == examples.DAYS
    elif name == "beats":
        assert read_sequences(path, 140).shape == (examples.BEATS, 140)
    else:
        with wave.open(str(path)) as sound:
            assert sound.getframerate() == 8000 and sound.getnframes() > 8000


def test_an_input_is_made_in_the_folder_of_the_run(monkeypatch):
    def example(folder):
        (folder / "demo.csv").write_text("1\n")
        return folder / "demo.csv"

    used = []
    monkeypatch.setattr(demo, "DEMOS", {"tiny": Demo("", TINY, ("show", "RUN", "INPUT"), example=example)})
    monkeypatch.setattr("grux.commands.show.run", lambda words: used.append(words) or 0)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    run(["tiny"])
    assert used[0][1].endswith("demo.csv") and Path(used[0][1]).is_file()
