"""Headless Chromium over its debugging pipe (file descriptors 3 and 4, objects of JSON that end with a NUL): what a page
asks the network for, what it says on the console, and how it looks at a given width and colour scheme."""

import json
import os
import queue
import shutil
import subprocess
import threading

from checker.run import PATIENCE

CHROMIUM = shutil.which("chromium")

# The smallest contrast of any text with what is painted behind it, by the formula of WCAG 2, and the text.
CONTRAST = """
(() => {
  const part = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const numbers = text => text.match(/[0-9.]+/g).map(Number);
  const light = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const c = numbers(getComputedStyle(node).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  let least = [100, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode());) {
    if (!text.data.trim() || text.parentElement.closest("svg")) continue;
    const a = light(numbers(getComputedStyle(text.parentElement).color)), b = light(behind(text.parentElement));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least[0]) least = [ratio, text.data];
  }
  return least;
})()
"""


class Browser:
    def __init__(self, folder):
        self.number, self.session, self.events = 0, None, []
        self.answers = queue.Queue()
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()
        # The shell puts the two pipes where Chromium looks for them.
        command = f"exec 3<&{to_browser} 4>&{from_browser}; exec \"$@\""
        self.process = subprocess.Popen(
            ["bash", "-c", command, "bash", CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
             f"--user-data-dir={folder}", "--remote-debugging-pipe"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        threading.Thread(target=self._read, daemon=True).start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Network", "Log", "Runtime", "Page"):
            self.call(f"{domain}.enable")

    def _read(self):
        rest = b""
        while data := os.read(self.input, 65536):
            *whole, rest = (rest + data).split(b"\0")
            for message in map(json.loads, whole):
                if "id" in message:
                    self.answers.put(message)
                else:
                    self.events.append((message["method"], message["params"]))

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        answer = self.answers.get(timeout=PATIENCE)
        assert answer["id"] == self.number and "error" not in answer, answer
        return answer["result"]

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, path, width, scheme):
        """Loads the page anew; self.events holds what happened since."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=path if isinstance(path, str) else path.as_uri())
        self.evaluate("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def requests(self):
        return [event["request"]["url"] for name, event in self.events if name == "Network.requestWillBeSent"]

    def complaints(self):
        return [event for name, event in self.events
                if name in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")]

    def close(self):
        os.close(self.output)
        self.process.terminate()
        self.process.wait(PATIENCE)
        os.close(self.input)
