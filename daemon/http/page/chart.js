// daemon/http/page/chart.js -- line charts by dygraphs: curves with a band from least to greatest.
//
//     const chart = makeChart("loss");            chart.element goes into the page, before chart.draw
//     chart.draw([{ color, data: { step: [], mean: [], min: [], max: [] } }, ...]);      data: undefined where there is none
//
// A drag zooms, a double click shows all again.  By keyboard: arrow keys move a cursor, + and - zoom about it, Escape shows all.
// Values at the pointer or the cursor are told in the caption.
"use strict";

const DASHES = [null, [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 6]]; // as akssl.css has them in legends
const schemes = matchMedia("(prefers-color-scheme: dark)");

// Captions tell values; its own legend would set styles that the page's policy refuses.
Dygraph.PLUGINS = Dygraph.PLUGINS.filter(plugin => plugin !== Dygraph.Plugins.Legend);

function figure(value) {
    if (value === null || value === undefined || !isFinite(value)) return "–";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e6) return String(value);
    return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toPrecision(4);
}

// Ticks lie on round values, whose sums have rounding in their last digits.
function tick(value) {
    return String(Number(value.toPrecision(4)));
}

// A row a step: [step, [least, mean, greatest] or null, ...].
function rowsOf(series) {
    const rows = new Map();
    series.forEach(({ data }, at) => data.step.forEach((step, i) => {
        if (!rows.has(step)) rows.set(step, [step, ...series.map(() => null)]);
        rows.get(step)[at + 1] = [(data.min || data.mean)[i], data.mean[i], (data.max || data.mean)[i]];
    }));
    return [...rows.values()].sort((a, b) => a[0] - b[0]);
}

function makeChart(title) {
    const element = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const name = document.createElement("span");
    const output = document.createElement("output");
    const plot = document.createElement("div");
    let shown = [], rows = [], cursor = -1, graph = null;

    name.textContent = title;
    caption.append(name, output);
    plot.className = "chart";
    for (const [key, value] of [["tabindex", "0"], ["role", "img"], ["aria-label", title]]) plot.setAttribute(key, value);
    element.append(caption, plot);

    // Of each curve the value at the row, or its last one before.
    function valuesAt(row) {
        return shown.map((_, at) => {
            let i = row;
            while (i > 0 && !rows[i][at + 1]) i--;
            return figure(rows[i][at + 1] && rows[i][at + 1][1]);
        }).join("  ");
    }

    function tell() {
        if (!rows.length) output.textContent = "";
        else if (cursor < 0) output.textContent = valuesAt(rows.length - 1);
        else output.textContent = `step ${rows[cursor][0]}: ${valuesAt(cursor)}`;
    }

    function look() {
        const style = getComputedStyle(element), color = name => style.getPropertyValue(name).trim();
        return { colors: shown.map(one => color(`--c${one.color}`)), gridLineColor: color("--line"), axisLineColor: color("--line") };
    }

    function draw(series) {
        shown = series.filter(one => one.data && one.data.step.length);
        rows = rowsOf(shown);
        cursor = Math.min(cursor, rows.length - 1);
        tell();
        if (!rows.length) return;
        const labels = ["step", ...shown.map(one => String(one.color))];
        const options = { ...look(), file: rows, labels,
                          series: Object.fromEntries(shown.map(one => [String(one.color), { strokePattern: DASHES[one.color] }])) };
        if (graph) graph.updateOptions(options);
        else graph = newGraph(options);
    }

    function newGraph({ file, ...options }) {
        // Without its touches, which would keep a phone's page from scrolling.
        const { mousedown, dblclick } = Dygraph.defaultInteractionModel;
        return new Dygraph(plot, file, {
            ...options, customBars: true, connectSeparatedPoints: true, strokeWidth: 1.8, fillAlpha: 0.16, highlightCircleSize: 4,
            axisLabelFontSize: 11, interactionModel: { willDestroyContextMyself: true, mousedown, dblclick },
            axes: { x: { axisLabelFormatter: tick, pixelsPerLabel: 50 }, y: { axisLabelFormatter: tick, axisLabelWidth: 56, pixelsPerLabel: 22 } },
            highlightCallback: (_event, _x, _points, row) => { cursor = row; tell(); },
            unhighlightCallback: () => { cursor = -1; tell(); },
        });
    }

    function move(to) {
        cursor = Math.max(-1, Math.min(rows.length - 1, to));
        if (cursor < 0) graph.clearSelection();
        else graph.setSelection(cursor);
        tell();
    }

    // Keeps what is at the cursor, or the middle, where it is.
    function zoom(factor) {
        const [left, right] = graph.xAxisRange(), at = cursor < 0 ? (left + right) / 2 : rows[cursor][0];
        const [first, last] = graph.xAxisExtremes();
        graph.updateOptions({ dateWindow: [Math.max(first, at - (at - left) * factor), Math.min(last, at + (right - at) * factor)] });
    }

    plot.addEventListener("blur", () => { if (graph) move(-1); });
    plot.addEventListener("keydown", event => {
        const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
        if (!graph || event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "Home") move(0);
        else if (event.key === "End") move(rows.length - 1);
        else if (event.key === "+") zoom(0.5);
        else if (event.key === "-") zoom(2);
        else if (event.key === "Escape") { move(-1); graph.resetZoom(); }
        else if (moves[event.key]) move(Math.max(0, (cursor < 0 ? rows.length : cursor) + moves[event.key]));
        else return;
        event.preventDefault();
    });
    schemes.addEventListener("change", () => { if (graph) graph.updateOptions(look()); });
    return { element, draw };
}
