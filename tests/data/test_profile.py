"""The profile of a file tells what is odd in it, and its line trains: whatever a data set would refuse is answered."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from own_files import hours, pairs, replaced, reviews, write
from test_own_refusals import ALL as REFUSED
from test_own_refusals import HOURS, IDS, PAIRS, REVIEWS, TALKS
from test_own_series import WAYS

from grux.commands.profile import DOUBLE
from grux.config import build, compose
from grux.config.repeat import in_words
from grux.data.profile import between, command, contents, profile
from grux.errors import DataError

ANSWERED = {
    name: (data, rows, changes.get("file_encoding", "utf-8"))
    for name, (data, _, rows, changes, _, answer) in zip(IDS, REFUSED, strict=True)
    if answer is not None
}


def written(tmp_path, rows, name="my.csv", **how):
    return profile(Path(write(tmp_path / name, rows, **how)))


def built(*profiles, data=None):
    """The settings of the line, and the data set that it makes."""
    settings = command(profiles, data)
    assert settings is not None
    config = compose([f"{key}={in_words(value, DOUBLE)}" for key, value in settings.items()]).config
    dataset = build(config["data"])
    assert dataset.splits["train"].size >= config["batch_size"]
    return settings, dataset


@pytest.mark.parametrize(("data", "rows", "encoding"), ANSWERED.values(), ids=ANSWERED)
def test_what_would_be_refused_is_told_and_answered(tmp_path, data, rows, encoding):
    found = written(tmp_path, rows, encoding=encoding)
    assert found.sheet.kind == data
    settings, _ = built(found)
    told = " ".join(found.findings.odd)
    for key in settings.keys() & {f"data.{name}" for name in ("empty", "impute", "irregular", "repeated", "unsorted")}:
        assert key in told


@pytest.mark.parametrize(("how", "rows", "settings"), WAYS.values(), ids=WAYS)
def test_a_file_however_written_is_a_series(tmp_path, how, rows, settings):
    found = written(tmp_path, rows, **how)
    assert found.sheet.kind == "csv_series"
    made, dataset = built(found)
    assert dataset.info.season == 24
    said = {name: made.get(f"data.{name}") for name in settings.keys() - {"separator", "target"}}
    assert said == {name: value for name, value in settings.items() if name in said}


UNTRAINABLE = {
    "ragged": (replaced(HOURS, 7, HOURS[6] + ",1"), "1 row has not the 3 cells of the others (line 7): repair."),
    "odd number": (
        replaced(HOURS, 7, "2020-01-01 05:00,high,3"),
        "Line 7, column 'load': 'high' is none of its numbers",
    ),
    "odd time": (replaced(HOURS, 7, "noon,1,3"), "Line 7, column 'time': 'noon' is none of its times: repair it."),
    "no time": (replaced(HOURS, 7, ",1,3"), "Column 'time' lacks 1 time: repair or remove this row."),
    "too short": (HOURS[:5], "4 rows are too few for a window and a horizon"),
    "constant": (
        ["time,a", *(f"2020-01-{i:02d},1" for i in range(1, 30))],
        "There is no column of numbers that changes",
    ),
    "no class": (replaced(REVIEWS, 7, "5,a fine film,"), "1 text has no class (line 7)"),
    "no header": (HOURS[1:], "or line 1 is no header: nothing here is known to train on."),
    "only numbers": (["a,b", "1,2", "3,4"], "nothing here is known to train on."),
}


@pytest.mark.parametrize(("rows", "sentence"), UNTRAINABLE.values(), ids=UNTRAINABLE)
def test_what_no_setting_answers_has_no_line(tmp_path, rows, sentence):
    found = written(tmp_path, rows)
    assert sentence in " ".join(found.findings.odd)
    assert command([found]) is None


def test_columns(tmp_path):
    rows = [f"{row},{'sky' if i == 0 else 'blue' if i % 3 else ''},7," for i, row in enumerate(HOURS)]
    rows[0] = "time,load,temp,sky,seven,void"
    found = written(tmp_path, replaced(rows, 7, "2020-01-01 05:00:00,,3,,7,"))
    columns = found.sheet.columns
    assert [(c.name, c.holds, c.missing) for c in columns] == [
        ("time", "time", 0),
        ("load", "number", 1),
        ("temp", "number", 0),
        ("sky", "class", 80),
        ("seven", "number", 0),
        ("void", "nothing", 240),
    ]
    assert [contents(found.sheet, column) for column in columns] == [
        "2020-01-01 00:00:00 ... 2020-01-10 23:00:00",
        "0 to 39",
        "-3 to 9.3",
        "blue 160",
        "7",
        "",
    ]
    settings, dataset = built(found)
    assert settings["data.target"] == ["load", "temp"] and dataset.info.features == 2


def test_a_short_series_gets_a_batch_that_fits(tmp_path):
    settings, dataset = built(written(tmp_path, HOURS[:41]))
    assert settings["batch_size"] == dataset.splits["train"].size == 14


STEPS = {  # of a series, with the window and the horizon for many rows and for few
    "daily": (timedelta(days=1), 300, (28, 7), 30, (10, 1)),
    "weekly": (timedelta(weeks=1), 1100, (208, 52), 100, (32, 5)),
    "quarters of an hour": (timedelta(minutes=15), 2000, (384, 96), 100, (32, 5)),
    "minutes": (timedelta(minutes=1), 500, (96, 24), 100, (32, 5)),
    "no season": (timedelta(days=3), 500, (96, 24), 100, (32, 5)),
}


@pytest.mark.parametrize(("step", "many", "usual", "few", "fits"), STEPS.values(), ids=STEPS)
def test_window_and_horizon_are_those_of_the_season_that_the_file_is_long_enough_for(
    tmp_path, step, many, usual, few, fits
):
    for rows, expected in ((many, usual), (few, fits)):
        lines = [f"{datetime(2020, 1, 1) + i * step},{i * i % 17}" for i in range(rows)]
        found = written(tmp_path, ["time,load", *lines])
        settings, dataset = built(found)
        assert (settings["data.window"], settings["data.horizon"]) == expected
        assert (dataset.info.window, dataset.info.horizon) == expected
        watched, _ = built(found, data="csv_anomaly")
        assert watched["data.window"] == min(usual[0], (rows * 7 // 10 + 1) // 2)


def test_quotes_in_pairs_are_letters(tmp_path):
    rows = replaced(PAIRS, 7, '"open quotes here\tune "citation" ouverte')
    found = written(tmp_path, rows, "my.tsv")
    assert found.sheet.kind == "tsv_pairs" and len(found.sheet.rows) == 120
    assert found.findings.examples[6].key == '"open quotes here'
    built(found)


def test_a_mark_of_missing_values_is_suspected(tmp_path):
    rows = replaced(replaced(HOURS, 7, "2020-01-01 05:00:00,-999,3"), 9, "2020-01-01 07:00:00,-999,3")
    (told,) = written(tmp_path, rows).findings.odd
    assert told.startswith("Column 'load' holds -999 2 times, far from all else")
    wide = [HOURS[0], *(f"{row[:19]},{i * 50},{i}" for i, row in enumerate(HOURS[1:]))]
    assert not written(tmp_path, replaced(wide, 100, "2020-01-05 02:00:00,999,3")).findings.odd


def test_lengths_and_classes(tmp_path):
    rows = ["review,mood", *(f"film {'very ' * (i % 5)}{i},{'rare' if i % 5 == 0 else 'often'}" for i in range(300))]
    found = written(tmp_path, rows).findings
    assert found.facts == [
        "Classes (mood): often 240, rare 60.",
        "Words of a text (review): 2 to 6, median 4, 90 % up to 6, 99 % up to 6.",
    ]
    assert found.odd[0].startswith("The classes are unbalanced: 240 rows of 'often' and 60 of 'rare'")


def test_repeats_and_contradictions(tmp_path):
    rows = [
        *REVIEWS,
        "200,FILM 0,  A good one of 0,bad".replace("FILM 0,  A good one of 0", '"FILM 0,  A good one of 0"'),
    ]
    odd = written(tmp_path, rows).findings.odd
    assert "Of 121 texts 1 repeats another one, case and blanks apart; they would stand in one split." in odd
    assert "1 text stands with different classes in different rows." in odd
    told = written(tmp_path, [*PAIRS, PAIRS[0], "same thing\tSame  thing"]).findings.odd
    assert told == [
        "1 target is equal to the source (line 122).",
        "Of 122 sources 1 repeats another one, case and blanks apart; they would stand in one split.",
    ]


def test_plain_text(tmp_path):
    found = written(tmp_path, ["To be, or not to be", "", "that is the question", "that is the question"], "my.txt")
    assert found.sheet.kind == "text"
    assert found.findings.facts[0].startswith(
        "63 characters (16 different ones), 14 words (10 different ones), 3 lines"
    )
    assert found.findings.odd == ["Of 3 lines 1 repeats another one, case and blanks apart."]


def test_dialogues(tmp_path):
    rows = ["a\tzoe\tHow are you?", "a\tzoe\tTell me.", "a\tben\tFine.", *TALKS, "61\tzoe\tAnyone?"]
    found = written(tmp_path, rows)
    assert found.title == f"{tmp_path}/my.csv: dialogues, turn by turn, 184 rows of 3 columns"
    assert [column.name for column in found.sheet.columns] == ["dialogue", "speaker", "text"]
    assert found.findings.facts == [
        "62 dialogues; turns of one: 1 to 3, median 3, 90 % up to 3, 99 % up to 3.",
        "Turns of each speaker: ann 120, ben 61, zoe 3; data.speaker=NAME learns those of one.",
        "Words of a turn: 1 to 5, median 5, 90 % up to 5, 99 % up to 5.",
    ]
    assert found.findings.odd == ["1 dialogue has one turn, which nothing answers (line 184): data.empty=skip."]
    settings, dataset = built(found)
    assert settings == {"data": "tsv_turns", "data.path": f"{tmp_path}/my.csv", "data.empty": "skip"}
    assert sum(split.size for split in dataset.splits.values()) == 2 + 60 * 2


def test_a_few_sentences_said_again_and_again_are_turns(tmp_path):
    said = ("hello i am ben", "hello ben", "i like blue", "blue is nice")
    rows = [f"d{i // 4}\t{'user' if i % 2 == 0 else 'bot'}\t{said[i % 4]}" for i in range(240)]
    assert written(tmp_path, rows).sheet.kind == "tsv_turns"


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([f"{i // 4}\t{'xy'[i % 2]}\t{('good', 'bad')[i % 3 == 0]}" for i in range(60)], "table"),  # classes
        ([f"go {i // 2}\tva {i}\tby user {i % 3}" for i in range(60)], "tsv_pairs"),  # a source of two translations
        ([f"{i // 20}\tweb\ta film of {i}" for i in range(60)], "table"),  # nobody answers
        (["label\tfrom\ttext", *(f"{'ab'[i % 2]}\t{'xyz'[i % 3]}\ta film of {i}" for i in range(60))], "csv_text"),
    ],
)
def test_what_is_no_dialogue(tmp_path, rows, kind):
    assert written(tmp_path, rows).sheet.kind == kind


def test_dialogues_that_no_setting_repairs(tmp_path):
    found = written(tmp_path, [*TALKS, "0\tann\tand then", "0\tben\ta \u241e b"])
    assert found.findings.odd == [
        "1 text has \u241e (line 182), which stands between turns: take it out.",
        "1 dialogue goes on after another has begun (line 181): put the lines of each together.",
    ]
    assert command([found]) is None


def test_a_series_to_be_watched(tmp_path):
    """A column that marks anomalies is nothing to forecast, may be constant, and what it lacks is no missing value."""
    marks = {220: "1", 221: "1", 100: ""}
    rows = ["time,load,temp,is_anomaly", *(f"{row},{marks.get(i, '0')}" for i, row in enumerate(HOURS[1:]))]
    found = written(tmp_path, rows)
    assert "Column 'is_anomaly' seems to mark anomalies, 2 rows of 240: it is nothing to forecast." in (
        found.findings.facts
    )
    assert not found.findings.odd
    settings, dataset = built(found)
    assert settings["data.target"] == ["load", "temp"] and dataset.info.task == "forecasting"
    settings, dataset = built(found, data="csv_anomaly")
    assert settings["data.label"] == "is_anomaly" and (settings["data.window"], settings["data.stride"]) == (84, 42)
    assert dataset.splits["test"].marks.labels.sum() == 2 and dataset.info.channels == ("load", "temp")
    numbers = written(tmp_path, [row.replace("1", "2") for row in rows])
    assert numbers.findings.label is None and command([written(tmp_path, PAIRS)], "csv_anomaly") is None


def test_a_short_series_is_watched_in_short_windows(tmp_path):
    settings, _ = built(written(tmp_path, HOURS[:21]), data="csv_anomaly")
    assert (settings["data.window"], settings["batch_size"]) == (7, 8)
    cut = {"a": HOURS[1:60], "b": HOURS[60:80], "c": HOURS[80:99]}
    three = [written(tmp_path, [HOURS[0], *part], name) for name, part in cut.items()]
    assert built(*three, data="csv_anomaly")[1].splits["test"].marks.items.max() == 18


@pytest.mark.parametrize("rows", [hours(), reviews(), pairs(), TALKS], ids=["series", "texts", "pairs", "turns"])
def test_leaks_between_files(tmp_path, rows):
    head, rest = ([], rows) if "\t" in rows[0] else (rows[:1], rows[1:])
    size = 3 if rows == TALKS else 1  # lines of an example
    first, second, third = (120, 150, 180) if rows == TALKS else (80, 100, 120)
    cut = {"a": rest[:first], "b": rest[first:second], "c": rest[second:third]}
    clean = [written(tmp_path, [*head, *part], name) for name, part in cut.items()]
    assert between(clean) == []
    settings, dataset = built(*clean)
    assert len(dataset.files) == 3 and "data.leaks" not in settings
    leaky = [*clean[:2], written(tmp_path, [*head, *rest[3 * size : 4 * size], *cut["c"]], "c")]
    (told,) = between(leaky)
    what = "rows" if rows == hours() else "dialogues" if rows == TALKS else "inputs"
    assert told.startswith(
        f"Leak: of {(third - second) // size + 1} {what} of {tmp_path}/c 1 stands in {tmp_path}/a too"
    )
    if rows != hours():
        settings, dataset = built(*leaky)
        assert settings["data.leaks"] == "drop"
        assert dataset.splits["train"].size == (39 * 2 if rows == TALKS else 79)
    assert command(clean[:2]) is None


def test_files_that_do_not_belong_together(tmp_path):
    one, other = written(tmp_path, HOURS, "a"), written(tmp_path, REVIEWS, "b")
    assert between([one, other]) == [
        f"{tmp_path}/b is texts with a class each, {tmp_path}/a is a series in the order of time."
    ]
    fewer = written(tmp_path, [row.rpartition(",")[0] for row in HOURS], "c")
    assert between([one, fewer]) == [f"{tmp_path}/c lacks the column 'temp' of {tmp_path}/a."]
    assert command([one, other, fewer]) is None


def test_an_empty_file(tmp_path):
    with pytest.raises(DataError, match=r"my\.csv is empty; there is nothing to look at\."):
        written(tmp_path, ["", " "])


TABLES = {  # three columns with tabs that are no dialogues, though one repeats and another goes to and fro
    "csv_series": [
        "station\tdate\tvalue",
        *(f"{'ab'[i // 40]}\t2020-01-{1 + i % 28:02}\t{i * i % 17}" for i in range(80)),
    ],
    "csv_text": ["topic\tlabel\ttext", *(f"{'ab'[i // 40]}\t{'xy'[i % 2]}\tthis is review {i}" for i in range(80))],
    "table": [f"{i // 4}\t{'xy'[i % 2]}\t" for i in range(80)],
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_no_dialogue(tmp_path, kind):
    assert written(tmp_path, TABLES[kind]).sheet.kind == kind


def test_speakers_of_one_dialogue_alone(tmp_path):
    rows = [f"{n}\t{who}{n}\tthe words {i} of {n}" for n in range(30) for i, who in enumerate("aba")]
    assert written(tmp_path, rows).sheet.kind == "tsv_turns"


def test_one_class_is_told(tmp_path):
    found = written(tmp_path, ["text,label", *(f"this is text {i},pos" for i in range(60))])
    assert "Every row is of class 'pos': a classifier needs two or more." in found.findings.odd
    assert command([found]) is None


def test_what_is_no_text(tmp_path):
    (tmp_path / "sound.wav").write_bytes(b"RIFF\0\0\1\2")
    with pytest.raises(DataError, match="is no text"):
        profile(tmp_path / "sound.wav")
    with pytest.raises(DataError, match="separators and nothing between them"):
        written(tmp_path, [",", ","])


def test_every_mark_is_kept_from_the_inputs(tmp_path):
    """As pandas writes them, two at once, and not what only sounds alike."""
    rows = ["time,load,attack,label,default_on"]
    rows += [f"{row[:19]},{i % 7},{float(i == 200)},{int(i > 230)},{i % 2}" for i, row in enumerate(HOURS[1:])]
    found = written(tmp_path, rows)
    assert found.findings.label == "label" and found.findings.settings["data.target"] == ["load", "default_on"]


@pytest.mark.parametrize(("marked", "label"), [(120, "label"), (121, None)])
def test_marks_stand_in_half_of_the_rows_at_most(tmp_path, marked, label):
    rows = ["time,load,label", *(f"{row[:19]},{i % 7},{int(i < marked)}" for i, row in enumerate(HOURS[1:]))]
    assert written(tmp_path, rows).findings.label == label
