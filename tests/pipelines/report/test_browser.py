"""The page in a real browser: headless Chromium, driven through selenium."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipelines.report.build import ReportRequest, build
from tests.pipelines.fitting import TINY, UNTRAINED

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--force-prefers-reduced-motion",
)
STRANGE = [
    *("constructor", "__proto__", "toString", "hasOwnProperty", "n" * 300),
    *("עברית \u202eתומך", "\x1b[31mred\x1b[0m", "a\x00b\nc", "\uffff", "valueOf"),
]  # keys of every object in JavaScript, right to left, and what no SVG can hold
HOSTILE = "<script>window.hacked=1</script>\"><img src=x onerror='window.hacked=1'> 日本語 " + "n" * 260


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """One Chromium for all tests of this file."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


def show(browser: webdriver.Chrome, page: Path, *, width: int = 1280) -> None:
    """Opens a page at a width and scrolls through it until every chart is drawn."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    waiting = "return [...document.querySelectorAll('.chart')].filter((one) => !one.dataset.ready)"
    deadline = time.monotonic() + 60
    while (left := browser.execute_script(waiting)) and time.monotonic() < deadline:
        browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", left[0])
        time.sleep(0.05)
    assert not left


def complaints(browser: webdriver.Chrome) -> list[str]:
    """What the console said."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requested(browser: webdriver.Chrome) -> list[str]:
    """Every address that was asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one for one in messages if one["method"] == "Network.requestWillBeSent"]
    return [one["params"]["request"]["url"] for one in sent]


def column(browser: webdriver.Chrome, title: str) -> tuple[Any, list[str]]:
    """(the heading's button, the texts of the column) of the first table."""
    table = browser.find_element(By.CSS_SELECTOR, "table.sortable")
    headings = table.find_elements(By.TAG_NAME, "th")
    index = next(place for place, one in enumerate(headings) if one.text.replace("\n", " ").startswith(title))
    cells = "return [...arguments[0].tBodies[0].rows].map((row) => row.cells[arguments[1]].textContent)"
    return headings[index].find_element(By.TAG_NAME, "button"), browser.execute_script(cells, table, index)


@pytest.fixture(scope="module")
def page(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a workspace with everything in it."""
    folder = tmp_path_factory.mktemp("page")
    return build(make.fill(folder / "workspace"), ReportRequest(folder / "report.html")).path


def test_no_complaint_no_request_and_the_table_sorts(browser, page):
    show(browser, page)
    assert complaints(browser) == []
    assert all(url == page.as_uri() or url.startswith("data:") for url in requested(browser))
    drawn = browser.find_elements(By.CSS_SELECTOR, ".chart svg.marks, .chart canvas.marks")
    assert len(drawn) == len(browser.find_elements(By.CSS_SELECTOR, ".chart")) > 10
    button, before = column(browser, "Accuracy")
    assert before == sorted(before, key=float, reverse=True)
    button.click()
    assert column(browser, "Accuracy")[1] == before[::-1]
    button, _ = column(browser, "Parameters")
    button.send_keys(Keys.ENTER)  # by keyboard
    counts = column(browser, "Parameters")[1]
    assert counts == ["272 k", "3.39 M", "3.9 M", "11.2 M", "23.5 M"]
    assert button.find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.SPACE)
    assert column(browser, "Parameters")[1] == counts[::-1]


def test_a_row_holds_an_image_with_its_five_nearest(browser, page):
    show(browser, page)
    columns = "return getComputedStyle(document.querySelector('.gallery ol')).gridTemplateColumns.split(' ').length"
    assert browser.execute_script(columns) == 6


def test_a_tooltip_shows_what_a_point_is(browser, page):
    show(browser, page)
    chart = browser.find_element(By.ID, "chart-accuracy-against-parameters-1")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", chart)
    points = chart.find_elements(By.CSS_SELECTOR, ".mark-symbol.role-mark path")
    webdriver.ActionChains(browser).move_to_element(points[0]).perform()
    tooltip = browser.find_element(By.ID, "vg-tooltip-element")
    assert "visible" in tooltip.get_attribute("class")
    assert "Accuracy" in tooltip.text
    assert "%" in tooltip.text


def test_a_phone_sees_it_without_scrolling_sideways(browser, page):
    show(browser, page, width=390)
    wide = browser.execute_script("return [document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(wide) <= 390
    out = """return [...document.querySelectorAll('.figure, .card, .scroll, h1, h2, h3, p, summary')]
        .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5)
        .map((one) => one.outerHTML.slice(0, 90))"""
    assert browser.execute_script(out) == []
    small = """return Math.min(...[...document.querySelectorAll('p, td, dd, figcaption')]
        .map((one) => parseFloat(getComputedStyle(one).fontSize)))"""
    assert browser.execute_script(small) >= 12


OVERLAPS = """return [...document.querySelectorAll(arguments[0])].flatMap((svg) => {
    const frame = svg.getBoundingClientRect(), found = [];
    const boxes = [...svg.querySelectorAll('text')].filter((one) => one.textContent.trim())
        .filter((one) => one.getAttribute('opacity') !== '0')
        .filter((one) => !/rotate\\((?!-?(90|270)\\b)/.test(one.getAttribute('transform')))
        .map((one) => [one.textContent, one.getBoundingClientRect()]);
    boxes.forEach(([text, box], index) => {
        if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
            || box.bottom > frame.bottom + 1) found.push('cut: ' + text);
        const slack = box.height / 5;  // of a line, which is higher than its letters
        boxes.slice(0, index).forEach(([other, beside]) => {
            if (text === other && box.left === beside.left && box.top === beside.top) return;  // its halo
            if (Math.min(box.right, beside.right) - Math.max(box.left, beside.left) > 1
                && Math.min(box.bottom, beside.bottom) - Math.max(box.top, beside.top) > slack)
                found.push(`${text} over ${other}`);
        });
    });
    return found.map((one) => `${svg.closest('[id]')?.id}: ${one}`);
})"""


@pytest.mark.parametrize("width", [1400, 390])
def test_no_label_of_a_chart_is_cut_or_covers_another(browser, page, width):
    show(browser, page, width=width)
    assert browser.execute_script(OVERLAPS, ".chart svg.marks") == []


def test_no_label_of_a_figure_file_is_cut_or_covers_another(browser, workspace, make, tmp_path):
    make.fill(workspace)
    for index in range(8):  # many heads on one backbone stand at one number of parameters
        make.put(workspace, make.head(f"head{index}", "resnet50", accuracy=0.9 + index / 200, parameters=23_528_522))
    make.put(workspace, make.network("vgg11", "scratch", accuracy=0.2, parameters=9_000_000))
    built = build(workspace, ReportRequest(tmp_path / "report.html", figures=tmp_path / "figures"))
    drawn = [path for path in built.figures if path.suffix == ".svg"]
    inline = "".join(f"<div id='{path.stem}'>{path.read_text(encoding='utf-8')}</div>" for path in drawn)
    (tmp_path / "all.html").write_text(f"<meta charset='utf-8'>{inline}", encoding="utf-8")
    browser.get((tmp_path / "all.html").as_uri())
    assert browser.execute_script(OVERLAPS, "div > svg") == []
    named = browser.find_element(By.ID, "accuracy-against-parameters-on-digits").text
    assert all(name in named for name in ("head7", "mlp", "resnet18", "vgg11, "))


def test_on_paper_tables_fit_headings_repeat_and_everything_is_unfolded(browser, page):
    show(browser, page)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    sheet = {"width": 703, "height": 1030, "deviceScaleFactor": 1, "mobile": False}  # A4 less its margins
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sheet)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        out = """return [...document.querySelectorAll('table, .chart svg, .drawing img')].filter((one) => {
            const box = one.getBoundingClientRect(), place = one.parentElement.getBoundingClientRect();
            return box.right > place.right + 1 || (one.tagName === 'svg' && box.width < place.width - 2);
        }).map((one) => one.outerHTML.slice(0, 90))"""
        assert browser.execute_script(out) == []
        style = "return [...document.querySelectorAll(arguments[0])].map((one) => getComputedStyle(one)[arguments[1]])"
        assert set(browser.execute_script(style, "td.number", "overflowWrap")) == {"normal"}  # no broken number
        assert set(browser.execute_script(style, "thead th", "position")) == {"static"}
        assert set(browser.execute_script(style, "thead th button", "display")) == {"contents"}
        assert set(browser.execute_script(style, "h2, h3, section > .lead", "breakAfter")) == {"avoid"}
        folds = "return [...document.querySelectorAll('details.fold')].map((one) => one.open)"
        assert set(browser.execute_script(folds)) == {True}
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        assert set(browser.execute_script(folds)) == {False}
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert complaints(browser) == []


def test_dark_and_light_are_a_button_away(browser, page):
    show(browser, page)
    color = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(color)
    browser.find_element(By.ID, "theme").click()
    after = browser.execute_script(color)
    assert before != after
    show(browser, page)
    assert complaints(browser) == []


def test_hostile_names_run_nothing_and_are_read_as_they_are(browser, workspace, make, tmp_path):
    classes = [f"{index} {HOSTILE}" for index in range(10)]
    make.put(workspace, make.network("resnet20", "scratch", accuracy=0.8, architecture=HOSTILE, class_names=classes))
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9, architecture=HOSTILE, class_names=classes))
    path = build(workspace, ReportRequest(tmp_path / "report.html", title=HOSTILE)).path
    show(browser, path, width=390)
    assert complaints(browser) == []
    assert browser.execute_script("return window.hacked") is None
    assert browser.find_element(By.TAG_NAME, "h1").text == HOSTILE
    assert f"{HOSTILE} from scratch" in column(browser, "Name")[1]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    chart = browser.find_element(By.CSS_SELECTOR, "[id^='chart-confusion-']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", chart)
    cell = chart.find_element(By.CSS_SELECTOR, ".mark-rect path")
    webdriver.ActionChains(browser).move_to_element(cell).perform()
    assert "<script>" in browser.find_element(By.ID, "vg-tooltip-element").text
    assert browser.execute_script("return window.hacked") is None


def test_strange_class_names_leave_every_chart_and_figure_whole(browser, workspace, make, tmp_path):
    make.put(workspace, make.network("resnet20", "scratch", accuracy=0.8, class_names=STRANGE))
    built = build(workspace, ReportRequest(tmp_path / "report.html", figures=tmp_path / "figures"))
    assert built.problems == []
    show(browser, built.path)
    assert complaints(browser) == []
    drawn = browser.find_elements(By.CSS_SELECTOR, ".chart svg.marks, .chart canvas.marks")
    assert 2 * len(drawn) == len(built.figures) > 10
    confusion = next(path for path in built.figures if path.match("confusion-matrix-*.svg")).read_text(encoding="utf-8")
    assert all(name in confusion for name in (*STRANGE[:4], "\\x1b[31mred", "a\\x00b\\nc"))


def test_a_hundred_classes_have_a_page_and_all_figures(browser, pipeline, cifar100_dir):
    words = (*UNTRAINED, "--dataset", "cifar100", "--data-dir", cifar100_dir)
    ended = pipeline("fit-head", *words, "--head", "centroid", "--image-size", "32", "--json")
    assert ended.status == 0, ended.err
    made = pipeline("report", "--figures", cifar100_dir / "figures", "--data-dir", cifar100_dir, "--json").json
    assert made["problems"] == []
    assert {"test-resnet-pca", "test-resnet-t-sne"} <= {Path(one).stem for one in made["figures"]}
    show(browser, Path(made["path"]))
    assert complaints(browser) == []
    assert 2 * len(browser.find_elements(By.CSS_SELECTOR, ".chart svg.marks, .chart canvas.marks")) == len(
        made["figures"]
    )


def test_the_map_shows_the_image_of_a_point(browser, pipeline, tmp_path):
    assert pipeline("fit-head", *TINY, "--c-grid", "1", "--subset", 60, "--test-subset", 50).status == 0
    show(browser, Path(pipeline("report", "--json").json["path"]))
    chart = browser.find_element(By.CSS_SELECTOR, "[id^='chart-map-tsne-']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", chart)
    point = chart.find_elements(By.CSS_SELECTOR, ".mark-symbol.role-mark path")[-1]
    webdriver.ActionChains(browser).move_to_element(point).perform()
    image = browser.find_element(By.CSS_SELECTOR, "#vg-tooltip-element img")
    assert image.get_attribute("src").startswith("data:image/png;base64,")
    assert browser.execute_script("return arguments[0].naturalWidth", image) == 8
    assert complaints(browser) == []
