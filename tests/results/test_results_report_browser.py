"""The report in a real browser: no error, sorting works, hostile texts stay texts; skipped where there is none."""

import sys
import time
from pathlib import Path

import browser
import pytest
from fake_runs import make_record, write_run
from test_results_report import hostile_runs

from grux.results.record import find_runs
from grux.results.report import make_report

EXECUTABLE = browser.find()
pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="needs Chromium, which is not installed")

COLUMN = "[...document.querySelectorAll('#runs tbody tr')].map(row => row.cells[%d].textContent)"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    made = browser.Browser(str(EXECUTABLE), tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    root = tmp_path_factory.mktemp("report")
    hostile_runs(root)
    for number, (score, total) in enumerate([(0.5, 900), (0.9, 20_000), (1e-5, 1_500)]):
        parameters = {"total": total, "rule": "every weight"}
        write_run(root, make_record(arch=f"a{number}", scores=[score], run_id=f"a{number}", parameters=parameters))
    path = root / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)  # drawings have tests of their own
        path.write_text(make_report(find_runs([root]), title="hostile"))
    return path.as_uri()


def scores(chromium: browser.Browser) -> list[str]:
    """The states' column is text, that of scores numbers; empty ones come last."""
    head = chromium.evaluate(
        "[...document.querySelectorAll('#runs thead th')].findIndex(h => h.innerText.includes('score'))"
    )
    return [text.replace("accuracy % ", "").split(" ")[0] for text in chromium.evaluate(COLUMN % head)]


def click(chromium: browser.Browser, head: str) -> None:
    chromium.evaluate(
        f"[...document.querySelectorAll('#runs thead button')].find(b => b.innerText.trim() === '{head}').click()"
    )


def test_nothing_of_a_hostile_text_runs(chromium, address):
    chromium.messages.clear()
    chromium.open(address)
    assert chromium.evaluate("typeof hacked") == "undefined"
    assert chromium.evaluate("document.scripts.length") == 1
    assert chromium.evaluate("document.querySelectorAll('img, iframe, [onerror], [onload], [onfocus]').length") == 0
    assert "<script>hacked=1</script>" in chromium.evaluate("document.body.innerText")
    assert chromium.messages == []


def test_the_policy_refuses_every_other_script(chromium, address, tmp_path):
    """What would happen if a text did become a part of the page."""
    broken = tmp_path / "broken.html"
    content = Path(address.removeprefix("file://")).read_text()
    broken.write_text(content.replace("</main>", "<script>hacked=1</script><img src=x onerror='hacked=1'></main>"))
    chromium.messages.clear()
    chromium.open(broken.as_uri())
    assert chromium.evaluate("typeof hacked") == "undefined"
    assert any("Content Security Policy" in message for message in chromium.messages)


def test_a_click_sorts_and_another_turns_it_round(chromium, address):
    chromium.messages.clear()
    chromium.open(address)
    click(chromium, "score")
    upwards = scores(chromium)
    numbers = [float(text) for text in upwards if text]
    assert numbers == sorted(numbers) and {0.001, 50.0, 90.0} <= set(numbers)
    assert upwards.index("") == len(numbers)  # runs without a score come last
    click(chromium, "score")
    assert [float(text) for text in scores(chromium) if text] == sorted(numbers, reverse=True)
    assert scores(chromium).index("") == len(numbers)
    assert chromium.evaluate("document.querySelector('#runs th[aria-sort]').ariaSort") == "descending"
    assert chromium.evaluate("location.hash").startswith("#sort=runs:-")
    click(chromium, "parameters")  # 900, 1.5K, 20K: by size, not by letters
    shown = chromium.evaluate("[...document.querySelectorAll('#runs tbody tr')].map(row => row.innerText)")
    places = [next(i for i, row in enumerate(shown) if row.startswith(name)) for name in ("a0", "a2", "a1")]
    assert places == sorted(places)
    assert chromium.messages == []


def test_the_address_can_name_the_order(chromium, address):
    chromium.open(f"{address}#sort=runs:-1")
    names = chromium.evaluate(COLUMN % 0)
    assert names[:1] != sorted(names)[:1] and names.index("a2") < names.index("a1") < names.index("a0")
    chromium.open(f"{address}#sort=nothing:3")
    assert chromium.evaluate("document.querySelector('[aria-sort]')") is None


def test_a_link_opens_the_fold_of_its_run(chromium, address):
    chromium.open(address)
    chromium.evaluate("document.querySelector('#runs a[href=\"#run-2\"]').click()")
    opened = (chromium.evaluate("document.getElementById('run-2').open") or time.sleep(0.05) for _ in range(200))
    assert any(opened)


@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_scrolls_in_one_direction_only(chromium, address, dark):
    chromium.look(width=390, dark=dark)
    chromium.open(address)
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 390
    ink, paper = chromium.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    brightness = [sum(map(int, colour[4:-1].split(","))) for colour in (ink, paper)]
    assert (brightness[0] > brightness[1]) is dark
    chromium.look(width=1280)


@pytest.mark.parametrize("width", [360, 500, 800])
def test_nothing_is_cut_off_however_long_the_names(chromium, tmp_path, width):
    pytest.importorskip("matplotlib")
    for data in ("sst2", "ett", "multi30k"):
        write_run(tmp_path, make_record(arch="x" * 150, data=data, run_id=data))
    path = tmp_path / "report.html"
    path.write_text(make_report(find_runs([tmp_path]), title="names"))
    chromium.look(width=width)
    chromium.open(path.as_uri())
    assert chromium.evaluate("document.querySelectorAll('.legend li').length") == 1
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    box, caption = (
        chromium.evaluate(f"document.querySelector('{name}').getBoundingClientRect().right")
        for name in ("#table .grux-table", "#table caption")
    )
    assert caption <= box
    chromium.look(width=1280)


def test_without_script_everything_is_there(chromium, address):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(address)
        assert chromium.evaluate("document.querySelectorAll('#runs tbody tr').length") == 21
        assert chromium.evaluate("document.querySelectorAll('button').length") == 0
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
