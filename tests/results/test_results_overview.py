"""`grux ls` and `grux show` say what the files say."""

from fake_runs import make_config, make_record, write_run, write_unfinished

from grux.cli import main
from grux.results import terminal
from grux.results.overview import list_runs, show_run
from grux.results.record import find_runs, read_run


def test_list_names_state_score_and_reason(tmp_path):
    write_run(tmp_path, arch="gru")
    write_unfinished(tmp_path, "failed", arch="lstm", kind="OutOfMemory", message="no room [red]here")
    text = list_runs(find_runs([tmp_path]))
    line = next(line for line in text.splitlines() if "gru-sst2-1a2b3c4d" in line)
    for word in ("quickstart", "done", "accuracy % 79.6 ± 1.9", "36"):
        assert word in line
    assert "step 400 of 1000" in text
    assert "OutOfMemory: no room [red]here" in text
    assert list_runs([]) == "There are no runs here."


def test_list_names_choices_only_where_they_differ(tmp_path):
    write_run(tmp_path, arch="gru")
    assert "optimizer" not in list_runs(find_runs([tmp_path]))
    other = make_record(arch="gru", run_id="other")
    other["choices"]["optimizer"] = "sgd"
    write_run(tmp_path, other)
    assert "optimizer" in list_runs(find_runs([tmp_path]))


def test_list_tells_runs_of_one_name_apart_by_their_settings(tmp_path):
    for data, width, rate in (("sst2", 16, 0.1), ("sst2", 64, 0.1), ("ett", 32, 0.2)):
        config = make_config(arch="gru", data=data, model__features=width, optimizer__learning_rate=rate)
        write_run(tmp_path, make_record(arch="gru", data=data, config=config, run_id=f"r{width}"))
    lines = {line.split()[0]: line for line in list_runs(find_runs([tmp_path])).splitlines() if "quickstart" in line}
    assert "features=16" in lines["r16"] and "features=64" in lines["r64"]
    assert "features" not in lines["r32"] and "learning_rate" not in "".join(lines.values())


def listed(root, width, monkeypatch, shown=()):
    monkeypatch.setattr(terminal, "PIPE_WIDTH", width)
    return list_runs(find_runs([root]), shown)


def test_a_narrow_page_keeps_ids_and_scores_whole(tmp_path, monkeypatch):
    run_id = "lstm_recurrent_dropout-seattle_temperature-1a2b3c4d"
    write_run(tmp_path, make_record(arch="lstm", run_id=run_id))
    wide = listed(tmp_path, 120, monkeypatch)
    assert "experiment" in wide and "age" in wide and "No room" not in wide
    narrow = listed(tmp_path, 100, monkeypatch)
    assert "quickstart" not in narrow and "No room for age, experiment: a wider window shows it" in narrow
    for width in (100, 80, 70):
        (line,) = (line for line in listed(tmp_path, width, monkeypatch).splitlines() if run_id in line)
        assert line.split()[1] == "done"
    words = listed(tmp_path, 70, monkeypatch).split()
    assert all(word in words for word in ("accuracy", "78.8", "±", "1.9"))


def test_what_runs_are_sorted_by_has_a_column(tmp_path, monkeypatch, capsys):
    write_run(tmp_path, arch="gru")
    assert main(["ls", "--runs", str(tmp_path), "--sort", "-parameters"]) == 0
    assert "812,345" in capsys.readouterr().out
    assert main(["ls", "--runs", str(tmp_path), "data=nope"]) == 0
    assert capsys.readouterr().out == "No run here has data=nope.\n"
    heads = [listed(tmp_path, 50, monkeypatch, shown).splitlines()[1].split() for shown in ([], ["seconds"])]
    assert heads == [["run", "state", "score"], ["run", "state", "score", "seconds"]]


def test_a_name_that_is_short_of_one_run_names_finished_ones_first(tmp_path, capsys):
    for number in range(5):
        write_unfinished(tmp_path, "failed", data=f"a{number}")
    write_run(tmp_path, run_id="gru-z")
    assert main(["ls", "--runs", str(tmp_path), "gru-"]) == 2
    err = capsys.readouterr().err
    assert (
        f"'gru-' may be {tmp_path}/" in err and "gru-z or " in err and err.index("gru-z") < err.index("gru-a0-failed")
    )
    assert err.endswith("gru-a2-failed or 2 more; write the whole path.\n")


def test_a_key_that_looks_like_markup_is_a_name(tmp_path):
    for number, value in enumerate("xy"):
        record = make_record(run_id=f"r{number}")
        record["choices"]["[/foo]"] = value
        write_run(tmp_path, record)
    assert "[/foo]" in list_runs(find_runs([tmp_path]))


def test_show_tells_everything(tmp_path):
    text = show_run(read_run(write_run(tmp_path, data="multi30k", diverged=(1,))))
    for words in (
        "gru-multi30k-1a2b3c4d (quickstart): done",
        "arch=gru",
        "diverged",
        "800 of 1000",
        "best validation loss of each seed",
        "total 4,100,000 (every weight)",
        "by rule     chung 5,000, bai 9,100",
        "state       96 numbers of a sequence from step to step (layers.0 64, layers.1 32)",
        "1.2e+06 forward and 3.6e+06 training per example, 1.23e+05 a recurrent step (two",
        "compile 5.1, train 30.2",
        "jax 0.10.2",
        "abc1234",
        "multi30k.csv sha256 abab",
        "bleu: nrefs:1|case:mixed",
        "result.json status.json",
        "optimizer.learning_rate = 0.001",
        str(tmp_path),
    ):
        assert words in text
    means = [line for line in text.splitlines() if " mean " in line]
    assert len(means) == 2  # validation and test; the diverged seed is in neither
    assert "27.5 ± 3.4" in means[1]


def test_show_reads_a_record_from_before_these_were_counted(tmp_path):
    record = make_record(parameters={"total": 9_000, "rule": "every weight"}, flops={"forward_per_example": 1.2e6})
    del record["recurrence"]
    text = show_run(read_run(write_run(tmp_path, record)))
    assert "total 9,000 (every weight)" in text and "1.2e+06 forward per example\n" in text
    assert "by rule" not in text and "from step to step" not in text


def test_show_gives_the_reason_of_a_failure(tmp_path):
    text = show_run(read_run(write_unfinished(tmp_path, "failed", kind="DataError", message="the file is damaged")))
    assert "reason      DataError: the file is damaged" in text
    assert "400 of 1000" in text
