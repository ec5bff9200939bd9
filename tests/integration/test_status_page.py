"""The status page in a real browser: over a fleet that the test makes up (page_double.py), and over a manager's own."""

import base64
import json

import pytest

from browser import CHROMIUM, CONTRAST, Browser
from page_double import COLUMNS, PageDouble, group, instance, job, manager, now_ms

# Nothing of the page sticks out of the window, but what scrolls inside its own box.
WIDE = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.table, svg, dialog') && e.offsetParent &&
          !e.matches('.skip') && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""

EVIL = ["<script>document.title = 'taken'</script>", "\"onerror=alert(1) x=\"", "</title><b>bold</b>", "lint \u202egnp.exe"]


class Page:
    """A browser that looks at a status page."""

    def __init__(self, folder, shots):
        self.browser, self.shots = Browser(folder), shots
        shots.mkdir(exist_ok=True)
        self.browser.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def open(self, url, width=1280, scheme="light"):
        self.browser.open("about:blank", width, scheme)
        self.browser.open(url, width, scheme)
        self.until("document.getElementById('link').textContent === 'live'")

    def evaluate(self, expression):
        return self.browser.evaluate(expression)

    def until(self, condition):
        self.evaluate(f"new Promise(done => {{ const look = () => {condition} ? done() : setTimeout(look, 20); look(); }})")

    def keep(self, name):
        """A picture of the whole page for those who look at the build folder after the run."""
        height = self.evaluate("document.documentElement.scrollHeight")
        width = self.evaluate("innerWidth")
        self.browser.call("Emulation.setDeviceMetricsOverride", width=width, height=min(height, 4000), deviceScaleFactor=1, mobile=False)
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        data = self.browser.call("Page.captureScreenshot", format="png")["data"]
        (self.shots / f"{name}.png").write_bytes(base64.b64decode(data))

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def key(self, key, code=None):
        for kind in ("keyDown", "keyUp"):
            self.browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key,
                              windowsVirtualKeyCode={"Enter": 13, "Escape": 27}.get(key, 0), text="\r" if key == "Enter" and kind == "keyDown" else "")

    def rows(self, table="job-table"):
        return self.evaluate(f"[...document.querySelectorAll('#{table} .rows .row')].sort((a, b) => a.index - b.index)"
                             ".map(row => [...row.children].map(cell => cell.textContent))")


@pytest.fixture(scope="module")
def page(tmp_path_factory, build):
    if not CHROMIUM:
        pytest.skip("chromium is not installed: nothing opens the status page")
    page = Page(tmp_path_factory.mktemp("profile"), build / "screenshots")
    yield page
    page.browser.close()


@pytest.fixture
def serve():
    made = []

    def make(*things, **more):
        made.append(PageDouble(dict(things), **more))
        return made[-1]

    yield make
    for double in made:
        double.close()


def lively():
    """Something of everything."""
    conditions = ["busy", "ready", "creating", "draining", "removing", "unhealthy"]
    things = [manager(problems=["the disk that holds the state directory is full: no job is asked for until 8 MiB are free there"]),
              group(price=1_234_000, ordered=2, waiting=2, why=["linux: nothing more is ordered, because max_instances = 100 is reached"]),
              group("macs", 1, plugin="nesting", max=4, problem="the cloud has no capacity, tried again in 30s")]
    for number in range(24):
        condition = conditions[number % 6]
        busy = [100 + number, 0, 0, 0] if condition in ("busy", "draining") else [0] * 4
        things.append(instance(number, slots=busy, condition=condition, why="idle for 12m0s, idle_time 10m0s" if condition == "removing" else ""))
        if busy[0]:
            phase = ["running", "starting", "ending"][number // 6 % 3]
            things.append(job(100 + number, phase=phase, instance=f"i-{number:05}", result="failed" if phase == "ending" else ""))
    things += [instance(number, "macs", [0, 0]) for number in range(2)]
    things += [job(900 + i, phase="waiting", stage="", name=f"waits {i}", since=now_ms() - i * 60000) for i in range(2)]
    samples = [[now_ms() - minute * 60000, minute % 9, 8, 4, 2, 1, 1, 1, 1_234_000] for minute in range(200, 0, -1) if not 60 < minute < 90]
    return things, samples


def test_it_is_readable_narrow_and_wide_light_and_dark(page, serve):
    things, samples = lively()
    double = serve(*things, samples=samples)
    for width, scheme in [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")]:
        page.open(double.url, width, scheme)
        page.until("document.querySelector('.layer.waiting')?.getAttribute('d')")
        assert page.evaluate(WIDE) == [] and page.evaluate("document.documentElement.scrollWidth") <= width
        contrast, text = page.evaluate(CONTRAST)
        assert contrast >= 4.5, (scheme, text, contrast)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).every(c => c < 64)") == (scheme == "dark")
        assert page.evaluate("Math.min(...[...document.querySelectorAll('main *')].filter(e => !e.closest('svg') && e.offsetParent)"
                             ".map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 12
        page.keep(f"status-{width}-{scheme}")
        assert page.browser.complaints() == []
        assert all(url.startswith(double.url) for url in page.browser.requests() if not url.startswith("about:"))


def test_it_says_what_there_is_and_follows_what_changes(page, serve):
    things, samples = lively()
    double = serve(*things, samples=samples)
    page.open(double.url)
    assert [row[1] for row in page.rows()][:2] == ["waits 0", "waits 1"]
    assert "no capacity" in page.text("#problems") and "disk" in page.text("#problems")
    assert page.text("#groups .why") == "nothing more is ordered, because max_instances = 100 is reached"
    assert page.evaluate("document.querySelector('.picture').getAttribute('aria-label')") == (
        "Runner linux: 24 instances, 4 with jobs, 4 ready, 4 being made, 4 draining, 4 being removed, 4 unhealthy. "
        "Arrow keys move, Enter opens a job.")
    # Where no sample was taken nothing is drawn: two pieces.
    page.until("document.querySelector('.layer.waiting')?.getAttribute('d')")
    assert page.evaluate("document.querySelector('.layer.waiting').getAttribute('d').match(/M/g).length") == 2
    assert "Samples begin at" in page.text("#history")
    key, new = job(901, phase="running", name="runs now", instance="i-00001")
    double.change({key: new, **dict([instance(1, slots=[901, 0, 0, 0], condition="busy")])}, gone=["job/900"])
    page.until("document.querySelector('#job-table').textContent.includes('runs now')")
    assert "waits 0" not in page.text("#job-table") and "5 with jobs" in page.text("#groups .facts")
    page.evaluate("document.getElementById('filter').value = 'i-00001'; document.getElementById('filter').dispatchEvent(new Event('input'))")
    assert [row[1] for row in page.rows()] == ["runs now"]


def test_names_from_jobs_are_text_and_keep_to_themselves(page, serve):
    things = [manager(problems=[EVIL[0]]), group(EVIL[2], why=[f"{EVIL[2]}: {EVIL[0]}"], problem=EVIL[1])]
    things += [job(1 + i, name=evil, runner=EVIL[2], instance=EVIL[0]) for i, evil in enumerate(EVIL)]
    things.append(instance(1, EVIL[2], [1, 2, 3, 4], id=EVIL[0], condition="busy", why=EVIL[1]))
    double = serve(*things, logs={1: [f"{evil}\n" for evil in EVIL]})
    page.open(double.url)
    assert sorted(row[1] for row in page.rows()) == sorted(EVIL)
    page.evaluate("location.hash = 'job=1'")
    page.until("document.querySelectorAll('#job-log div').length === 4")
    assert page.evaluate("[...document.querySelectorAll('#job-log div')].map(line => line.textContent)") == [
        *EVIL[:3], EVIL[3].replace("\u202e", "\ufffd")]
    assert page.evaluate("document.querySelectorAll('main b, main script, dialog b, dialog script, [onerror]').length") == 0
    assert page.evaluate("document.title") == "flotilla" and page.browser.complaints() == []
    # Each is isolated: what stands beside it keeps its direction.
    assert page.evaluate("[...document.querySelectorAll('.rows .name, #job-title')].every(e => e.querySelector('bdi'))")
    page.keep("hostile-names")


def render(page, *pieces):
    """A log that comes in these pieces, as HTML."""
    return page.evaluate("import('./terminal.js').then(({Terminal}) => { const place = document.createElement('div'), "
                         f"terminal = new Terminal(place); for (const piece of {json.dumps(pieces)}) terminal.write(piece); "
                         "return place.innerHTML; })")


STAMP = "2026-01-02T03:04:05.123456Z 00O"
TIME = '<time datetime="2026-01-02T03:04:05.123456Z">03:04:05.123 </time>'

LOGS = [
    (["a\n\nb\n"], "<div>a</div><div></div><div>b</div>"),
    (["a\r", "\nb"], "<div>a</div><div>b</div>"),
    (["10%\r50%\r100%\n"], "<div>100%</div>"),
    (["long line\rshort\x1b[K\n"], "<div>short</div>"),
    (["ab\bC\n"], "<div>aC</div>"),
    (["\x1b[", "31", "mred\x1b[0m plain\n"], '<div><span class="f1">red</span> plain</div>'),
    (["\x1b[1;38;2;1;2;3mx\x1b[22;39my\n"], '<div><span class="bold" style="color: rgb(1, 2, 3);">x</span>y</div>'),
    (["\x1b[38;5;196mx\x1b[m\n"], '<div><span style="color: rgb(255, 0, 0);">x</span></div>'),
    (["\x1b]0;a title\x07ok\x1b]8;;http://x\x1b\\ link\x1b[2J\x1b[5;5H\x1b[?25l\x9b1A\x1bPq#1\x1b\\\n"], "<div>ok link</div>"),
    (["<img src=x onerror=alert(1)>&amp;\n"], "<div>&lt;img src=x onerror=alert(1)&gt;&amp;amp;</div>"),
    (["\x1b[0Ksection_start:10:build[collapsed=true]\r\x1b[0KHead\n", "x\n\x1b[0Ksection_end:75:build\r\x1b[0K\nafter\n"],
     '<details><summary>Head<span class="took">1:05</span></summary><div>x</div></details><div>after</div>'),
    ([f"{STAMP} hi\rho\n2026-01-02 is no stamp\n"], f"<div>{TIME}ho</div><div>2026-01-02 is no stamp</div>"),
    ([f"{STAMP} section_start:10:a\r\x1b[0K\n{STAMP}+\x1b[0K\x1b[36;1mHead\x1b[0;m\n{STAMP} x\n", f"{STAMP} section_end:12:a\r\x1b[0K\n",
      f"{STAMP}+section_start:12:b\r\x1b[0K\n{STAMP}+Next\n{STAMP} section_end:12:b\r\x1b[0K\n{STAMP}+done\n"],
     f'<details open=""><summary>{TIME}<span class="f6 bold">Head</span><span class="took">0:02</span></summary><div>{TIME}x</div></details>'
     f'<details open=""><summary>{TIME}Next<span class="took">0:00</span></summary></details><div>{TIME}done</div>'),
]


def test_a_log_is_shown_as_a_terminal_would_and_does_nothing(page, serve):
    page.open(serve(manager()).url)
    for pieces, html in LOGS:
        assert render(page, *pieces) == html, pieces
        # Wherever it was cut.
        assert render(page, *"".join(pieces)) == html, pieces
    assert page.evaluate("import('./terminal.js').then(({Terminal}) => { const t = new Terminal(document.createElement('div'));"
                         "for (let i = 0; i < 6000; i++) t.write(`${i}\\n`); return [t.lines.length, t.dropped]; })") == [5000, 1000]


def test_a_held_instance_is_called_so(page, serve):
    double = serve(manager(), group(), instance(0, condition="held", why="held until 2030-01-01T00:00:00Z by user 0"))
    page.open(double.url)
    page.until("document.querySelector('.picture').getAttribute('aria-label')")
    assert page.evaluate("document.querySelector('.picture').getAttribute('aria-label')").startswith(
        "Runner linux: 1 instance, 1 held. ")
    assert "held until 2030-01-01T00:00:00Z by user 0" in page.rows("instance-table")[0]


def test_keys_and_words_reach_all(page, serve):
    double = serve(manager(), group(), instance(0, slots=[7, 0], condition="busy"), instance(1, slots=[0, 0]),
                   job(7, name="chosen by keys", instance="i-00000"), logs={7: ["hello\n"]})
    page.open(double.url)
    page.until("document.querySelector('.picture').getAttribute('aria-label')")
    page.evaluate("document.querySelector('.picture').focus()")
    page.key("ArrowRight")
    assert page.text(".at").startswith("i-00000 is with jobs, seen for 1h 00m; slot 0: job 10007")
    page.key("ArrowRight")
    assert page.text(".at").endswith("slot 1: free")
    page.key("ArrowLeft")
    page.key("Enter")
    page.until("document.querySelector('#job-log').textContent.includes('hello')")
    assert page.text("#job-title") == "Job 10007 chosen by keys"
    page.key("Escape")
    page.until("!document.getElementById('job').open && location.hash === ''")
    page.evaluate("document.querySelector('#job-table .table').focus()")
    page.key("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-rowindex')") == "2"
    page.key("Enter")
    page.until("document.getElementById('job').open")
    unnamed = page.evaluate("[...document.querySelectorAll('button, input, canvas[tabindex], [role=table], svg[role], section')]"
                            ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')))"
                            ".map(e => e.outerHTML.slice(0, 80))")
    assert unnamed == []
    page.keep("log")


MEASURE = """(() => {
  const found = window.found = {frames: [], long: [], shift: 0};
  new PerformanceObserver(list => list.getEntries().forEach(e => found.long.push(e.duration))).observe({type: 'longtask'});
  new PerformanceObserver(list => list.getEntries().forEach(e => found.shift += e.value)).observe({type: 'layout-shift'});
  let last = performance.now();
  const frame = now => { found.frames.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
})()"""


def test_a_thousand_jobs_on_five_thousand_slots(page, serve):
    """What is seen is right, and little of it is in the document; how long it took is printed: see docs/status-page.md."""
    def slots(number, turn):
        return [number + 1 if number < 1000 and slot == turn % 5 else 0 for slot in range(5)]

    things = [manager(), group(max=1000)]
    things += [instance(number, slots=slots(number, 0), condition="busy") for number in range(1000)]
    things += [job(number + 1, instance=f"i-{number:05}") for number in range(1000)]
    double = serve(*things)
    page.open(double.url)
    page.until("document.getElementById('jobs-title').textContent && document.querySelector('#phases button').textContent === 'all 1000'")
    page.evaluate(MEASURE)
    for turn in range(1, 9):
        changed = [instance(number, slots=slots(number, turn), condition="busy") for number in range(turn % 5, 1000, 5)]
        changed += [job(number + 1, instance=f"i-{number:05}", stage=f"step_{turn}") for number in range(turn % 5, 1000, 5)]
        changed.append(group(max=1000 + turn))
        double.change(dict(changed))
        page.until(f"document.querySelector('.facts').textContent.includes('{1000 + turn:,} instances')")
        page.evaluate(f"document.querySelector('#job-table .table').scrollTop = {turn * 3000}")
    found = page.evaluate("new Promise(done => requestAnimationFrame(() => done(window.found)))")
    frames = sorted(found["frames"])
    print(f"frames: {len(frames)}, median {frames[len(frames) // 2]:.0f} ms, 95% {frames[len(frames) * 95 // 100]:.0f} ms, "
          f"longest {frames[-1]:.0f} ms; tasks over 50 ms: {len(found['long'])}, longest {max(found['long'], default=0):.0f} ms; "
          f"layout shift {found['shift']:.3f}")
    assert found["shift"] < 0.02
    assert page.text("#totals").split()[:2] == ["1000", "jobs"] and "1000 of 5000" in page.text("#totals")
    rows = page.rows()
    assert 0 < len(rows) < 60
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    assert page.evaluate("document.querySelector('#job-table .table').getAttribute('aria-rowcount')") == "1001"
    page.keep("thousand-jobs")
