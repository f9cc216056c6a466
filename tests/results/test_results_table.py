"""The table: what is averaged, what is best, what is refused, and that nothing that failed is silent."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_runs import cell, make_config, make_record, table_of, write_run, write_unfinished
from scipy import stats

from grux.errors import UsageError
from grux.results.record import find_runs
from grux.results.render import render
from grux.results.select import latest, matching, titled
from grux.results.table import make_table


def test_means_intervals_parameters_and_seconds(tmp_path):
    for arch, scores in {"gru": [0.80, 0.82, 0.84], "lstm": [0.70, 0.75, 0.80]}.items():
        write_run(tmp_path, arch=arch, scores=scores)
        write_run(tmp_path, arch=arch, data="ett")
    table = table_of(tmp_path)
    found = cell(table, "gru", "sst2")
    assert found.summary.mean == pytest.approx(0.82)
    assert found.summary.half_width == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem([0.80, 0.82, 0.84]))
    assert found.scores == {0: 0.80, 1: 0.82, 2: 0.84}
    assert [row.name for row in table.rows] == ["gru", "lstm", "last_value", "seasonal_naive"]
    assert table.rows[0].parameters == [52_000, 812_345]
    assert table.rows[0].seconds == pytest.approx(62.4)
    assert cell(table, "last_value", "ett").summary.mean == 1.29
    assert cell(table, "last_value", "sst2").state == "missing"
    assert "n = 3 seeds" in table.caption
    assert "best validation loss of each seed" in table.caption


def test_best_goes_by_direction_and_by_what_is_printed(tmp_path):
    # 82.00 and 82.04 % print alike, so both are best; ett's mse is better when lower.
    write_run(tmp_path, arch="gru", scores=[0.81, 0.82, 0.83])
    write_run(tmp_path, arch="lstm", scores=[0.8104, 0.8204, 0.8304])
    write_run(tmp_path, arch="elman", scores=[0.7, 0.7, 0.71])
    for arch, mse in {"gru": 0.4, "lstm": 0.5, "elman": 0.6}.items():
        write_run(tmp_path, arch=arch, data="ett", scores=[mse, mse * 1.01, mse * 0.99])
    table = table_of(tmp_path)
    best = {
        (row.name, line.name) for row in table.rows for c, line in zip(row.cells, table.lines, strict=True) if c.best
    }
    assert best == {("gru", "sst2"), ("lstm", "sst2"), ("gru", "ett")}


def test_a_cell_that_lacks_a_seed_is_never_best(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.95, 0.96, 0.97], diverged=(1,))
    write_run(tmp_path, arch="lstm", scores=[0.8, 0.8, 0.81])
    write_run(tmp_path, arch="elman", scores=[0.7, 0.7, 0.71])
    write_run(tmp_path, arch="mgu", scores=[0.8, 0.8, 0.81], diverged=(0,))
    write_run(tmp_path, arch="cfn", scores=[0.8, 0.8067, 0.81], diverged=(2,))
    table = table_of(tmp_path)
    assert cell(table, "gru", "sst2").state == "partial"
    assert not cell(table, "gru", "sst2").best
    # It prints what the best one prints, and still lacks a seed.
    assert {cell(table, arch, "sst2").summary.mean > 0.803 for arch in ("cfn", "lstm")} == {True}
    assert not cell(table, "cfn", "sst2").best
    assert cell(table, "lstm", "sst2").best
    text = render(table)
    assert "(n=2)" in text
    assert "seed 1 diverged" in text


def test_a_record_with_fewer_seeds_than_its_config_asked_for_is_partial(tmp_path):
    config = make_config(arch="gru", data="sst2", seeds=5)
    write_run(tmp_path, make_record(config=config))
    table = table_of(tmp_path)
    assert cell(table, "gru", "sst2").state == "partial"
    assert "3 of 5 seeds" in render(table)


def test_one_seed_has_no_interval(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.8])
    write_run(tmp_path, arch="lstm", scores=[0.7])
    text = render(table_of(tmp_path))
    assert "±" not in text
    assert "One seed each: no interval." in text
    assert "80.0" in text and "*" not in text  # nobody knows what another seed would have done


def test_unfinished_runs_are_words_with_reasons(tmp_path):
    write_run(tmp_path, arch="gru")
    write_unfinished(tmp_path, "failed", arch="lstm", kind="OutOfMemory", message="no room on the device")
    write_unfinished(tmp_path, "running", arch="elman", pid=os.getpid())
    write_unfinished(tmp_path, "interrupted", arch="mgu", data="ett", kind="KeyboardInterrupt", message="stopped")
    (tmp_path / "quickstart" / "broken").mkdir()
    (tmp_path / "quickstart" / "broken" / "result.json").write_text("{")
    table = table_of(tmp_path)
    assert [cell(table, arch, "sst2").state for arch in ("gru", "lstm", "elman", "mgu")] == [
        "done",
        "failed",
        "running",
        "missing",
    ]
    assert cell(table, "mgu", "ett").state == "interrupted"
    text = render(table)
    for words in (
        "failed (",
        "running (",
        "interrupted (",
        "OutOfMemory: no room on the device",
        "step 400 of 1000",
        "broken",
    ):
        assert words in text
    assert "–" in text


def test_all_seeds_diverged_is_a_word(tmp_path):
    write_run(tmp_path, arch="gru", diverged=(0, 1, 2))
    write_run(tmp_path, arch="lstm")
    assert cell(table_of(tmp_path), "gru", "sst2").state == "diverged"


def test_more_seeds_of_one_config_are_pooled(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.80, 0.81])
    more = make_record(arch="gru", scores=[0.82, 0.83, 0.84], run_id="gru-sst2-more")
    for entry in more["seeds"]:
        entry["seed"] += 2
    more["config"]["first_seed"] = 2
    write_run(tmp_path, more)
    assert list(cell(table_of(tmp_path), "gru", "sst2").scores) == [0, 1, 2, 3, 4]


def test_the_newest_finished_run_of_a_config_counts(tmp_path):
    write_run(tmp_path, make_record(scores=[0.5, 0.5, 0.5], run_id="old", created="2026-01-01T00:00:00Z"))
    write_run(tmp_path, make_record(scores=[0.6, 0.6, 0.6], run_id="new", created="2026-02-01T00:00:00Z"))
    assert [run.run_id for run in latest(find_runs([tmp_path]))] == ["new"]
    assert cell(table_of(tmp_path), "gru", "sst2").summary.mean == pytest.approx(0.6)


def test_refuses_to_average_different_configs_and_says_how_to_go_on(tmp_path):
    for rate in (0.001, 0.003):
        config = make_config(arch="gru", data="sst2", optimizer__learning_rate=rate)
        write_run(tmp_path, make_record(config=config, run_id=f"gru-{rate}"))
    with pytest.raises(UsageError) as caught:
        table_of(tmp_path)
    message = str(caught.value)
    assert "optimizer.learning_rate (0.001, 0.003)" in message
    assert "optimizer.learning_rate=0.001" in message
    assert "--columns optimizer.learning_rate" in message
    # Both ways out work.
    assert len(table_of(tmp_path, columns="optimizer.learning_rate").lines) == 2
    runs = matching(find_runs([tmp_path]), ["optimizer.learning_rate=1e-3"])
    assert len(make_table(runs).rows) == 1


def test_settings_without_effect_on_scores_do_not_count_as_different(tmp_path):
    for name in ("one", "two"):
        config = make_config(arch="gru", data="sst2", runs=name, group=name, progress=name)
        write_run(tmp_path, make_record(config=config, run_id=name, experiment=name))
    assert cell(table_of(tmp_path), "gru", "sst2").summary.n == 3


def test_refuses_a_column_of_different_data(tmp_path):
    write_run(tmp_path, make_record(arch="gru"))
    write_run(tmp_path, make_record(arch="lstm", data="sst2") | {"data": {"sst2.csv": "cd" * 32}})
    with pytest.raises(UsageError, match=r"sst2\.csv has another content"):
        table_of(tmp_path)


def test_refuses_a_column_of_different_horizons(tmp_path):
    for arch, horizon in {"gru": 96, "lstm": 192}.items():
        config = make_config(arch=arch, data="ett", data__horizon=horizon)
        write_run(tmp_path, make_record(arch=arch, data="ett", config=config))
    with pytest.raises(UsageError, match=r"data\.horizon \(96, 192\)"):
        table_of(tmp_path)
    assert len(table_of(tmp_path, columns="data.horizon").lines) == 2
    assert len(table_of(tmp_path, rows="data.horizon").lines) == 1  # asked for, so allowed


def test_refuses_to_mix_metrics(tmp_path):
    write_run(tmp_path, arch="gru", data="sst2")
    write_run(tmp_path, arch="gru", data="ett")
    with pytest.raises(UsageError, match=r"data \(ett, sst2\)"):
        table_of(tmp_path, columns="experiment")


def test_the_other_way_round_compares_the_same(tmp_path):
    for arch in ("gru", "lstm"):
        for data in ("sst2", "ett"):
            write_run(tmp_path, arch=arch, data=data)
    table = table_of(tmp_path, rows="data", columns="arch")
    assert table.transposed
    assert table.rows == table_of(tmp_path).rows
    lines = render(table).splitlines()
    assert lines[1].split() == [
        *("data", "metric", "gru", "lstm", "last_value", "seasonal_naive", "parameters", "seconds"),
    ]
    assert lines[3].split()[:4] == ["ett", "MSE", "↓", "*0.412"]
    assert lines[3].split()[-2:] == ["52K", "62"] and lines[4].split()[-2:] == ["812K", "62"]  # of both archs
    assert lines[6].split() == ["parameters", "52K–812K", "52K–812K"] and lines[7].split() == ["seconds", "62", "62"]
    assert "evaluation of all seeds of a row or column, without" in " ".join(lines[9:])
    assert lines[9].startswith("Test scores. Mean")  # which metric stands beside each line
    assert render(table, "csv").splitlines()[1].startswith("ett,gru,mse")


def test_two_forecasts_of_one_metric_are_still_two_lines(tmp_path):
    for arch in ("gru", "lstm"):
        write_run(tmp_path, arch=arch, data="ett")
        write_run(tmp_path, make_record(arch=arch, data="ett") | {
            "choices": {"arch": arch, "data": "weather"}, "run_id": f"{arch}-weather",
            "config": make_config(arch=arch, data="weather"),
        })  # fmt: skip
    assert table_of(tmp_path, rows="data", columns="arch").transposed


def test_other_metrics_and_splits(tmp_path):
    write_run(tmp_path, arch="gru")
    write_run(tmp_path, arch="lstm")
    assert cell(table_of(tmp_path, metric="loss"), "gru", "sst2").summary.mean == pytest.approx(0.6)
    assert cell(table_of(tmp_path, metric="loss", split="validation"), "gru", "sst2").summary.mean == pytest.approx(0.5)
    with pytest.raises(UsageError, match="did you mean accuracy"):
        table_of(tmp_path, metric="acuracy")
    with pytest.raises(UsageError, match="test, validation"):
        table_of(tmp_path, split="dev")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rows": "modle.features"}, r"did you mean model\.features"),
        ({"columns": "zzz"}, "name a config group"),
        ({"rows": "data"}, "both data"),
    ],
)
def test_wrong_keys_are_answered(tmp_path, options, words):
    write_run(tmp_path)
    with pytest.raises(UsageError, match=words):
        table_of(tmp_path, **options)


def test_no_runs_is_an_answer(tmp_path):
    with pytest.raises(UsageError, match="no runs to show"):
        make_table([])


@pytest.mark.parametrize("text", ["arch", "=gru", "modle.features=3"])
def test_wrong_filters_are_answered(tmp_path, text):
    write_run(tmp_path)
    with pytest.raises(UsageError):
        matching(find_runs([tmp_path]), [text])


def test_filters(tmp_path):
    for arch in ("gru", "lstm", "elman"):
        write_run(tmp_path, arch=arch)
    runs = find_runs([tmp_path])
    assert {run.choices["arch"] for run in matching(runs, ["arch=gru,lstm", "model.features=128"])} == {"gru", "lstm"}
    assert matching(runs, ["arch=gru", "model.features=64"]) == []


def test_rows_by_number_stand_in_order_of_size(tmp_path):
    for features in (64, 256, 1024):
        config = make_config(arch="gru", data="sst2", model__features=features)
        write_run(tmp_path, make_record(config=config, run_id=f"gru-{features}"))
    assert [row.name for row in table_of(tmp_path, rows="model.features").rows] == ["64", "256", "1024"]


def test_several_keys_are_one(tmp_path):
    for name in ("sgd", "adam"):
        for rate in (0.1, 0.01):
            config = make_config(arch="gru", data="sst2", learning_rate=rate, optimizer__name=name)
            choices = {"arch": "gru", "data": "sst2", "optimizer": name}
            write_run(tmp_path, run_id=f"{name}-{rate}", config=config, choices=choices)
    by_both = ["adam, 0.01", "adam, 0.1", "sgd, 0.01", "sgd, 0.1"]
    assert [row.name for row in table_of(tmp_path, rows="optimizer,learning_rate").rows] == by_both
    across = table_of(tmp_path, rows="arch", columns="optimizer, learning_rate")
    assert [line.name for line in across.lines] == by_both
    assert "adam, learning_rate=0.01" in render(across) and "learning_rate=arch" not in render(across)
    assert titled("arch", "gru") == "gru" and titled("model.dropout", "0.5") == "dropout=0.5"
    with pytest.raises(UsageError, match="no run has the key of --rows optimizer,learning_rat; did you mean learning_"):
        table_of(tmp_path, rows="optimizer,learning_rat")
    with pytest.raises(UsageError, match=r"differ in optimizer \(adam, sgd"):
        table_of(tmp_path, rows="arch,learning_rate")


def test_of_several_keys_a_run_has_those_that_it_has(tmp_path):
    for data, name in (("ett", "h1"), ("ett", "h2"), ("sst2", None)):
        config = make_config(arch="gru", data=data, **({"data__name": name} if name else {}))
        write_run(tmp_path, make_record(data=data, config=config, run_id=f"{data}-{name}"))
    table = table_of(tmp_path, rows="arch", columns="data,data.name")
    assert [line.name for line in table.lines] == ["ett, h1", "ett, h2", "sst2"]


def test_a_hundred_runs_need_neither_jax_nor_matplotlib(tmp_path):
    for number in range(100):
        data = ("sst2", "ett", "multi30k")[number % 3]
        write_run(tmp_path, make_record(arch=f"cell{number // 3}", data=data, run_id=f"run{number}"))
    program = f"""
import json, sys
from grux.results.record import find_runs
from grux.results.table import make_table
from grux.results.render import render
text = render(make_table(find_runs([{str(tmp_path)!r}])))
heavy = ["jax", "matplotlib", "scipy.stats", "hydra", "omegaconf"]
print(json.dumps({{"lines": len(text.splitlines()), "loaded": [name for name in heavy if name in sys.modules]}}))
"""
    root = Path(__file__).resolve().parents[2]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True)
    print(f"{time.perf_counter() - began:.2f} s")  # seen with pytest -s
    answer = json.loads(done.stdout)
    assert answer["loaded"] == []
    assert answer["lines"] > 34


def test_one_data_set_under_two_metrics_is_compared_by_one_that_all_have(tmp_path):
    write_run(tmp_path, arch="gru")
    write_run(tmp_path, make_record(arch="lstm", metric={"primary": "loss", "higher_is_better": False}))
    runs = find_runs([tmp_path])
    with pytest.raises(UsageError, match=r"metric \(accuracy, loss\) on the same data; .* --metric accuracy or loss"):
        make_table(runs)
    assert make_table(runs, metric="loss").lines[0].unit.metric == "loss"


def test_rows_that_were_trained_for_unequal_budgets_have_a_footnote(tmp_path):
    for arch, epochs in (("gru", 3), ("lstm", 9), ("elman", None)):
        rule = {"by": "epochs", "limit": epochs, "used": epochs, "rule": f"{epochs} epochs for each seed"}
        write_run(tmp_path, make_record(arch=arch) | ({"budget": rule} if epochs else {}))
    texts = [text for _, text in table_of(tmp_path).notes]
    assert texts == ["sst2: trained for unequal budgets: gru: 3 epochs for each seed; lstm: 9 epochs for each seed"]


def test_data_of_other_files_are_other_data(tmp_path):
    write_run(tmp_path, arch="gru")
    write_run(tmp_path, make_record(arch="lstm") | {"data": {"sst2-v2.csv": "ab" * 32}})
    with pytest.raises(UsageError, match=r"on different data: .*gru.* never read the file sst2-v2\.csv, as others did"):
        table_of(tmp_path)


def test_a_filter_of_two_keys_is_refused(tmp_path):
    write_run(tmp_path)
    with pytest.raises(UsageError, match="write a filter for each, such as optimizer=adam"):
        matching(find_runs([tmp_path]), ["optimizer,optimizer.learning_rate=adam,0.001"])


@pytest.mark.parametrize("text", ["[64, 32]", "[64,32]", "[64, 32],7"])
def test_a_list_is_one_value_of_a_filter(tmp_path, text):
    for number, width in enumerate(([64, 32], [32])):
        config = make_config(arch="gru", data="sst2", model__features=width)
        write_run(tmp_path, make_record(config=config, run_id=f"r{number}"))
    found = matching(find_runs([tmp_path]), [f"model.features={text}"])
    assert [run.run_id for run in found] == ["r0"]
