"""The LaTeX table goes through LaTeX, where there is one."""

import shutil
import subprocess

import pytest
from fake_runs import make_config, make_record, write_run, write_unfinished

from grux.results.latex import escape
from grux.results.record import find_runs
from grux.results.render import render
from grux.results.table import make_table

PAGE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""
NAMES = [
    r"\input{/etc/passwd}",
    "50% & $x_1^2$ #~{}",
    'a|b <c> "d" `e` ^ \\',
    "=1+1",
    "*_`~!",
    "accuracy ↑ ± × ∞ − … –",
    "[64, 32]",  # after \\\\ this would be its option
    "*starred",
    "λ=0.5 Ω µ x² hᵢ",
    "长短 🙂 ѣ",
    "e\u0301 e\u030b",
]


def test_it_compiles(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex here")
    for number, name in enumerate(["gru", "lstm", *NAMES]):
        for data in ("sst2", "ett"):
            config = make_config(arch=name, data=data)
            record = make_record(arch="gru", data=data, run_id=f"{data}{number}", config=config)
            for entry in record["seeds"]:
                score = entry["scores"]["test"][record["metric"]["primary"]]
                entry["scores"]["test"][record["metric"]["primary"]] = score * (1 + (number - 2) * 0.01)
            record["choices"]["arch"] = name
            write_run(tmp_path / "runs", record)
    write_unfinished(tmp_path / "runs", "failed", arch="elman", message=r"bad & \undefined $x$ {")
    (tmp_path / "reported.csv").write_text(
        "row,column,metric,score,source,status\ngru,sst2,accuracy,81.4,Doe & Söhne 2017 #1,checked\n"
    )
    table = make_table(
        find_runs([tmp_path / "runs"]),
        reference="gru",
        reported=str(tmp_path / "reported.csv"),
    )
    (tmp_path / "page.tex").write_text(PAGE % render(table, "latex"), encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 1000
    for problem in ("undefined", "Missing character", "LaTeX Warning: Reference"):
        assert problem not in done.stdout


def rows_of(tmp_path, name):
    record = make_record(config=make_config(arch=name, data="sst2"))
    record["choices"]["arch"] = name
    write_run(tmp_path, record)
    lines = render(make_table(find_runs([tmp_path])), "latex").splitlines()
    return next(line for line in lines if "812K" in line)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("[64, 32]", "{}[64, 32] &"),
        ("*", "{}* &"),
        ("gru", "gru &"),
        ("λ x²", r"$\lambda$ x² &"),
        ("xᵢ", "x$_{i}$ &"),
        ("长", "[U+957F] &"),
        ("e\u0301", "é &"),
        ("--select", "-{}-select &"),
    ],
)
def test_what_latex_would_take_for_something_else(tmp_path, name, start):
    assert rows_of(tmp_path, name).removeprefix("{}" * name.startswith("长")).startswith(start)


def test_every_character_compiles(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex here")
    codes = [*range(0x20, 0x7F), *range(0xA1, 0x180), *range(0x370, 0x400), *range(0x1E00, 0x2070), 0x2202, 0x1F642]
    text = "\n\n".join(escape(chr(code)) for code in codes)
    (tmp_path / "page.tex").write_text(PAGE % text, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout
