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
                      windowsVirtualKeyCode={"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}.get(name, 0))

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def shot(self, name):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(f"{self.folder}/{name}.png", "wb") as file:
            file.write(base64.b64decode(data))


# How many curves a chart shows: colours of curves that are drawn on it.
CURVES = """(chart => { if (!chart) return 0;
    const style = getComputedStyle(chart), seen = new Set();
    for (const canvas of chart.querySelectorAll('canvas')) {
        const rgba = canvas.width ? canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data : [];
        for (let i = 0; i < rgba.length; i += 4) if (rgba[i + 3] > 250) seen.add(rgba[i] << 16 | rgba[i + 1] << 8 | rgba[i + 2]);
    }
    return [0, 1, 2, 3, 4, 5].filter(at => seen.has(parseInt(style.getPropertyValue(`--c${at}`).trim().slice(1), 16))).length; })"""
DRAWN = f"[...document.querySelectorAll('.chart')].filter(e => {CURVES}(e) > 0).length"
AXIS = "[...document.activeElement.querySelectorAll('.dygraph-axis-label-x')].map(e => e.textContent).join()"


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
    b.wait(f"{DRAWN} >= 4")
    b.wait("/sign of collapse|collapse:/.test(document.querySelector('.verdict').textContent)")
    b.wait("[...document.querySelectorAll('pre')].every(e => e.textContent)")
    b.shot("job")


def compares(b, url):
    b.go(url + "?jobs=1,2")
    b.wait("document.querySelectorAll('.legend li').length === 2")
    b.wait(f"{CURVES}(document.querySelector('.chart')) === 2")
    b.shot("compare")


def shows_state(b, url):
    b.go(url + "?jobs=2")
    b.wait("[...document.querySelectorAll('li')].some(e => /moco.queue .*filled; its keys are .* steps old/.test(e.textContent))")


def shows_views(b, url):
    """Of a run that goes on, too, which has no map yet."""
    for job, images in ((1, 8), (2, 8)):
        b.go(url + f"?jobs={job}")
        # Views of 16 pixels are drawn 6 times as large, with an edge of 2: three of 100 pixels a row.
        b.wait(f"(e => e && e.complete && e.naturalWidth === 300 && e.naturalHeight === {100 * images})(document.querySelector('img.sheet'))")
    b.go(url + "?jobs=1")
    b.wait("document.querySelectorAll('img.sheet').length === 1")
    if b.value("document.querySelectorAll('svg.points').length"):
        raise SystemExit("there is a map before the end of the run")


THUMB = """(canvas => { if (!canvas || !canvas.offsetWidth) return false;
    const rgb = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(rgb.filter((_, i) => i % 4 === 0)).size > 8; })"""  # shades of a picture that is seen


def at_point(b, i):
    b.value(f"document.querySelectorAll('circle.point')[{i}].scrollIntoView({{block: 'center'}})")
    box = b.value(f"(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelectorAll('circle.point')[{i}].getBoundingClientRect())")
    return {"x": box[0], "y": box[1]}


def shows_map(b, url):
    """A point an image; a thumbnail at the pointer; a click lists neighbours, and a click on one of them its own."""
    b.go(url + "?jobs=2")
    b.wait("document.querySelectorAll('circle.point').length > 0")
    images = b.value("fetch('api/jobs/2/pictures/map.json').then(r => r.json()).then(m => m.images)")
    if images != 256 or b.value("document.querySelectorAll('circle.point').length") != images:
        raise SystemExit(f"a map of {images} images has another number of points")
    if b.value("new Set([...document.querySelectorAll('circle.point')].map(e => e.getAttribute('fill'))).size") != 10:
        raise SystemExit("the points of 10 classes do not have 10 colours")
    b.wait("document.querySelector('.tip').hidden")
    b.call("Input.dispatchMouseEvent", type="mouseMoved", **at_point(b, 100))
    b.wait(f"!document.querySelector('.tip').hidden && {THUMB}(document.querySelector('.tip canvas'))")
    b.wait("/^image \\d+, class \\d$/.test(document.querySelector('.tip').textContent)")
    where = at_point(b, 100)
    for kind in ("mousePressed", "mouseReleased"):
        b.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **where)
    b.wait("document.querySelectorAll('.near button').length === 10 && document.querySelectorAll('.lines line').length === 10")
    b.wait(f"[...document.querySelectorAll('.near canvas')].every(e => {THUMB}(e))")
    # They are those of the file, nearest first.
    names = "document.querySelector('.near p').textContent.trim().match(/\\d+/)[0]"
    asked = b.value(names)
    right = b.value("""fetch('api/jobs/2/pictures/map.json').then(r => r.json()).then(m => { const i = m.index.indexOf(Number(%s));
        return JSON.stringify(m.neighbours[i].map((j, at) => `image ${m.index[j]}, class ${m.label[j]}, cosine ${m.cosine[i][at].toFixed(2)}`)) ===
               JSON.stringify([...document.querySelectorAll('.near button')].map(e => e.getAttribute('aria-label'))) && m.neighbours[i].indexOf(i) < 0 &&
               m.cosine[i].every((c, at) => !at || c <= m.cosine[i][at - 1]); })""" % asked)
    if not right:
        raise SystemExit(f"the neighbours of image {asked} are not those of map.json")
    b.shot("map")
    # The other plane: each point at its other place, the lines with it; and back.
    places = "JSON.stringify([...document.querySelectorAll('circle.point')].map(e => [e.getAttribute('cx'), e.getAttribute('cy')]))"
    ends = "JSON.stringify([...document.querySelectorAll('.lines line')].map(e => e.getAttribute('x2')))"
    first = b.value(places), b.value(ends)
    b.value("document.querySelectorAll('.map .bar button')[1].click()")
    b.wait("/by t-SNE/.test(document.querySelector('.map > p').textContent)")
    if first[0] == b.value(places) or first[1] == b.value(ends):
        raise SystemExit("by t-SNE the points or the lines are where they were")
    # They are in the order of the file's along x.
    if not b.value("""fetch('api/jobs/2/pictures/map.json').then(r => r.json()).then(m => { const at = [...document.querySelectorAll('circle.point')].map(e => +e.getAttribute('cx'));
        return at.every((x, i) => at.every((other, j) => m.tsne_x[i] >= m.tsne_x[j] || x <= other)); })"""):
        raise SystemExit("the points are not where map.json has them by t-SNE")
    b.shot("map_tsne")
    b.value("document.querySelectorAll('.map .bar button')[0].click()")
    if (b.value(places), b.value(ends)) != first:
        raise SystemExit("principal components are not what they were before t-SNE")
    b.value("document.querySelector('.near button').click()")
    b.wait(f"{names} !== '{asked}' && document.querySelectorAll('.near button').length === 10")
    b.value("document.querySelector('.map .legend button').click()")
    dim = b.value("document.querySelectorAll('circle.dim').length")
    if not 0 < dim < 256:
        raise SystemExit(f"a class of the legend dims {dim} points of 256")


def map_by_keyboard(b, url):
    """To t-SNE by Enter, to a point by the arrow keys, to its neighbours by Enter, from one of them on."""
    b.go(url + "?jobs=2")
    b.wait("document.querySelectorAll('circle.point').length > 0")
    for _ in range(80):
        b.key("Tab")
        if b.value("document.activeElement.textContent === 't-SNE'"):
            b.key("Enter", "\r")
            b.wait("document.activeElement.getAttribute('aria-pressed') === 'true'")
        if b.value("document.activeElement.classList.contains('points')"):
            break
    else:
        raise SystemExit("Tab does not reach the map")
    tip = "document.querySelector('.tip').textContent"
    seen = set()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        b.key(key)
        b.wait(f"!document.querySelector('.tip').hidden && {THUMB}(document.querySelector('.tip canvas'))")
        seen.add(b.value(tip))
    if len(seen) < 3:
        raise SystemExit(f"five arrow keys lead to {seen}")
    b.key("Enter", "\r")
    b.wait("document.querySelectorAll('.near button').length === 10")
    first = b.value("document.querySelector('.near p').textContent")
    for _ in range(3):
        b.key("Tab")
        if b.value("document.activeElement.matches('.near button')"):
            break
    else:
        raise SystemExit("Tab does not lead from the map to the neighbours")
    b.key("Enter", "\r")
    b.wait(f"document.querySelector('.near p').textContent !== {json.dumps(first)} && document.activeElement.classList.contains('points')")


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
    b.wait(f"location.search === '?jobs=1' && {DRAWN} > 0")
    for _ in range(40):
        b.key("Tab")
        if b.value("document.activeElement.classList.contains('chart')"):
            break
    else:
        raise SystemExit("Tab does not reach a chart")
    b.key("ArrowLeft")
    b.wait("/^step \\d/.test(document.activeElement.parentElement.querySelector('output').textContent)")
    whole = b.value(AXIS)
    b.key("+", "+")
    b.wait(f"{AXIS} !== {json.dumps(whole)}")
    b.key("Escape")
    b.wait("!/^step/.test(document.activeElement.parentElement.querySelector('output').textContent)")


def zooms(b, url):
    """Of a run that is over: a drag along a chart shows a part of it, a double click all of it."""
    b.go(url + "?jobs=2")
    b.wait(f"{DRAWN} > 0")
    b.value("document.querySelector('.chart').scrollIntoView({block: 'center'})")
    left, top, wide, high = b.value("(r => [r.x, r.y, r.width, r.height])(document.querySelector('.chart').getBoundingClientRect())")
    axis = AXIS.replace("document.activeElement", "document.querySelector('.chart')")
    whole, y = b.value(axis), top + high / 2

    def mouse(kind, x, **more):
        b.call("Input.dispatchMouseEvent", type=kind, x=left + x * wide, y=y, button="left", **more)

    mouse("mouseMoved", 0.5)
    b.wait("/^step \\d/.test(document.querySelector('figure output').textContent)")
    mouse("mousePressed", 0.4, clickCount=1)
    for x in (0.5, 0.6, 0.7):
        mouse("mouseMoved", x, buttons=1)
    mouse("mouseReleased", 0.7, clickCount=1)
    b.wait(f"{axis} !== {json.dumps(whole)}")
    part = b.value(axis)
    time.sleep(3)  # the page asks again, and keeps to the part
    if b.value(axis) != part:
        raise SystemExit(f"the chart's axis {part} has become {b.value(axis)}")
    for count in (1, 2):
        mouse("mousePressed", 0.5, clickCount=count)
        mouse("mouseReleased", 0.5, clickCount=count)
    b.wait(f"{axis} === {json.dumps(whole)}")


def on_a_phone(b, url):
    b.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    for where, name in (("", "phone_list"), ("?jobs=1", "phone_job"), ("?jobs=2", "phone_map"), ("?jobs=1,2", "phone_compare")):
        b.go(url + where)
        b.wait("document.getElementById('link').textContent !== ''")
        b.wait(f"document.querySelectorAll('tbody tr').length > 0 || {DRAWN} > 0")
        if name == "phone_map":
            b.wait("document.querySelectorAll('circle.point').length > 0")
            b.value("document.querySelector('circle.point').dispatchEvent(new MouseEvent('click', {bubbles: true, "
                    "...(r => ({clientX: r.x + r.width / 2, clientY: r.y + r.height / 2}))(document.querySelector('circle.point').getBoundingClientRect())}))")
            b.wait("document.querySelectorAll('.near button').length === 10")
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
        return Math.min(...[...document.querySelectorAll('td, th, dt, dd, a, p, pre, figcaption, h1, h3, button:enabled, .near span')].filter(e => e.textContent).map(e => {
            const a = light(getComputedStyle(e).color), b = light(back(e));
            return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); }));
    })()"""
    grounds = set()
    for scheme in ("light", "dark"):
        b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for where in ("", "?jobs=1", "?jobs=2"):
            b.go(url + where)
            b.wait(f"document.querySelectorAll('tbody tr').length > 0 || {DRAWN} > 0")
            if where == "?jobs=2":
                b.wait("document.querySelectorAll('circle.point').length > 0")
                b.value("document.querySelector('svg.points').focus()")
                b.key("ArrowRight")
                b.key("Enter", "\r")
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
