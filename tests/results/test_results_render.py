"""Formats: hostile names break none, and the CSV holds every digit."""

import csv
import io
import re

import pytest
from fake_runs import make_config, make_record, table_of, write_run, write_unfinished

from grux.errors import UsageError
from grux.results.render import FORMATS, render
from grux.results.units import Unit, decimals_for, short_count

HOSTILE = [
    r"\input{/etc/passwd}",
    "a|b",
    "50% & $x_1^2$ #~{}",
    "<script>alert(1)</script>",
    "[red]bold[/red]",
    "\x1b[31mred\x1b[0m\x07",
    "line\nbreak\r\n| x |",
    "=HYPERLINK(1)",
    "@SUM(1)",
    "-1+1",
    "\u202edesrever",
    "\ud800",
    "*_`~!",
    "",
]


@pytest.fixture
def hostile(tmp_path):
    for number, name in enumerate(HOSTILE):
        record = make_record(run_id=f"run{number}", config=make_config(arch=name, data="sst2"))
        record["choices"]["arch"] = name
        write_run(tmp_path, record)
    write_unfinished(tmp_path, "failed", arch="lstm", message="bad | $x$ & <b> [red] \x1b[31m\n=1+1")
    return table_of(tmp_path)


@pytest.mark.parametrize("format", FORMATS)
def test_no_format_lets_control_characters_through(hostile, format):
    text = render(hostile, format)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\ud800]", text)
    text.encode()


def test_text_takes_names_literally(hostile):
    text = render(hostile)
    assert "[red]bold[/red]" in text
    assert "<script>alert(1)</script>" in text


def test_markdown_keeps_its_columns(hostile):
    lines = render(hostile, "markdown").split("\n\n")[0].splitlines()
    assert len(lines) == 2 + len(HOSTILE) + 1
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {5}
    assert all("<script" not in line for line in lines)
    assert r"\*\_\`\~\!" in render(hostile, "markdown")


def test_latex_has_no_command_of_a_name(hostile):
    text = render(hostile, "latex")
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    assert r"50\% \& \$x\_1\textasciicircum{}2\$ \#\textasciitilde{}\{\}" in text
    commands = set(re.findall(r"\\([a-zA-Z]+)", text))
    assert commands <= {
        *("usepackage", "begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "par"),
        *("footnotesize", "textsuperscript", "textbf", "textit", "pm", "uparrow", "downarrow", "times", "dots"),
        *("textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar", "textasciigrave"),
    }
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {3}
    assert text.count("{") == text.count("}")  # escaped ones come in pairs here


def test_csv_is_exact_and_holds_no_formula(tmp_path, hostile):
    scores = [0.1 + 0.2, 1 / 3, 0.7]
    write_run(tmp_path, make_record(arch="exact", scores=scores))
    rows = list(csv.DictReader(io.StringIO(render(table_of(tmp_path), "csv"))))
    found = next(row for row in rows if row["row"] == "exact")
    assert [float(value) for value in found["values"].split()] == scores
    assert found["seeds"] == "0 1 2"
    assert float(found["mean"]) == pytest.approx(sum(scores) / 3)
    assert (found["metric"], found["split"], found["n"], found["state"]) == ("accuracy", "test", "3", "done")
    assert (found["parameters"], found["seconds"], found["compile_seconds"]) == ("812345", "31.2", "5.1")
    failed = next(row for row in rows if row["state"] == "failed")
    assert failed["mean"] == "" and "bad" in failed["notes"]
    for row in rows:
        for key in ("row", "column", "notes"):
            assert not row[key].startswith(("=", "+", "-", "@"))


def test_wide_tables_are_cut_between_columns_not_in_numbers(tmp_path, monkeypatch):
    for width in range(16):
        config = make_config(arch="gru", data="sst2", model__features=2**width)
        write_run(tmp_path, make_record(config=config, run_id=f"run{width}"))
        config = make_config(arch="lstm", data="sst2", model__features=2**width)
        write_run(tmp_path, make_record(arch="lstm", config=config, run_id=f"run-{width}"))
    table = table_of(tmp_path, columns="model.features")
    text = render(table)
    body = text.split("Test ")[0]
    assert "…" not in body
    assert body.count("79.6 ± 1.9") == 16
    assert max(map(len, text.splitlines())) <= 120
    assert text.count(" gru ") >= 2


def test_styles_only_on_a_terminal(tmp_path, monkeypatch):
    write_run(tmp_path, arch="gru")
    write_run(tmp_path, arch="lstm")
    table = table_of(tmp_path)
    plain = render(table)
    assert "\x1b" not in plain and "*79.6 ± 1.9" in plain and "*: best mean" in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    styled = render(table)
    assert "\x1b[1;32m79.6" in styled and "Bold: best mean" in styled
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1m79.6" in render(table)


def test_unknown_format(tmp_path):
    write_run(tmp_path)
    with pytest.raises(UsageError, match="text, markdown, latex, csv, html"):
        render(table_of(tmp_path), "pdf")


@pytest.mark.parametrize(
    ("metric", "means", "widths", "decimals"),
    [
        ("accuracy", [0.8, 0.9], [0.01], 1),
        ("accuracy", [0.8], [0.00004], 3),
        ("bleu", [27.5], [0.7], 1),
        ("mse", [0.38, 1.2], [0.01], 3),
        ("perplexity", [25.3, 250.0], [1.0], 1),
        ("perplexity", [2500.0], [100.0], 0),
        ("mse", [0.005], [], 4),
        ("mse", [5e-5], [], 7),
        ("mse", [0.0], [], 3),
    ],
)
def test_decimals(metric, means, widths, decimals):
    assert decimals_for(metric, means, widths) == decimals


def test_numbers_as_printed():
    unit = Unit("accuracy", "test", True, 1)
    assert (unit.label, unit.number(0.8125), unit.number(float("nan"))) == ("accuracy % ↑", "81.2", "nan")
    assert Unit("mse", "test", False, 3).number(1e12) == "1e+12"
    assert [short_count(count) for count in (999, 1000, 12_345, 4_100_000)] == ["999", "1K", "12.3K", "4.1M"]
