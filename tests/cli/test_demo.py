"""`grux demo`: every one of them names what there is, and one goes from nothing to one's own lines."""

import argparse
import importlib
import io
from pathlib import Path

import pytest
from small_runs import SMALL

from grux.cli import COMMANDS
from grux.commands import demo
from grux.commands.demo import DEMOS, Demo, run
from grux.config.check import check_nodes, check_pair
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
