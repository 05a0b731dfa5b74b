# tests/web.py -- drives the page in headless Chromium by its DevTools protocol; tests/web.sh starts it.
#
#     web.py CHROMIUM URL FOLDER STEP...     a step is NAME or NAME=ARGUMENT, see `steps` below
#
# Ends with 1 and a sentence when a step does not hold, or when the page has written an error to its console.

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

import websocket

WAIT_S = 30


class Browser:
    def __init__(self, program, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={folder}/profile", "--no-first-run", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=open(f"{folder}/chromium.log", "w"))
        self.errors = []
        self.number = 0
        port = self.port()
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=WAIT_S))
        url = next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page")
        self.socket = websocket.create_connection(url, timeout=WAIT_S)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def port(self):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                with open(f"{self.folder}/profile/DevToolsActivePort") as file:
                    return int(file.readline())
            except (OSError, ValueError):
                time.sleep(0.1)
        raise SystemExit("chromium did not start")

    def see(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"])[:400])
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(json.dumps(params["args"])[:400])
        if method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))

    def call(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]
            self.see(message)

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{expression}: {json.dumps(result['exceptionDetails'])[:400]}")
        return result["result"].get("value")

    def wait(self, expression, seconds=WAIT_S):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.value(expression):
                return
            time.sleep(0.1)
        raise SystemExit(f"after {seconds} s this does not hold: {expression}; the page says: {self.value('document.body.innerText')[:1500]}")

    def key(self, name, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, text=text if kind == "keyDown" else "",
                      windowsVirtualKeyCode={"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37}.get(name, 0))

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def shot(self, name):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(f"{self.folder}/{name}.png", "wb") as file:
            file.write(base64.b64decode(data))


def opens_list(b, url):
    b.go(url)
    b.wait("document.querySelectorAll('table.jobs tbody tr').length >= 2")
    b.wait("document.getElementById('link').textContent === 'live'")
    b.shot("list")


def updates_live(b, url):
    b.go(url + "?jobs=1")
    steps = "Number(([...document.querySelectorAll('dt')].find(e => e.textContent === 'step') || {nextSibling: {textContent: '0'}}).nextSibling.textContent.split(' ')[0])"
    b.wait(f"{steps} > 0")
    before = b.value(steps)
    b.wait(f"{steps} > {before}")
    b.wait("document.querySelectorAll('svg.chart polyline').length >= 4")
    b.wait("/sign of collapse|collapse:/.test(document.querySelector('.verdict').textContent)")
    b.wait("[...document.querySelectorAll('pre')].every(e => e.textContent)")
    b.shot("job")


def compares(b, url):
    b.go(url + "?jobs=1,2")
    b.wait("document.querySelectorAll('.legend li').length === 2")
    b.wait("document.querySelector('svg.chart').querySelectorAll('polyline').length === 2")
    b.shot("compare")


def shows_state(b, url):
    b.go(url + "?jobs=2")
    b.wait("[...document.querySelectorAll('li')].some(e => /moco.queue .*filled; its keys are .* steps old/.test(e.textContent))")


def by_keyboard(b, url):
    """From the list into a job, and through a chart, with no pointer."""
    b.go(url)
    b.wait("document.querySelectorAll('table.jobs tbody tr').length >= 2")
    for _ in range(40):
        b.key("Tab")
        if b.value("document.activeElement.tagName === 'A' && document.activeElement.search === '?jobs=1'"):
            break
    else:
        raise SystemExit("Tab does not reach the link of job 1")
    b.key("Enter", "\r")
    b.wait("location.search === '?jobs=1' && document.querySelectorAll('svg.chart polyline').length > 0")
    for _ in range(40):
        b.key("Tab")
        if b.value("document.activeElement.classList.contains('chart')"):
            break
    else:
        raise SystemExit("Tab does not reach a chart")
    b.key("ArrowLeft")
    b.wait("/^step \\d/.test(document.activeElement.parentElement.querySelector('output').textContent)")


def on_a_phone(b, url):
    b.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    for where, name in (("", "phone_list"), ("?jobs=1", "phone_job"), ("?jobs=1,2", "phone_compare")):
        b.go(url + where)
        b.wait("document.getElementById('link').textContent !== ''")
        b.wait("document.querySelectorAll('tbody tr, svg.chart polyline').length > 0")
        wide = b.value("document.documentElement.scrollWidth")
        if wide > 361:
            raise SystemExit(f"'{where}' is {wide} wide on a phone of 360")
        b.shot(name)
    b.call("Emulation.clearDeviceMetricsOverride")


def dark_and_light(b, url):
    """Text differs from its background by WCAG's 4.5 to 1, either way."""
    script = """(() => {
        const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const light = c => { const [r, g, b] = rgb(c).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                             return .2126 * r + .7152 * g + .0722 * b; };
        const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
                            if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255, 255, 255)'; };
        return Math.min(...[...document.querySelectorAll('td, th, dt, dd, a, p, pre, figcaption, h1')].filter(e => e.textContent).map(e => {
            const a = light(getComputedStyle(e).color), b = light(back(e));
            return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); }));
    })()"""
    grounds = set()
    for scheme in ("light", "dark"):
        b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for where in ("", "?jobs=1"):
            b.go(url + where)
            b.wait("document.querySelectorAll('tbody tr, svg.chart polyline').length > 0")
            contrast = b.value(script)
            if contrast < 4.5:
                raise SystemExit(f"'{where}' has a contrast of {contrast:.2f} in {scheme}")
        grounds.add(b.value("getComputedStyle(document.body).backgroundColor"))
        b.shot(scheme)
    if len(grounds) != 2:
        raise SystemExit(f"dark and light are both {grounds}")
    b.call("Emulation.setEmulatedMedia", features=[])


def outlives_restart(b, url):
    """The shell script restarts akssld when FOLDER/restart is there, and then removes it."""
    b.go(url + "?jobs=1")
    b.wait("document.getElementById('link').textContent === 'live'")
    b.value("window.stayed = true")
    seen = list(b.errors)
    open(f"{b.folder}/restart", "w").close()
    b.wait("document.getElementById('link').textContent.startsWith('akssld does not answer')")
    b.shot("away")
    b.wait("/^(live|over)$/.test(document.getElementById('link').textContent)", 60)
    if not b.value("window.stayed"):
        raise SystemExit("the page was loaded anew")
    b.value("0")
    # Chromium itself notes each request that found nobody there; nothing else may be said.
    b.errors = seen + [e for e in b.errors[len(seen):] if "net::ERR_" not in e]


def escapes(b, url):
    """What a job is called stays text."""
    b.go(url)
    b.wait("[...document.querySelectorAll('td')].some(e => e.textContent.includes('<img'))")
    if b.value("document.querySelectorAll('main img, main script').length || window.broken"):
        raise SystemExit("a job's name has become HTML")


def main():
    program, url, folder, *steps = sys.argv[1:]
    b = Browser(program, folder)
    try:
        for step in steps:
            if not re.fullmatch(r"[a-z_]+", step) or step not in globals():
                raise SystemExit(f"no step '{step}'")
            begin = time.monotonic()
            globals()[step](b, url)
            print(f"web: {step} {time.monotonic() - begin:.1f} s", flush=True)
        if b.errors:
            raise SystemExit("errors in the console: " + "; ".join(b.errors))
    finally:
        b.process.terminate()
        b.process.wait(timeout=WAIT_S)


if __name__ == "__main__":
    main()
