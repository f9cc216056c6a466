"""The HTML table: nothing of a name is markup, every tag closes, cells sort by the numbers behind them."""

from html.parser import HTMLParser

import pytest
from fake_runs import make_config, make_record, write_run, write_unfinished

from grux.results.html import html_page, html_table
from grux.results.record import find_runs
from grux.results.render import render
from grux.results.table import make_table

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</table><iframe src=//x>",
    "&lt;b&gt; &#60;i&#62;",
    "\x1b[31m\u202e{style}",
]


class Tree(HTMLParser):
    """Tags that are open, all tags and attributes that were met, and the text of every element by tag."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))


@pytest.fixture
def hostile(tmp_path):
    for number, name in enumerate(HOSTILE):
        record = make_record(run_id=f"run{number}", config=make_config(arch=name, data="sst2"))
        record["choices"]["arch"] = name
        record["selection"]["rule"] = name
        write_run(tmp_path, record)
    write_unfinished(tmp_path, "failed", arch="lstm", message=HOSTILE[1])
    return make_table(find_runs([tmp_path]))


def test_names_stay_text(hostile):
    page = Tree(html_page(hostile))
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert names <= {
        *("html", "head", "meta", "title", "style", "body", "div", "table", "caption", "thead", "tbody"),
        *("tr", "th", "td", "br", "span", "sup", "p"),
    }
    assert {key for _, given in page.tags for key in given} <= {
        *("lang", "charset", "http-equiv", "content", "name", "class", "scope", "data-sort", "data-sort-by"),
    }
    shown = {text for tag, text in page.texts if tag == "th"}
    assert set(HOSTILE[:5]) <= shown  # as they were written, entities too


def test_the_fragment_is_one_element_without_ids(hostile):
    text = html_table(hostile)
    assert text.startswith('<div class="grux-table">') and text.endswith("</div>")
    assert "id=" not in text.replace("data-", "") and "style=" not in text and Tree(text).open == []


def test_cells_sort_by_what_is_behind_them(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.79112, 0.80112, 0.81112])
    write_run(tmp_path, arch="lstm", scores=[0.7, 0.71, 0.72])
    write_run(tmp_path, arch="gru", data="ett")
    write_unfinished(tmp_path, "failed", arch="lstm", data="ett")
    page = Tree(render(make_table(find_runs([tmp_path])), "html"))
    heads = [given["data-sort-by"] for tag, given in page.tags if tag == "th" and given["scope"] == "col"]
    assert heads == ["text", "number", "number", "number", "number"]
    cells = [given["data-sort"] for tag, given in page.tags if tag == "td"]
    assert float(cells[1]) == pytest.approx(80.112)  # shown as 80.1
    assert cells[4] == ""  # failed: no number
    assert any("Bold: best mean" in text for tag, text in page.texts if tag == "caption")
    assert [given.get("class") for tag, given in page.tags if tag == "tbody"] == [None, "baselines"]
