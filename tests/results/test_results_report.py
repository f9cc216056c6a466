"""The report as a file: what it says, that it loads nothing, and that no text in it becomes a part of the page."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fake_runs import make_config, make_record, write_metrics, write_run, write_unfinished
from hostile import HOSTILE
from test_results_figures import with_last_weights, with_probes

from grux.cli import main
from grux.results import report
from grux.results.departures import common_settings, departures
from grux.results.grid import printable
from grux.results.markup import element, joined
from grux.results.question import question_of
from grux.results.record import find_runs, write_json
from grux.results.report import make_report
from grux.results.svg import inline
from grux.results.view import View

WITHOUT_END = {"meta"}


class Page(HTMLParser):
    """The elements of a page and its text; checks on the way that elements are closed in order."""

    def __init__(self, content: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.comments: list[str] = []
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in WITHOUT_END | {"br"}:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("script", "style"):
            self.texts.append(data)

    def handle_comment(self, data):
        self.comments.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile_runs(root: Path) -> None:
    """A run for each hostile text, which stands wherever a text of somebody else may stand."""
    for number, text in enumerate(HOSTILE):
        config = make_config(arch="gru", data="sst2", own=text) | {text: text}
        record = with_probes(arch=text, run_id=text, config=config, commit=text, diff=text)
        record["versions"] = {text: text}
        record["confusion"]["classes"] = [text, "other"]
        record["selection"]["rule"] = record["parameters"]["rule"] = text
        record["device"] = {"platform": text, text: text}
        record["choices"] = {"arch": text, "data": "sst2", "optimizer": text}
        folder = root / "quickstart" / f"run{number}"
        folder.mkdir(parents=True)
        write_json(folder / "result.json", record)
        write_json(folder / "status.json", {"state": "done", "message": text})
        write_metrics(folder, record)
        failed = write_unfinished(root, "failed", arch=f"x{number}", kind=text, message=text)
        assert failed.is_dir()


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory) -> str:
    root = tmp_path_factory.mktemp("hostile")
    hostile_runs(root)
    runs = find_runs([root])
    commands = {run.path: (text, text) for run, text in zip(runs, HOSTILE * 2, strict=True)}
    return make_report(runs, title=HOSTILE[2], question=HOSTILE[1], commands=commands)


@pytest.fixture(scope="module")
def plain_page(tmp_path_factory) -> str:
    root = tmp_path_factory.mktemp("plain")
    for arch in ("gru", "lstm"):
        for data in ("sst2", "ett"):
            record = with_probes(arch=arch) if data == "sst2" else make_record(arch=arch, data=data)
            write_run(root, record | {"run_id": f"{arch}-{data}"}, metrics=True)
    write_unfinished(root, "failed", arch="elman", kind="OutOfMemory", message="no room")
    return make_report(find_runs([root]), title="quickstart", question="Which is better?")


def test_texts_of_others_stay_texts(hostile_page):
    page = Page(hostile_page)
    assert len(page.named("script")) == 1 and len(page.named("style")) == 1
    assert not {"img", "b", "iframe", "object", "link", "base", "form"} & {tag for tag, _ in page.elements}
    assert page.comments == []
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "autofocus"], tag
        for name in ("href", "src", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#"), attributes
    for text in HOSTILE:
        assert " ".join(printable(text, 500).split()) in page.text
    assert page.named("title") == [{}] and "\x07" not in hostile_page and "\u202e" not in hostile_page


def test_nothing_is_loaded_and_only_the_own_script_runs(plain_page):
    page = Page(plain_page)
    (policy,) = (m["content"] for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy")
    script = plain_page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none'; ") and f"script-src 'sha256-{digest}'" in policy
    assert not re.search(r"https?://(?!www\.w3\.org/)", plain_page) and "url(http" not in plain_page
    assert not re.search(r"\.(innerHTML|outerHTML|insertAdjacentHTML|write)\b|\beval\b", script)


def test_ids_are_unique_and_links_lead_somewhere(plain_page):
    page = Page(plain_page)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 50
    links = [str(a["href"])[1:] for _, a in page.elements if "href" in a]
    assert set(links) <= set(ids)
    clips = re.findall(r"url\(#([\w-]+)\)", plain_page)
    assert clips and set(clips) <= set(ids)


def test_it_says_what_a_reader_asks(plain_page):
    text = Page(plain_page).text
    for words in (
        "Which is better?",
        "On ett, gru has the best test MSE",
        "5 runs: 4 done, 1 failed.",
        "elman-sst2-failed : failed . OutOfMemory: no room",
        "Final scores",
        "Learning curves",
        "Score against parameters",
        "Gradient norm against lag",
        "Score by length",
        "Test scores: MSE on ett, accuracy % on sst2.",
        "Where it departs from the common config",
        "abc1234",
        "python 3.11.7, jax 0.10.2, grux 0.1.0",
        "sst2.csv sha256 abab",
    ):
        assert words in text, words
    headings = [tag for tag, _ in Page(plain_page).elements if re.fullmatch("h[1-6]", tag)]
    assert headings.count("h1") == 1 and headings.count("h2") == 4


def test_figures_follow_the_page_in_light_and_dark(plain_page):
    drawings = re.findall(r"<svg[^>]*role=\"img\".*?</svg>", plain_page, re.DOTALL)
    assert len(drawings) == 2 + 2 + 3 * 2 + 1 + 1 + 2 + 1
    assert all("currentColor" in drawing and "var(--faint)" in drawing for drawing in drawings)
    assert not any(
        re.search(r"#(000000|ffffff|101214)\b|<style|<metadata|font-family", drawing) for drawing in drawings
    )
    assert "prefers-color-scheme: dark" in plain_page


def test_figures_follow_the_selection_of_the_view(tmp_path):
    for arch in ("gru", "lstm"):
        write_run(tmp_path, with_last_weights(arch=arch))
    page = make_report(find_runs([tmp_path]), title="t", view=View(select="last", aggregate="0:gru"))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert len(captions) == 5 and all("(select: last)" in caption for caption in captions)  # final, pareto, profile


def test_without_matplotlib_there_is_a_report_without_figures(tmp_path, monkeypatch):
    write_run(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = Page(make_report(find_runs([tmp_path]), title="t")).text
    assert 'pip install "grux[plot]"' in text and "79.6" in text


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr(report, "figures", lambda runs, view: ([], []))


def test_the_runs_show_scores_by_the_rule_of_the_table(tmp_path, without_figures):
    record = make_record(scores=[0.7, 0.8])
    for entry in record["seeds"]:
        entry["last_scores"] = {"test": {"accuracy": entry["scores"]["test"]["accuracy"] - 0.3}}
    write_run(tmp_path, record)

    def text(select: str) -> str:
        return Page(make_report(find_runs([tmp_path]), title="t", view=View(select=select))).text

    assert "score parameters" in text("best_val") and "accuracy % 75.0" in text("best_val")
    assert "score (last)" in text("last")
    assert text("last").count("accuracy % 45.0") == 2 and "accuracy % 75.0" not in text("last")
    assert text("max_over_seeds").count("accuracy % 80.0") == 2


def test_another_machine_is_named_and_other_kernels_are_not(tmp_path, without_figures):
    for arch, changes in {"gru": {"kernels": "at hand"}, "lru": {"kernels": "not asked for"}}.items():
        record = make_record(arch=arch)
        write_run(tmp_path, record | {"device": record["device"] | changes})
    assert "different machines" not in Page(make_report(find_runs([tmp_path]), title="t")).text
    record = make_record(arch="lstm")
    write_run(tmp_path, record | {"device": record["device"] | {"kind": "H200"}})
    assert (
        "Runs were made with different machines: kind cpu, H200."
        in Page(make_report(find_runs([tmp_path]), title="t")).text
    )


def test_runs_that_do_not_fit_one_table_are_still_reported(tmp_path):
    for rate in (0.1, 0.2):
        config = make_config(arch="gru", data="sst2", optimizer__learning_rate=rate)
        write_run(tmp_path, make_record(config=config, run_id=f"rate-{rate}"))
    runs = find_runs([tmp_path])
    text = Page(make_report(runs, title="t")).text
    assert "There is no table: " in text and "rate-0.2" in text
    text = Page(make_report(runs, title="t", view=View(rows="optimizer.learning_rate"))).text
    assert "There is no table" not in text and "optimizer.learning_rate" in text


def test_the_command_writes_the_page_with_question_and_commands(tmp_path, monkeypatch, capsys):
    from grux.config.compose import compose

    monkeypatch.chdir(tmp_path)
    made = compose(["arch=gru", "data=first_token", "model.features=8", "group=mine"])
    record = make_record(config=made.config, experiment="mine", run_id="gru-first") | {"choices": made.choices}
    write_run(tmp_path / "runs", record)
    (tmp_path / "experiments" / "mine").mkdir(parents=True)
    (tmp_path / "experiments" / "mine" / "table.yaml").write_text("question: Is it <small> enough?\nrows: arch\n")
    assert main(["report", "mine"]) == 0
    path = Path(capsys.readouterr().out.strip())
    text = Page(path.read_text()).text
    assert path == Path("runs/mine/report.html")
    assert "Is it <small> enough?" in text
    assert "grux train arch=gru data=first_token group=mine model.features=8" in text
    assert main(["report", "mine", "--output", "else/where.html"]) == 0
    assert Path("else/where.html").read_text() == path.read_text()
    assert main(["report", "nine"]) == 2
    assert "did you mean mine?" in capsys.readouterr().err
    assert main(["report"]) == 2 and main(["report", "../mine"]) == 2


@pytest.mark.parametrize("experiment", [None, "width"])
def test_a_group_with_the_name_of_an_experiment_does_not_ask_its_question(tmp_path, monkeypatch, capsys, experiment):
    monkeypatch.chdir(tmp_path)
    record = make_record(experiment="width")
    write_run(tmp_path / "runs", record | {"choices": record["choices"] | {"experiment": experiment}})
    assert main(["report", "width"]) == 0
    text = Page(Path(capsys.readouterr().out.strip()).read_text()).text
    assert ("How the three cells gain from width" in text) == (experiment == "width")


def test_nothing_of_it_needs_jax(tmp_path):
    write_run(tmp_path / "runs", arch="gru")
    program = (
        "import sys; sys.modules['matplotlib'] = None; from grux.cli import main\n"
        "for words in (['ls', '--json'], ['show', 'gru'], ['compare', 'gru', 'gru'], ['report', 'quickstart']):\n"
        "    assert main(words) == 0\n"
        "assert not {'jax', 'flax', 'optax'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_an_experiment_of_failures_alone_is_told_as_such(tmp_path):
    write_unfinished(tmp_path, "failed", kind="DataError", message="bad line")
    text = Page(make_report(find_runs([tmp_path]), title="t")).text
    assert "1 run: 1 failed." in text and "DataError: bad line" in text and "What is not drawn" in text


# Its parts


def test_markup_escapes_texts_and_attributes_once():
    inner = element("b", "a<b & 'c'")
    assert str(inner) == "<b>a&lt;b &amp; &#x27;c&#x27;</b>"
    assert str(element("p", inner, "<", class_='"><i>')) == f'<p class="&quot;&gt;&lt;i&gt;">{inner}&lt;</p>'
    assert str(joined("<", element("meta", charset="x"))) == '&lt;<meta charset="x">'


def test_a_drawing_keeps_nothing_that_is_not_listed():
    drawing = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" onload="x()"><style>*{color:red}</style>
    <script>x()</script><foreignObject><p>x</p></foreignObject><a href="http://x"><text>y</text></a><!-- c -->
    <g id="g1" clip-path="url(#c)" style="fill: url(http://x); stroke: #101214; background: url(x)" onclick="x()">
    <use href="http://x#a"/><use href="#m"/><text>1 &lt; 2</text></g></svg>"""
    made = inline(drawing, "f", 'say "no"')
    page = Page(made)
    assert [tag for tag, _ in page.elements] == ["svg", "g", "use", "use", "text"]
    assert page.named("g") == [{"id": "f-g1", "clip-path": "url(#f-c)", "style": "stroke: currentColor"}]
    assert page.named("use") == [{}, {"href": "#f-m"}]
    assert page.named("svg")[0]["aria-label"] == 'say "no"' and page.text == "1 < 2"


YAML, README, CONFIG = "experiments/e/table.yaml", "experiments/e/README.md", "configs/experiment/e.yaml"


@pytest.mark.parametrize(
    ("files", "question"),
    [
        ({YAML: "question: |\n  Is a\n  GRU enough?\n", README: "# T\n\nNo."}, "Is a GRU enough?"),
        ({README: "# T\n\nSome prose.\n\n**Question.** Which *one* of [these](x)?\n"}, "Which one of these?"),
        ({README: "# T\n\n![x](y)\n\nSome\nprose.\n"}, "Some prose."),
        (
            {CONFIG: "# @package _global_\n# SST-2, whole\n# sentences.\ndefaults: []\n# no\n"},
            "SST-2, whole sentences.",
        ),
        ({YAML: "question: [\n"}, ""),
        ({}, ""),
    ],
)
def test_the_question_is_found(tmp_path, files, question):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert question_of("e", tmp_path / "experiments", tmp_path / "configs") == question


def test_departures_are_from_what_most_runs_have(tmp_path):
    for arch, changes in {
        "gru": {},
        "lstm": {},
        "mgu": {"optimizer__learning_rate": 0.5},
        "elman": {"arch__strategy": "sequential"},
    }.items():
        write_run(tmp_path, make_record(arch=arch, config=make_config(arch=arch, data="sst2", **changes)))
    runs = {run.choices["arch"]: run for run in find_runs([tmp_path])}
    assert common_settings(list(runs.values()))["optimizer.learning_rate"] == "0.001"
    found = dict(zip(runs, departures(list(runs.values())), strict=True))
    assert found["gru"] == {"arch": "gru"}  # its class follows from its name
    assert found["mgu"] == {"arch": "mgu", "optimizer.learning_rate": "0.5"}
    assert found["elman"] == {"arch": "elman"}


def test_a_departure_below_a_choice_shows_among_runs_of_that_choice(tmp_path):
    for number, strategy in enumerate(["auto", "auto", "sequential"]):
        config = make_config(arch="gru", data="sst2", arch__strategy=strategy)
        write_run(tmp_path, make_record(config=config, run_id=f"g{number}"))
    for number in range(4):
        write_run(tmp_path, make_record(arch="lstm", run_id=f"l{number}"))
    runs = find_runs([tmp_path])
    found = {run.run_id: own for run, own in zip(runs, departures(runs), strict=True)}
    assert found["g2"] == {"arch": "gru", "arch.strategy": "sequential"}
    assert found["g0"] == {"arch": "gru"} and found["l0"] == {}
