"""The report of an experiment: one HTML file with the question, the answer, tables, figures and every run.

It loads nothing, and nothing in it runs but the script that sorts tables, which the page's Content-Security-Policy
names by its hash. Every text is escaped; a drawing passes through a list of what may stand in one.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from grux.errors import UsageError
from grux.results.answer import answers
from grux.results.compare import machine_of
from grux.results.departures import common_settings, varying
from grux.results.html import html_table
from grux.results.markup import Markup, element, joined
from grux.results.record import Run
from grux.results.report_figures import figures
from grux.results.report_runs import Commands, failures, folds, listed, runs_table
from grux.results.select import latest
from grux.results.selection import Selection
from grux.results.table import make_table
from grux.results.view import View


def make_report(
    runs: Sequence[Run], *, title: str, question: str = "", view: View | None = None, commands: Commands | None = None
) -> str:
    """The page. `view` says how the runs are laid out; of each config the newest finished run counts.

    Raises UsageError where there are no runs. Runs that cannot stand in one table, or have nothing to draw, do not stop
    the report: it says so in their place.
    """
    if not runs:
        raise UsageError("there are no runs to report on; train first.")
    view = view or View()
    selection = Selection(view.select, view.last)
    kept = sorted(latest(runs), key=lambda run: (run.experiment, run.run_id))
    try:
        table = make_table(kept, view)
        said, drawn = answers(table), Markup(html_table(table))
    except UsageError as error:
        said, drawn = [], element("p", f"There is no table: {error}", class_="problem")
    pictures, notes = figures(kept, view)
    sections = [
        ("answer", "Answer", _answer(said, kept)),
        ("table", "Table", drawn),
        ("figures", "Figures", joined(*pictures, _noted(notes))),
        ("all-runs", "Runs", joined(_overview(runs, kept, view, selection), *folds(kept, commands or {}, selection))),
    ]
    body = [element("h1", title)]
    if question:
        body.append(element("p", question, class_="lead"))
    body.append(
        element("nav", *(element("a", head, href=f"#{name}") for name, head, _ in sections), aria_label="Contents")
    )
    for name, head, content in sections:
        body.append(element("section", element("h2", head), content, id=name))
    return page(title, element("main", *body))


def page(title: str, body: Markup) -> str:
    """A whole document around the body, with the style and the one script."""
    style, script = (Path(__file__).with_name(f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=Markup(policy)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", Markup(style)),
    )
    whole = element("html", head, element("body", body, element("script", Markup(script))), lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"


def _answer(said: Sequence[str], runs: Sequence[Run]) -> Markup:
    parts = [element("p", sentence, class_="lead" if number == 0 else None) for number, sentence in enumerate(said)]
    states = [run.state for run in runs]
    counts = ", ".join(
        f"{states.count(state)} {state}" for state in sorted(set(states), key=lambda s: (s != "done", s))
    )
    parts.append(element("p", f"{len(runs)} run{'s' * (len(runs) != 1)}: {counts}.", class_="quiet"))
    if lines := failures(runs):
        parts += [element("h3", "What failed"), element("ul", *(element("li", line) for line in lines))]
    return joined(*parts)


def _overview(all_runs: Sequence[Run], runs: Sequence[Run], view: View, selection: Selection) -> Markup:
    parts = [runs_table(runs, view.rows, view.columns, selection)]
    if older := len(all_runs) - len(runs):
        parts.append(
            element("p", f"Left out: {older} older or unfinished tries of the same configs.", class_="small quiet")
        )
    parts += [element("p", note, class_="small quiet") for note in _mixtures(runs)]
    common = list(common_settings(runs).items())
    summary = element("summary", f"Common config: {len(common)} settings that most runs share")
    return joined(*parts, element("details", summary, listed(common), id="common"))


def _mixtures(runs: Sequence[Run]) -> list[str]:
    """What a careful reader asks: were all runs made by the same code, with the same packages, on the same machine?"""
    records = [run.record for run in runs if run.record]
    notes = []
    versions = [{key: str(value) for key, value in (record.get("versions") or {}).items()} for record in records]
    made_with = {"packages": versions, "machines": list(map(machine_of, records))}
    for what, mappings in made_with.items():
        if found := varying(mappings):
            said = "; ".join(f"{name} {', '.join(values)}" for name, values in found.items())
            notes.append(f"Runs were made with different {what}: {said}.")
    commits = {str(record.get("commit"))[:12] for record in records}
    if len(commits) > 1:
        notes.append(f"Runs were made at different commits: {', '.join(sorted(commits))}.")
    if changed := sum(1 for record in records if record.get("diff")):
        notes.append(f"{changed} of {len(records)} runs were made with uncommitted changes.")
    return notes


def _noted(notes: Sequence[str]) -> Markup:
    if not notes:
        return Markup("")
    items = [element("li", note) for note in dict.fromkeys(notes)]
    return element("details", element("summary", f"What is not drawn ({len(items)})"), element("ul", *items))
