"""The page that `flotilla exec --report` writes, read by an HTML parser and opened in a real browser."""

import os
import re

import html5lib
import pytest

from browser import CHROMIUM, CONTRAST, Browser
from test_exec import Project

FILE = r"""
stages: [build, "</title><b>"]
lib: {stage: build, script: "true"}
shaky: {stage: build, script: "exit 3", allow_failure: true}
"<script>\"onerror='x'": {stage: "</title><b>", script: "exit 1"}
"a name that is so long that it does not fit into one line of a narrow window, and some more words":
  stage: "</title><b>"
  script: "true"
never: {stage: .post, script: "true"}
"""
EVIL = "<script>\"onerror='x'"


@pytest.fixture(scope="module")
def page(tmp_path_factory, binary, plugin_dir):
    """A report of a real run."""
    import shutil
    import tempfile
    from pathlib import Path
    folder = Path(tempfile.mkdtemp(prefix="flt-", dir="/tmp"))
    project = Project(folder, binary, plugin_dir)
    file = tmp_path_factory.mktemp("report") / "report.html"
    run = project.run_file(FILE, "--report", file)
    assert run.returncode == 1 and f"report: {file}\n" in run.output, run.problems
    assert [entry.name for entry in file.parent.iterdir()] == ["report.html"]
    umask = os.umask(0o022)
    os.umask(umask)
    assert file.stat().st_mode & 0o777 == 0o644 & ~umask
    shutil.rmtree(folder)
    return file


@pytest.fixture(scope="module")
def document(page):
    """Parsed by the rules of HTML; an error of the page is one of the test."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page.read_text())


def text_of(element):
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip()


def rows(document, name):
    region = next(e for e in document.iter("div") if e.get("aria-label") == name)
    head = [text_of(cell) for cell in region.find("table/thead/tr")]
    return [dict(zip(head, [text_of(cell) for cell in row])) for row in region.find("table/tbody")]


def test_the_tables_say_what_ran_where(document):
    jobs = {row["job"]: row for row in rows(document, "Jobs")}
    assert list(jobs)[:2] == ["lib", "shaky"] and EVIL in jobs and len(jobs) == 5
    assert {name: row["state"] for name, row in jobs.items() if len(name) < 40} == {
        "lib": "passed", "shaky": "failed (allowed), exit code 3", EVIL: "failed, exit code 1", "never": "skipped"}
    assert jobs[EVIL]["stage"] == "</title><b>"
    assert float(jobs["lib"]["run s"]) > 0 and jobs["never"]["run s"] == "-"
    instances = rows(document, "Instances")
    assert {f"{row['instance']}, slot 0" for row in instances} == {
        row["instance"] for row in jobs.values() if row["instance"] != "-"}
    for row in instances:
        times = [float(row[f"{what} at s"]) for what in ("appeared", "ready", "removed", "gone")]
        assert times == sorted(times)
        assert row["removed because"] == "max_use_count is reached"
    assert "because jobs wait for slots" in text_of(document.find("body/main/ol"))


def test_nothing_is_loaded_and_nothing_can_run(document):
    for element in document.iter():
        if not isinstance(element.tag, str):
            continue
        assert element.tag not in ("script", "link", "img", "iframe", "object", "embed", "form", "a")
        for name in element.keys():
            assert not re.match(r"on|src|href|style|action", str(name)), (element.tag, name)
    policy = next(e.get("content") for e in document.iter("meta") if e.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy


def test_the_bars_have_tables_beside_them_and_the_tables_have_headings(document):
    bars = [e for e in document.iter() if isinstance(e.tag, str) and e.tag.endswith("svg")]
    assert bars and all(bar.get("aria-hidden") == "true" for bar in bars)
    assert document.get("lang") == "en" and len(list(document.iter("h1"))) == 1
    assert all(cell.get("scope") for cell in document.iter("th"))
    for element in document.iter("div"):
        if element.get("class") == "scroll":
            assert element.get("tabindex") == "0" and element.get("role") == "region" and element.get("aria-label")


def test_a_browser_shows_it_narrow_and_dark(page, tmp_path):
    if not CHROMIUM:
        pytest.skip("chromium is not installed: nothing opens the report")
    browser = Browser(tmp_path / "profile")
    try:
        for width, scheme in [(360, "dark"), (360, "light"), (1280, "dark")]:
            browser.open(page, width, scheme)
            assert browser.requests() == [page.as_uri()]
            assert browser.complaints() == []
            assert browser.evaluate("innerWidth") == width
            wide = browser.evaluate("[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll table') && "
                                    "e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 80))")
            assert wide == [] and browser.evaluate("document.documentElement.scrollWidth") <= width
            contrast, text = browser.evaluate(CONTRAST)
            assert contrast >= 4.5, (scheme, text, contrast)
            dark = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).every(c => c < 64)")
            assert dark == (scheme == "dark")
            # The style sheet is in force, which its hash in the page's policy has to allow.
            assert browser.evaluate("document.querySelector('rect.passed').getBoundingClientRect().width") > 0
            assert browser.evaluate("getComputedStyle(document.querySelector('.lane')).display") == "grid"
            smallest = browser.evaluate("Math.min(...[...document.querySelectorAll('main *')].filter(e => !e.closest('svg'))"
                                        ".map(e => parseFloat(getComputedStyle(e).fontSize)))")
            assert smallest >= 12
    finally:
        browser.close()


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(folder, binary, plugin_dir):
    project = Project(folder, binary, plugin_dir)
    run = project.run_file("a: {script: \"true\"}\n", "--report", folder / "nowhere" / "r.html")
    assert run.returncode == 1 and run.output == ""
    assert run.problems == (f"flotilla exec: --report {folder}/nowhere/r.html can't be written: {folder}/nowhere: "
                            "No such file or directory\n")
