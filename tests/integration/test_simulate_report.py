"""The page that `flotilla simulate --report` writes, read by an HTML parser and opened in a real browser."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import html5lib
import pytest

from browser import CHROMIUM, CONTRAST, Browser

DATA = Path(__file__).parents[1] / "data"
NAMES = ["aws-5-jobs.toml", "<b>&'gcp'.toml"]


@pytest.fixture(scope="module")
def page(tmp_path_factory, binary):
    """Two of the seed examples side by side, one under a name that wants to be markup."""
    folder = tmp_path_factory.mktemp("simulate")
    for source, name in zip(["aws-5-jobs.toml", "gcp-1-job.toml"], NAMES):
        shutil.copy(DATA / source, folder / name)
        (folder / name).chmod(0o600)
    result = subprocess.run(
        [binary, "simulate", "--config", NAMES[0], "--config", NAMES[1], "--daily", "60:3", "--burst", "200@10h", "--for", "3d", "--duration",
         "lognormal:6m,0.7", "--price", "0.34", "--report", "report.html"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
    assert "jobs arrived" in result.stdout
    assert sorted(entry.name for entry in folder.iterdir()) == sorted([*NAMES, "report.html"])
    return folder / "report.html"


@pytest.fixture(scope="module")
def document(page):
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page.read_text())


def text_of(element):
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip()


def test_the_numbers_are_those_of_the_terminal(document):
    region = next(e for e in document.iter("div") if e.get("aria-label") == "Numbers")
    head, *_ = region.iter("tr")
    assert [text_of(cell) for cell in head] == ["configuration", *NAMES]
    rows = {text_of(row[0]): [text_of(cell) for cell in row[1:]] for row in region.iter("tr")}
    assert rows["jobs arrived"][0] == rows["jobs arrived"][1] and int(rows["done"][0]) > 1000
    for name in ("p50", "p99", "cost", "without a job (waste)", "removed: idle_too_long"):
        assert name in rows
    assert [text_of(title) for title in document.iter("h2")] == [
        "How long jobs waited", "The queue over time", "Instances over time", "Cost", "Waste", "Numbers"]
    assert re.search(r"\d+ jobs arrived in 3 days, from 2024-01-01 00:00 UTC on", text_of(document.find("body/header")))


def test_nothing_is_loaded_and_nothing_can_run(document):
    for element in document.iter():
        if not isinstance(element.tag, str):
            continue
        assert element.tag not in ("script", "link", "img", "iframe", "object", "embed", "form", "a", "b")
        for name in element.keys():
            assert not re.match(r"on|src|href|style|action", str(name)), (element.tag, name)
    policy = next(e.get("content") for e in document.iter("meta") if e.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy


def test_pictures_are_hidden_from_readers_that_have_the_table(document):
    pictures = [e for e in document.iter() if isinstance(e.tag, str) and e.tag.endswith("svg")]
    assert len(pictures) > 20 and all(picture.get("aria-hidden") == "true" for picture in pictures)
    assert document.get("lang") == "en" and len(list(document.iter("h1"))) == 1
    assert all(cell.get("scope") for cell in document.iter("th"))


# What is painted, of each class: how many elements have an extent in both directions, and no NaN in their paths.
DRAWN = """
(() => {
  const extent = selector => [...document.querySelectorAll(selector)].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width > 20 && box.height > 3 && !/NaN|inf/.test(e.getAttribute("d") || "");
  }).length;
  return [extent(".plot path.curve"), extent(".plot path.busy"), extent(".plot path.idle"), extent(".bars rect")];
})()
"""


def test_a_browser_draws_it_narrow_and_dark(page, tmp_path):
    if not CHROMIUM:
        pytest.skip("chromium is not installed: nothing opens the report")
    browser = Browser(tmp_path / "profile")
    try:
        for width, scheme in [(360, "dark"), (360, "light"), (1280, "light")]:
            browser.open(page, width, scheme)
            assert browser.requests() == [page.as_uri()]
            assert browser.complaints() == []
            assert browser.evaluate("innerWidth") == width
            wide = browser.evaluate("[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll table') && "
                                    "!e.closest('svg') && e.getBoundingClientRect().right > innerWidth)"
                                    ".map(e => e.outerHTML.slice(0, 80))")
            assert wide == [] and browser.evaluate("document.documentElement.scrollWidth") <= width
            contrast, text = browser.evaluate(CONTRAST)
            assert contrast >= 4.5, (scheme, text, contrast)
            curves, busy, idle, bars = browser.evaluate(DRAWN)
            assert (curves, busy, idle) == (6, 2, 2) and bars >= 6
            # The style sheet is in force, which its hash in the page's policy has to allow.
            colours = browser.evaluate("[...document.querySelectorAll('.plot path.curve')]"
                                       ".map(e => getComputedStyle(e).stroke)")
            assert len(set(colours)) == 2 and "none" not in colours
            smallest = browser.evaluate("Math.min(...[...document.querySelectorAll('main *')].filter(e => !e.closest('svg'))"
                                        ".map(e => parseFloat(getComputedStyle(e).fontSize)))")
            assert smallest >= 12
    finally:
        browser.close()


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(tmp_path, binary):
    result = subprocess.run([binary, "simulate", "--config", "none.toml", "--burst", "1@0s", "--report", "nowhere/r.html"],
                            capture_output=True, text=True, cwd=tmp_path, timeout=60, env={**os.environ})
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: --report nowhere/r.html can't be written: nowhere: No such file or directory\n"
