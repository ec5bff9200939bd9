"""The status page's login: what needs one, and the form in a real browser, over TLS and without."""

import http.client
import json
import ssl

import pytest

from browser import CHROMIUM, CONTRAST
from checker.certificates import make_certificate
from checker.run import PATIENCE, wait_for
from test_status_events import listen, socket_is_open
from test_status_page import WIDE, Page

TOKEN = "s3cret-t\u00f6ken+&="


@pytest.fixture
def guarded(scripted):
    """A manager with a token; its page's address, and its certificate."""
    def begin(tls=False):
        manager = scripted()
        more = f'[web]\ntoken = "{TOKEN}"\n'
        certificate = None
        if tls:
            certificate, key = make_certificate(manager.folder)
            more += f'certificate_file = "{certificate}"\nkey_file = "{key}"\n'
        manager.web = listen(manager, more)
        manager.show()
        manager.start()
        manager.wait(lambda: socket_is_open(manager.web.port), "it listens")
        return manager, f"http{'s' if tls else ''}://127.0.0.1:{manager.web.port}/", certificate

    return begin


@pytest.fixture(scope="module")
def page(build, tmp_path_factory):
    """For all: each manager has a port and cookies of its own."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed: nobody fills in the form")
    page = Page(tmp_path_factory.mktemp("profile"), build / "screenshots")
    page.browser.call("Security.setIgnoreCertificateErrors", ignore=True)
    yield page
    page.browser.close()


SHOWN = "document.querySelector('#token')"


def comes(page, condition):
    """Also where another page is loaded meanwhile, which ends what is asked of the former."""
    def holds():
        try:
            return page.evaluate(f"Boolean({condition})")
        except AssertionError:
            return False

    assert wait_for(holds), condition


def look(page, url, **more):
    """As far as the form."""
    page.browser.open(url, more.get("width", 1280), more.get("scheme", "light"))
    comes(page, f"document.readyState === 'complete' && {SHOWN}")


def type_in(page, text):
    """Where the cursor is by itself, and Enter."""
    comes(page, f"document.activeElement === {SHOWN}")
    page.browser.call("Input.insertText", text=text)
    page.evaluate("window.here = true")
    page.key("Enter")
    comes(page, "!window.here && document.readyState === 'complete'")


def is_live(page):
    comes(page, "document.getElementById('link')?.textContent === 'live' && getComputedStyle(document.getElementById('leave')).visibility === 'visible'")


def complaints(page):
    """But what a browser says of each answer that is no 200."""
    return [event for event in page.browser.complaints() if "401 (Unauthorized)" not in json.dumps(event)]


def test_a_browser_logs_in_with_keys_and_out_with_a_button(page, guarded):
    manager, url, _ = guarded()
    look(page, url)
    type_in(page, "wrong")
    assert page.text("[role=alert]") == "This is not the token."
    type_in(page, TOKEN)
    is_live(page)
    assert page.evaluate("location.pathname + document.cookie") == "/status/"  # no script sees the cookie
    comes(page, "document.querySelector('#groups h3')?.textContent === 'scripted'")
    page.keep("logged-in")
    # It holds for another look, and what is open ends with it.
    page.open(url)
    page.evaluate("fetch('logout', {method: 'POST', headers: {'Content-Type': 'application/x-www-form-urlencoded'}}).then(a => a.status)")
    comes(page, SHOWN)
    type_in(page, TOKEN)
    is_live(page)
    page.evaluate("document.querySelector('#leave button').click()")
    comes(page, SHOWN)
    assert "s3cret" not in manager.tail(1000) and complaints(page) == []


def test_the_form_is_readable_narrow_and_wide_light_and_dark(page, guarded):
    _, url, _ = guarded()
    for width, scheme in [(320, "light"), (320, "dark"), (1280, "light"), (1280, "dark")]:
        look(page, f"{url}status/login", width=width, scheme=scheme)
        assert page.evaluate(WIDE) == [] and page.evaluate("document.documentElement.scrollWidth") <= width
        contrast, text = page.evaluate(CONTRAST)
        assert contrast >= 4.5, (scheme, text, contrast)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).every(c => c < 64)") == (scheme == "dark")
        assert page.evaluate("[...document.querySelectorAll('button, input:not([hidden])')].every(e => e.offsetHeight >= 30 && e.labels?.length !== 0 || e.textContent)")
        page.keep(f"login-{width}-{scheme}")
        assert complaints(page) == []
        assert all(asked.startswith(url) for asked in page.browser.requests())


def test_a_browser_that_comes_by_a_link_goes_on_with_its_cookie(page, guarded):
    _, url, _ = guarded()
    look(page, url)
    type_in(page, TOKEN)
    is_live(page)
    # From elsewhere: localhost is another site than 127.0.0.1.
    page.browser.open(f"{url.replace('127.0.0.1', 'localhost')}health/live", 1280, "light")
    page.evaluate(f"location.href = '{url}status/'")
    comes(page, f"location.hostname === '127.0.0.1' && document.readyState === 'complete' && {SHOWN}")
    page.evaluate("document.querySelector('a').click()")
    is_live(page)


def test_what_needs_a_login_over_tls(guarded):
    manager, _, certificate = guarded(tls=True)

    def status(path, **headers):
        connection = http.client.HTTPSConnection("127.0.0.1", manager.web.port, timeout=PATIENCE,
                                                 context=ssl.create_default_context(cafile=certificate))
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status

    token = TOKEN.encode().decode("latin-1")
    for path in ["/status/", "/status/main.js", "/status/events", "/status/history", "/status/explain?seq=1", "/status/log?seq=1",
                 "/status/visit", "/status/login"]:
        assert status(path) == 401 and status(path, Authorization="Bearer s3cret-tokeN") == 401, path
    assert status("/status/", Authorization=f"Bearer {token}") == 200
    assert status("/status/page.css") == status("/status/icon.svg") == 200  # which the form has, too
    # Nobody may try many.
    assert 429 in [status("/status/", Authorization="Basic d3Jvbmc=") for _ in range(11)]
    assert status("/status/", Authorization=f"Bearer {token}") == 429 and status("/health/live") == 200


def test_a_browser_logs_in_over_tls(page, guarded):
    _, url, _ = guarded(tls=True)
    look(page, url)
    type_in(page, TOKEN)
    is_live(page)
    comes(page, "document.querySelector('#groups h3')?.textContent === 'scripted'")


def test_another_token_ends_who_was_logged_in(page, guarded):
    manager, url, _ = guarded()
    look(page, url)
    type_in(page, TOKEN)
    is_live(page)
    manager.config.write_text(manager.config.read_text().replace(TOKEN, "another"))
    assert manager.ask("reload").returncode == 0
    comes(page, SHOWN)  # the page asks by itself
    type_in(page, "another")
    is_live(page)
