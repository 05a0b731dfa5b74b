// daemon/http/page/chart.js -- line charts in SVG: curves with a band from least to greatest.
//
//     const chart = makeChart("loss");            chart.element goes into the page
//     chart.draw([{ label, data: { step: [], mean: [], min: [], max: [] } }, ...]);
//
// Values at the pointer, or at the cursor that the arrow keys move, are told in the caption.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 400, HEIGHT = 160, LEFT = 58, RIGHT = 6, TOP = 8, BOTTOM = 18;

function svgNode(name, attributes, text) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
}

function figure(value) {
    if (value === null || value === undefined || !isFinite(value)) return "–";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e6) return String(value);
    return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toPrecision(4);
}

function extent(series, keys) {
    let low = Infinity, high = -Infinity;
    for (const one of series)
        for (const key of keys)
            for (const value of one.data[key] || []) {
                if (value < low) low = value;
                if (value > high) high = value;
            }
    return low > high ? null : [low, high];
}

function makeChart(title) {
    const element = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const name = document.createElement("span");
    const output = document.createElement("output");
    const svg = svgNode("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
                                 tabindex: "0", role: "img", "aria-label": title });
    let shown = [], steps = [], cursor = -1, x = null;

    name.textContent = title;
    caption.append(name, output);
    element.append(caption, svg);

    function tell() {
        const old = svg.querySelector(".cursor");
        if (old) old.remove();
        if (cursor < 0 || cursor >= steps.length) {
            output.textContent = shown.map(one => figure(one.data.mean[one.data.mean.length - 1])).join("  ");
            return;
        }
        const step = steps[cursor];
        const parts = shown.map(one => {
            let at = one.data.step.length - 1;
            while (at > 0 && one.data.step[at] > step) at--;
            return figure(one.data.mean[at]);
        });
        output.textContent = `step ${step}: ${parts.join("  ")}`;
        svg.append(svgNode("line", { class: "cursor", x1: x(step), x2: x(step), y1: TOP, y2: HEIGHT - BOTTOM }));
    }

    function draw(series) {
        shown = series.filter(one => one.data && one.data.step.length);
        steps = [...new Set(shown.flatMap(one => one.data.step))].sort((a, b) => a - b);
        svg.replaceChildren();
        const across = extent(shown, ["step"]), up = extent(shown, ["mean", "min", "max"]);
        if (!across) return tell();
        const wide = across[1] - across[0] || 1, high = up[1] - up[0] || Math.abs(up[0]) / 10 || 1;
        const base = up[1] > up[0] ? up[0] : up[0] - high / 2;
        x = step => LEFT + (step - across[0]) / wide * (WIDTH - LEFT - RIGHT);
        const y = value => HEIGHT - BOTTOM - (value - base) / high * (HEIGHT - TOP - BOTTOM);
        for (const part of [0, 0.5, 1]) {
            const at = y(base + part * high);
            svg.append(svgNode("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at }));
            svg.append(svgNode("text", { x: 2, y: at + 4 }, figure(base + part * high)));
        }
        svg.append(svgNode("text", { x: LEFT, y: HEIGHT - 4 }, figure(across[0])));
        svg.append(svgNode("text", { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, `step ${figure(across[1])}`));
        for (const one of shown) {
            const { step, mean, min, max } = one.data;
            const along = (values) => step.map((s, i) => `${x(s).toFixed(1)},${y(values[i]).toFixed(1)}`);
            if (min) svg.append(svgNode("polygon", { class: `band s${one.color}`, points: [...along(max), ...along(min).reverse()].join(" ") }));
            if (step.length === 1) svg.append(svgNode("circle", { class: `s${one.color}`, fill: "currentColor", cx: x(step[0]), cy: y(mean[0]), r: 3 }));
            else svg.append(svgNode("polyline", { class: `curve s${one.color}`, "vector-effect": "non-scaling-stroke", points: along(mean).join(" ") }));
        }
        tell();
    }

    svg.addEventListener("pointermove", event => {
        const box = svg.getBoundingClientRect();
        const at = (event.clientX - box.left) / box.width * WIDTH;
        let best = -1;
        steps.forEach((step, i) => { if (best < 0 || Math.abs(x(step) - at) < Math.abs(x(steps[best]) - at)) best = i; });
        cursor = best;
        tell();
    });
    svg.addEventListener("pointerleave", () => { cursor = -1; tell(); });
    svg.addEventListener("blur", () => { cursor = -1; tell(); });
    svg.addEventListener("keydown", event => {
        const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
        if (event.key === "Home") cursor = 0;
        else if (event.key === "End") cursor = steps.length - 1;
        else if (event.key === "Escape") cursor = -1;
        else if (moves[event.key]) cursor = Math.max(0, Math.min(steps.length - 1, (cursor < 0 ? steps.length : cursor) + moves[event.key]));
        else return;
        event.preventDefault();
        tell();
    });
    return { element, draw };
}
