"""What is printed while a run trains: no more than asked for, with the time that is left."""

import io
import os

import pytest
import rich.console

from grux.training import progress
from grux.training.progress import Left, NoProgress, PlainProgress, RichProgress, duration, make_progress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_read_well(seconds: float, words: str):
    assert duration(seconds) == words


def test_auto_is_plain_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch):
    assert type(make_progress("auto")) is PlainProgress
    monkeypatch.setattr(rich.console.Console, "is_terminal", True)
    assert type(make_progress("auto")) is RichProgress
    assert type(make_progress("none")) is NoProgress


def test_plain_prints_now_and_then_and_the_last(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    shown = PlainProgress()
    shown.start("gru on sst2", 100, 200)
    for step, now in ((110, 104.9), (120, 106.0), (130, 107.0), (200, 108.0)):
        clock[0] = now
        shown.advance(step)
        shown.evaluated(step, f"loss {step}")
    shown.stop()
    assert capsys.readouterr().out.splitlines() == [
        "gru on sst2: 100 steps to go",
        "gru on sst2: step 120/200, loss 120, about 24 s left",  # 6 s for the first 20 of 100
        "gru on sst2: step 200/200, loss 200",
    ]


def test_compilation_is_no_part_of_the_pace(monkeypatch: pytest.MonkeyPatch):
    clock, compiled = [0.0], [50.0]  # seconds that an earlier attempt took
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    left = Left(100, 200, lambda: compiled[0])
    clock[0], compiled[0] = 30.0, 80.0
    assert left.after(100) == ""
    clock[0], compiled[0] = 65.0, 110.0  # two programs in 60 s, ten steps in 5 s
    assert left.after(110) == "about 45 s left" and left.after(200) == ""


def test_none_is_silent(capsys: pytest.CaptureFixture[str]):
    silent = make_progress("none")
    silent.start("x", 0, 9)
    silent.note("x")
    silent.advance(1)
    silent.evaluated(1, "x")
    silent.stop()
    assert capsys.readouterr() == ("", "")


def test_a_bar_shows_title_steps_and_score(monkeypatch: pytest.MonkeyPatch):
    output = io.StringIO()
    monkeypatch.setattr(rich.console.Console, "file", property(lambda self: output, lambda self, value: None))
    monkeypatch.setattr(rich.console.Console, "is_terminal", True)
    monkeypatch.setenv("TERM", "xterm")
    bar = RichProgress()
    bar.note("before the start")
    bar.start("gru on sst2", 0, 20)
    bar.advance(5)
    assert bar._bar.tasks[0].fields["left"] == ""  # it may still run
    bar.advance(8)
    assert bar._bar.tasks[0].fields["left"] == "about 0 s left"
    bar.evaluated(10, "loss [0.5]")
    bar.note("a [note]")
    bar._bar.refresh()
    bar.stop()
    bar.stop()
    shown = output.getvalue()
    assert "gru on sst2" in shown and "10/20" in shown and "a [note]" in shown


def test_a_bar_that_never_started_can_be_stopped():
    RichProgress().stop()


def test_a_reader_that_has_gone_ends_no_training(monkeypatch: pytest.MonkeyPatch):
    reader, writer = os.pipe()
    os.close(reader)
    shown = PlainProgress()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", out := os.fdopen(writer, "w"))
        with pytest.raises(BrokenPipeError):
            print("unheard", flush=True)
        shown.start("gru on sst2", 0, 10)
        shown.evaluated(10, "validation loss 1")
        shown.note("done")
    with pytest.raises(BrokenPipeError):
        out.close()
