"""Every oddity of a file of one's own is refused in one sentence with its place, and the choice that the sentence names
answers it.
"""

import pytest
from own_files import hours, load, pairs, replaced, reviews, write

from grux.errors import GruxError

HOURS, REVIEWS, PAIRS = hours(), reviews(), pairs()
SERIES = {"window": 8, "horizon": 4}
TEXT = {"text": "review", "label": "mood"}
FORMATTED = [HOURS[0], *(f"{row[8:10]}.{row[5:7]}.{row[:4]} {row[11:16]}{row[19:]}" for row in HOURS[1:])]
COMMAS = [row.replace(",", ";").replace(".", ",") for row in HOURS]
ZONED = [HOURS[0], *(f"{row[:19]}+01:00{row[19:]}" for row in HOURS[1:])]
MIXED = replaced(ZONED, 5, f"2020-01-01 04:00:00+02:00{HOURS[4][19:]}")
STILL = [HOURS[0], *(row.rpartition(",")[0] + ",5" for row in HOURS[1:])]

# what: (rows, settings, what the sentence says, the settings that answer it or None)
OF_SERIES = {
    "no column of that name": (HOURS, {"target": "laod"}, "no column 'laod' (data.target); did you mean 'load'?", None),
    "another case": (HOURS, {"target": ["Load"]}, "did you mean 'load'?", None),
    "no column of times": (HOURS, {"time": "when"}, "(data.time); the header has time, load, temp.", None),
    "times as target": (HOURS, {"target": ["load", "time"]}, "names 'time', the column of times", None),
    "a target twice": (HOURS, {"target": ["load", "load"]}, "names 'load' twice", None),
    "no target": (HOURS, {"target": []}, "names no column", None),
    "only texts": (["time,sky", "2020-01-01,blue", "2020-01-02,grey"], {}, "no column but 'time' holds numbers", None),
    "empty file": ([], {}, "is empty; name a file with something in it", None),
    "blank file": (["", " "], {}, "is empty; name a file with something in it", None),
    "header only": (HOURS[:1], {}, "has a header and no rows", None),
    "one column": (["time", "2020-01-01"], {}, "line 1: the header has one column, 'time'", None),
    "no name": (replaced(HOURS, 1, "time,,temp"), {}, "line 1: column 2 has no name", None),
    "a name twice": (replaced(HOURS, 1, "time,a,a"), {}, "line 1: column 'a' stands 2 times", None),
    "ragged": (replaced(HOURS, 7, HOURS[6] + ",1"), {}, "line 7: 4 cells where the header has 3; repair", None),
    "empty line": (
        replaced(HOURS, 7, ["", HOURS[6]]),
        {},
        "line 7: the line is empty; remove it, or leave out all like it by data.empty=skip",
        {"empty": "skip"},
    ),
    "empty cells": (replaced(HOURS, 7, [",,", HOURS[6]]), {}, "line 7: the line is empty", {"empty": "skip"}),
    "missing": (
        replaced(HOURS, 7, "2020-01-01 05:00:00,,3"),
        {},
        "line 7, column 'load': the value is missing (1 of 480 in all); fill them by data.impute=previous, linear",
        {"impute": "previous"},
    ),
    "missing by name": (
        replaced(HOURS, 7, "2020-01-01 05:00,1,n/a"),
        {},
        "column 'temp': the value",
        {"impute": "mean"},
    ),
    "first missing": (
        replaced(HOURS, 2, "2020-01-01 00:00:00,,3"),
        {"impute": "previous"},
        "line 2, column 'load': the first value is missing",
        {"impute": "linear"},
    ),
    "training rows missing": (
        [HOURS[0], *(row.rpartition(",")[0] + "," for row in HOURS[1:200]), *HOURS[200:]],
        {"impute": "linear"},
        "line 2, column 'temp': no value of the part is known to fill from by data.impute=linear",
        None,
    ),
    "no number": (replaced(HOURS, 7, "2020-01-01 05:00,high,3"), {}, "line 7, column 'load': 'high' is not", None),
    "infinite": (
        replaced(HOURS, 7, "2020-01-01 05:00,inf,3"),
        {},
        "line 7, column 'load': 'inf' is not a finite",
        None,
    ),
    "underscore": (replaced(HOURS, 7, "2020-01-01 05:00,1_0,3"), {}, "'1_0' is not a finite number", None),
    "decimal comma": (
        COMMAS,
        {},
        "line 3, column 'temp': '4,1' is not a finite number; set data.decimal=comma.",
        {"decimal": "comma"},
    ),
    "no time": (replaced(HOURS, 7, "noon,1,3"), {}, "line 7: 'noon' is no time; write it as 2016-07-01 00:00", None),
    "time missing": (replaced(HOURS, 7, ",1,3"), {}, "line 7: the time is missing", None),
    "time format": (
        FORMATTED,
        {},
        "line 2: '01.01.2020 00:00' is no time; say how it is written, like data.time_format='%d.%m.%Y %H:%M'",
        {"time_format": "%d.%m.%Y %H:%M"},
    ),
    "other time format": (FORMATTED, {"time_format": "%d/%m/%Y"}, "like data.time_format='%d.%m.%Y %H:%M'", None),
    "zone missing": (
        replaced(ZONED, 5, HOURS[4]),
        {},
        "line 5: 2020-01-01 03:00:00 has no time zone and line 2 has one; name the zone of those without",
        {"time_zone": "Etc/GMT-1"},
    ),
    "zones mixed": (
        MIXED,
        {},
        "line 5: 2020-01-01 04:00:00+02:00 is in another time zone than line 2; name one for all",
        {"time_zone": "Europe/Berlin"},
    ),
    "zone unknown": (HOURS, {"time_zone": "Europe/Berln"}, "data.time_zone=Europe/Berln is unknown", None),
    "unsorted": (
        [*HOURS[:6], HOURS[7], HOURS[6], *HOURS[8:]],
        {},
        "line 8: time 2020-01-01 05:00:00 comes before 2020-01-01 06:00:00 of the row above (1 in all); sort",
        {"unsorted": "sort"},
    ),
    "repeated": (
        replaced(HOURS, 7, [HOURS[6], HOURS[6]]),
        {},
        "line 8: time 2020-01-01 05:00:00 stands twice (1 in all); remove one, or choose by data.repeated",
        {"repeated": "mean"},
    ),
    "gap": (
        replaced(HOURS, 7, []),
        {},
        "line 7: 2020-01-01 06:00:00 comes after 2020-01-01 04:00:00, but a step is 1 hour elsewhere (odd steps: 1",
        {"irregular": "fill", "impute": "linear"},
    ),
    "gap, counted": (replaced(HOURS, 7, []), {}, "by data.irregular=keep", {"irregular": "keep"}),
    "gap, filled with nothing": (
        replaced(HOURS, 7, []),
        {"irregular": "fill"},
        "fill adds 1 row without values",
        None,
    ),
    "off the grid": (
        replaced(HOURS, 7, "2020-01-01 05:20:00,1,2"),
        {"irregular": "fill", "impute": "mean"},
        "line 7: 2020-01-01 05:20:00 is off the grid of 1 hour from 2020-01-01 00:00:00 on",
        {"irregular": "keep"},
    ),
    "mostly gaps": (
        [*HOURS, "2022-01-01 00:00:00,1,2"],
        {"irregular": "fill", "impute": "mean"},
        "a row for every 1 hour would be 17545 rows for 241 that are there",
        {"irregular": "keep"},
    ),
    "constant": (
        STILL,
        {},
        "column 'temp': it is 5 in all 168 training rows, from line 2 to 169; leave it out: data.target=[load].",
        {"target": "load"},
    ),
    "all constant": (STILL, {"target": "temp"}, "there is nothing to forecast", None),
    "window too long": (HOURS, {"window": 200}, "window=200 and horizon=4 needs at least 204 training rows", None),
    "horizon too long": (HOURS, {"horizon": 30}, "needs at least 30 rows in each part, but the shortest has 24", None),
    "one row": (HOURS[:2], {}, "needs at least 12 training rows, but there are 0", None),
    "encoding": (
        [row.replace("temp", "wärme") for row in HOURS],
        {"file_encoding": "latin-1"},
        "line 1: byte 11 (0xe4) is not utf-8; convert the file, or name its encoding, like data.encoding=latin-1.",
        {"encoding": "latin-1"},
    ),
    "two bytes": (HOURS, {"file_encoding": "utf-16"}, "like data.encoding=utf-16.", {"encoding": "utf-16"}),
    "encoding unknown": (HOURS, {"encoding": "latin-99"}, "data.encoding=latin-99 is unknown", None),
    "another separator": (HOURS, {"separator": "bar"}, "the header has one column", {"separator": "comma"}),
}
OF_TEXTS = {
    "no column of texts": (REVIEWS, {"text": None}, "data.text=COLUMN, one of id, review, mood", None),
    "no column of labels": (REVIEWS, {"label": None}, "data.label=COLUMN, one of id, review, mood", None),
    "misspelt": (REVIEWS, {"label": "mod"}, "no column 'mod' (data.label); did you mean 'mood'?", None),
    "one column for both": (REVIEWS, {"label": "review"}, "are both 'review'", None),
    "one class": (
        [row.replace("bad", "good").replace("so-so", "good") for row in REVIEWS],
        {},
        "of the class 'good'",
        None,
    ),
    "a class each": (REVIEWS, {"label": "id"}, "each of its 120 rows is a class of its own", None),
    "no class": (replaced(REVIEWS, 7, "5,fine,"), {}, "line 7, column 'mood': the class is missing", None),
    "a class that is too small": (
        [*REVIEWS, "999,take 2,odd"],  # its hash puts it into the test split
        {},
        "line 122, column 'mood': no training row is of the class 'odd'",
        None,
    ),
    "empty text": (
        replaced(REVIEWS, 7, "5, ,bad"),
        {},
        "line 7, column 'review': the text is empty; remove it, or leave out all like it by data.empty=skip",
        {"empty": "skip"},
    ),
    "no text": (["a,review,mood", "1,,bad", "2,,good"], {"empty": "skip"}, "no row has a text", None),
    "empty line": (replaced(REVIEWS, 7, ["", REVIEWS[6]]), {}, "line 7: the line is empty", {"empty": "skip"}),
    "too few": (REVIEWS[:4], {"label": "mood"}, "class of its own", None),
    "quotes": (replaced(REVIEWS, 7, '5,"a "b" c",bad'), {}, "line 7: ',' expected after", None),
    "open quotes": ([*REVIEWS, '5,"a,bad'], {}, "line 122: unexpected end of data", None),
    "header only": (REVIEWS[:1], {}, "has a header and no rows", None),
    "encoding": (
        replaced(REVIEWS, 7, "5,trés,bad"),
        {"file_encoding": "latin-1"},
        "line 7: byte",
        {"encoding": "latin-1"},
    ),
}
OF_PAIRS = {
    "no tab": (replaced(PAIRS, 7, "a b"), {}, "line 7: one cell where 2 are needed, with a tab between them", None),
    "too many": (replaced(PAIRS, 7, "a\tb\tc"), {}, "line 7: 3 cells where line 1 has 2; repair the line.", None),
    "no such column": (PAIRS, {"target": 3}, "line 1: 2 cells where 3 are needed", None),
    "the same column": (PAIRS, {"target": 1}, "are both column 1", None),
    "no source": (replaced(PAIRS, 7, "\tb"), {}, "line 7: the source is empty; remove it", {"empty": "skip"}),
    "no target": (replaced(PAIRS, 7, "a\t "), {}, "line 7: the target is empty", {"empty": "skip"}),
    "empty line": (replaced(PAIRS, 7, ""), {}, "line 7: the line is empty; remove it", {"empty": "skip"}),
    "nothing but sources": (["a\t", "b\t"], {"empty": "skip"}, "no line has a source and a target", None),
    "empty file": ([], {}, "is empty", None),
    "too few": (PAIRS[:3], {}, "its 3 rows leave none for", None),
    "encoding": (replaced(PAIRS, 7, "a\té"), {"file_encoding": "latin-1"}, "line 7: byte", {"encoding": "latin-1"}),
}
TALKS = [f"{n}\t{who}\t{who} says {n} and {i}" for n in range(60) for i, who in enumerate(("ann", "ben", "ann"))]
OF_TURNS = {
    "no tab": (replaced(TALKS, 7, "a b"), {}, "line 7: 1 cell where dialogue, speaker and text are needed", None),
    "too many": (replaced(TALKS, 7, "2\tann\tb\tc"), {}, "line 7: 4 cells where dialogue", None),
    "no text": (replaced(TALKS, 8, "2\tben\t"), {}, "line 8: the text is empty; remove it", {"empty": "skip"}),
    "no speaker": (replaced(TALKS, 8, "2\t \tyes"), {}, "line 8: the speaker is empty", {"empty": "skip"}),
    "empty line": (replaced(TALKS, 7, ["", TALKS[6]]), {}, "line 7: the line is empty; rem", {"empty": "skip"}),
    "a dialogue goes on later": (
        [*TALKS, "0\tann\tand then"],
        {},
        "line 181: dialogue '0' goes on after another has begun; put its lines together",
        None,
    ),
    "alone": (
        [*TALKS, "60\tann\thello"],
        {},
        "line 181: in dialogue '60' no turn is answered; remove",
        {"empty": "skip"},
    ),
    "a header": (["dialogue\tspeaker\ttext", *TALKS], {}, "line 1: in dialogue 'dialogue' no", {"empty": "skip"}),
    "never answers": (
        [*TALKS, "60\tben\thello", "60\tann\thi"],
        {"speaker": "ben"},
        "line 181: in dialogue '60' no turn is answered by ben",
        {"empty": "skip"},
    ),
    "nobody of that name": (TALKS, {"speaker": "Ben"}, "nobody is called 'Ben' (data.speaker); did you mean", None),
    "nobody at all": (TALKS, {"speaker": "zoe q"}, "(data.speaker); there are ann, ben.", None),
    "separator": (replaced(TALKS, 8, "2\tben\ta \u241e b"), {}, "which stands between turns; take it out", None),
    "empty file": ([], {}, "is empty", None),
    "too few": (TALKS[:6], {}, "leave none for", None),
}
ALL = [
    *(("csv_series", SERIES, *case) for case in OF_SERIES.values()),
    *(("csv_text", TEXT, *case) for case in OF_TEXTS.values()),
    *(("tsv_pairs", {}, *case) for case in OF_PAIRS.values()),
    *(("tsv_turns", {}, *case) for case in OF_TURNS.values()),
]
IDS = [
    f"{kind}: {what}"
    for kind, cases in (("series", OF_SERIES), ("text", OF_TEXTS), ("pairs", OF_PAIRS), ("turns", OF_TURNS))
    for what in cases
]


@pytest.mark.parametrize(("data", "settings", "rows", "changes", "sentence", "answer"), ALL, ids=IDS)
def test_an_oddity_is_refused_and_a_choice_answers_it(tmp_path, data, settings, rows, changes, sentence, answer):
    given = settings | changes
    path = write(tmp_path / "my.csv", rows, encoding=given.pop("file_encoding", "utf-8"))
    with pytest.raises(GruxError) as caught:
        load(data, path=path, **given)
    said = str(caught.value)
    assert sentence in said
    assert said.endswith((".", "?"))
    assert "\n" not in said
    if "line " in sentence or "column '" in sentence:
        assert said.startswith(path)
    if answer is not None:
        assert load(data, path=path, **given | answer).splits["test"].size


PLACES = {
    "none": ({"path": None}, "reads a file of your own: name it, like data.path=my.csv."),
    "not there": ({"path": "mi.csv"}, "data.path=mi.csv: there is no such file; did you mean my.csv?"),
    "nowhere": ({"path": "there/my.csv"}, "there is no such file; give the path from where grux is started."),
    "a folder": ({"path": "."}, "data.path=. is a folder"),
    "validation alone": ({"validation": "my.csv"}, "data.validation is given and data.test is not; give both"),
    "test alone": ({"test": "my.csv"}, "data.test is given and data.validation is not; give both"),
    "twice": ({"validation": "my.csv", "test": "./my.csv"}, "name a file twice"),
    "test not there": ({"validation": "b.csv", "test": "c.csv"}, "data.test=c.csv: there is no such file"),
}


@pytest.mark.parametrize("data", ["csv_series", "csv_text", "tsv_pairs", "tsv_turns"])
@pytest.mark.parametrize(("changes", "sentence"), PLACES.values(), ids=PLACES)
def test_a_file_that_is_not_there(tmp_path, monkeypatch, data, changes, sentence):
    monkeypatch.chdir(tmp_path)
    for name in ("my.csv", "b.csv"):
        write(tmp_path / name, HOURS)
    with pytest.raises(GruxError) as caught:
        load(data, **{"path": "my.csv"} | changes)
    assert sentence in str(caught.value)
