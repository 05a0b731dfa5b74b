// daemon/http/page/pictures.js -- a job's pictures: a sheet of its views, and a map of what its backbone makes of images.
//
//     const sheet = makeSheet(url);          an element each, which goes into the page
//     const map = makeMap(data, url);        data: map.json (worker/train/pictures.h); url: thumbnails.png
//
// The map is by principal components or, where data has it, by t-SNE.  A point is an image, at the pointer, or where the arrow keys lead, with its thumbnail beside it.  A click, or
// Enter, shows its nearest neighbours, which are buttons that show theirs.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const MAP_SIDE = 400, MAP_EDGE = 10, NEAR = 14, LEGEND_MOST = 30;

function svgNode(name, attributes) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    return node;
}

function makeSheet(url) {
    const box = node("div", undefined, { class: "scroll", tabindex: "0", role: "group", "aria-label": "views" });
    box.append(node("img", undefined, { src: url, class: "sheet", alt: "A row an image: as evaluations see it, then the views that the run trains on" }));
    return box;
}

// Colours of classes, by their order: to be seen on dark and on light.  Behind the table hues turn by the golden angle.
const COLORS = ["#d62728", "#2b7bba", "#2ca02c", "#e8700a", "#9467bd", "#a0522d", "#d65db1", "#0fa3b1", "#a3a500", "#7f8c9b"];

function colorOf(at) {
    return at < 0 ? "hsl(0 0% 50%)" : COLORS[at] || `hsl(${(at * 137.5).toFixed(0)} 65% ${at % 2 ? 57 : 47}%)`;
}

function makeMap(data, url) {
    const element = node("div", undefined, { class: "map" });
    const plane = node("div", undefined, { class: "plane" }), side = node("div");
    const svg = svgNode("svg", { class: "points", viewBox: `0 0 ${MAP_SIDE} ${MAP_SIDE}`, tabindex: "0", role: "application",
                                 "aria-label": `map of ${data.images} images: arrow keys move, Enter shows neighbours` });
    const tip = node("div", undefined, { class: "tip" }), tipThumb = thumb(), tipText = node("span");
    const said = node("p", "", { class: "faint", "aria-live": "polite" });
    const legend = node("ul", undefined, { class: "legend" });
    const near = node("div", undefined, { class: "near" }), nearTitle = node("h3", "Nearest neighbours");
    const sprite = new Image();
    const order = new Map(data.classes.map(([label], at) => [label, at]));
    const names = new Map(data.classes.map(([label, name]) => [label, name === null ? `class ${label}` : name]));
    const lines = svgNode("g", { class: "lines" }), dots = svgNode("g"), ring = svgNode("circle", { class: "ring", r: 7, visibility: "hidden" });
    let cursor = -1, chosen = -1, shownClass = null;

    const percent = part => `${(100 * part).toFixed(0)} %`;
    const planes = [["Principal components", "x", "y", `by two principal components, which show ${percent(data.variance[0])} and ` +
                                                       `${percent(data.variance[1])} of the variance`]];
    if (data.tsne_x) planes.push(["t-SNE", "tsne_x", "tsne_y", "by t-SNE, which keeps near images near; distances between groups, and axes, mean little"]);
    const points = data.x.map((_, i) => svgNode("circle", { class: "point", r: 3,
                                                            fill: colorOf(order.has(data.label[i]) ? order.get(data.label[i]) : -1) }));
    const caption = node("p", undefined, { class: "faint", "aria-live": "polite" });
    const choice = node("p", undefined, { class: "bar", role: "group", "aria-label": "map by" });
    let px, py;

    // One scale for both axes: distances are what they are.
    function arrange([, x, y, words], button) {
        const range = list => [Math.min(...list), Math.max(...list)];
        const [left, right] = range(data[x]), [low, high] = range(data[y]), wide = Math.max(right - left, high - low) || 1;
        px = data[x].map(at => MAP_SIDE / 2 + (at - (left + right) / 2) / wide * (MAP_SIDE - 2 * MAP_EDGE));
        py = data[y].map(at => MAP_SIDE / 2 - (at - (low + high) / 2) / wide * (MAP_SIDE - 2 * MAP_EDGE));
        points.forEach((dot, i) => { dot.setAttribute("cx", px[i].toFixed(1)); dot.setAttribute("cy", py[i].toFixed(1)); });
        for (const other of choice.children) other.setAttribute("aria-pressed", String(other === button));
        setText(caption, `${data.images} of ${data.of} training images by the backbone at the end of the run, ${words}. Neighbours are those of all dimensions, by cosine.`);
        connect();
        point(-1);
    }

    // The chosen point, to its neighbours.
    function connect() {
        lines.replaceChildren(...(chosen < 0 ? [] : data.neighbours[chosen] || []).map(j => svgNode("line", { x1: px[chosen], y1: py[chosen], x2: px[j], y2: py[j] })));
    }

    function thumb() {
        const canvas = node("canvas", undefined, { class: "thumb", "aria-hidden": "true" });
        canvas.width = canvas.height = data.side;
        return canvas;
    }

    function paint(canvas, i) {
        const draw = () => canvas.getContext("2d").drawImage(sprite, i % data.columns * data.side, Math.floor(i / data.columns) * data.side,
                                                             data.side, data.side, 0, 0, data.side, data.side);
        canvas.dataset.image = i;
        if (sprite.complete) draw();
        else sprite.addEventListener("load", () => { if (canvas.dataset.image === String(i)) draw(); }, { once: true });
    }

    function nameOf(i) {
        return `image ${data.index[i]}${data.label[i] < 0 ? "" : `, ${names.get(data.label[i])}`}`;
    }

    function point(i) {
        cursor = i;
        tip.hidden = i < 0;
        ring.setAttribute("visibility", i < 0 && chosen < 0 ? "hidden" : "visible");
        const at = i < 0 ? chosen : i;
        if (at >= 0) { ring.setAttribute("cx", px[at]); ring.setAttribute("cy", py[at]); }
        if (i < 0) return;
        paint(tipThumb, i);
        setText(tipText, nameOf(i));
        // Towards the middle, so that it stays within the plane.
        tip.style.left = px[i] < MAP_SIDE / 2 ? `${100 * (px[i] + 10) / MAP_SIDE}%` : "auto";
        tip.style.right = px[i] < MAP_SIDE / 2 ? "auto" : `${100 * (MAP_SIDE - px[i] + 10) / MAP_SIDE}%`;
        tip.style.top = py[i] < MAP_SIDE / 2 ? `${100 * py[i] / MAP_SIDE}%` : "auto";
        tip.style.bottom = py[i] < MAP_SIDE / 2 ? "auto" : `${100 * (MAP_SIDE - py[i]) / MAP_SIDE}%`;
    }

    function neighbour(i, cosine) {
        const button = node("button", undefined, { type: "button", "aria-label": `${nameOf(i)}, cosine ${cosine.toFixed(2)}` });
        const canvas = thumb(), same = data.label[i] >= 0 && data.label[i] === data.label[chosen];
        paint(canvas, i);
        button.append(canvas, node("span", data.label[i] < 0 ? `image ${data.index[i]}` : names.get(data.label[i]), { class: same ? "good" : "" }),
                      node("span", cosine.toFixed(2), { class: "faint" }));
        button.addEventListener("click", () => { choose(i); svg.focus(); });
        button.addEventListener("focus", () => point(i));
        button.addEventListener("pointerenter", () => point(i));
        return button;
    }

    function choose(i) {
        const around = data.neighbours[i] || [], own = thumb();
        chosen = i;
        point(i);
        connect();
        paint(own, i);
        const head = node("p");
        head.append(own, ` ${nameOf(i)}`);
        near.replaceChildren(head, ...around.map((j, at) => neighbour(j, data.cosine[i][at])));
        const same = around.filter(j => data.label[j] >= 0 && data.label[j] === data.label[i]).length;
        setText(said, `${nameOf(i)}: ${data.label[i] < 0 ? `${around.length} neighbours` : `${same} of ${around.length} neighbours have its label`}`);
    }

    // The nearest point in a direction, those straight ahead first.
    function step(dx, dy) {
        let best = -1, least = Infinity;
        for (let i = 0; i < data.images; i++) {
            const x = px[i] - px[cursor], y = py[i] - py[cursor], ahead = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
            if (i === cursor || ahead <= 0 || !visible(i)) continue;
            if (ahead + 2 * aside < least) { least = ahead + 2 * aside; best = i; }
        }
        return best < 0 ? cursor : best;
    }

    function visible(i) {
        return shownClass === null || data.label[i] === shownClass;
    }

    function nearest(event, within) {
        const box = svg.getBoundingClientRect(), scale = MAP_SIDE / box.width;
        const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
        let best = -1, least = (within * scale) ** 2;
        for (let i = 0; i < data.images; i++) {
            const far = (px[i] - x) ** 2 + (py[i] - y) ** 2;
            if (far <= least && visible(i)) { least = far; best = i; }
        }
        return best;
    }

    function show(label, button) {
        shownClass = shownClass === label ? null : label;
        for (const other of legend.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button && shownClass !== null));
        points.forEach((dot, i) => dot.classList.toggle("dim", !visible(i)));
    }

    svg.addEventListener("pointermove", event => point(nearest(event, NEAR)));
    svg.addEventListener("pointerleave", () => point(-1));
    svg.addEventListener("click", event => { const i = nearest(event, 2 * NEAR); if (i >= 0) choose(i); });
    svg.addEventListener("blur", () => point(-1));
    svg.addEventListener("keydown", event => {
        const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        if (ways[event.key]) {
            if (cursor < 0) point(Math.max(chosen, 0));
            else point(step(...ways[event.key]));
            setText(said, nameOf(cursor));
        } else if ((event.key === "Enter" || event.key === " ") && cursor >= 0) choose(cursor);
        else if (event.key === "Escape") point(-1);
        else return;
        event.preventDefault();
    });

    data.classes.slice(0, LEGEND_MOST).forEach(([label], at) => {
        const item = node("li"), button = node("button", undefined, { type: "button", "aria-pressed": "false" });
        const key = svgNode("svg", { viewBox: "0 0 10 10", class: "key", "aria-hidden": "true" });
        key.append(svgNode("circle", { cx: 5, cy: 5, r: 5, fill: colorOf(at) }));
        button.append(key, names.get(label));
        button.addEventListener("click", () => show(label, button));
        item.append(button);
        legend.append(item);
    });
    if (order.size > LEGEND_MOST) legend.append(node("li", `and ${order.size - LEGEND_MOST} more classes`, { class: "faint" }));

    sprite.src = url;
    dots.append(...points);
    svg.append(lines, dots, ring);
    tip.hidden = true;
    tip.append(tipThumb, tipText);
    plane.append(svg, tip);
    side.append(nearTitle, said, near);
    near.append(node("p", "Click a point, or move to it by the arrow keys and press Enter."));
    for (const way of planes) {
        const button = node("button", way[0], { type: "button" });
        button.addEventListener("click", () => arrange(way, button));
        choice.append(button);
    }
    arrange(planes[0], choice.firstChild);
    choice.hidden = planes.length < 2;
    element.append(caption, choice, legend, plane, side);
    return element;
}
