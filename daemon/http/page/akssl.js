// daemon/http/page/akssl.js -- the page: a list of jobs (/), one job (?jobs=7), several (?jobs=7,8).
//
// It asks akssld again every two seconds; while that does not answer it says so and tries on.  All
// that comes from jobs becomes text, never HTML.
"use strict";

const PERIOD_MS = 2000, ANSWER_MS = 10000, MAX_COMPARED = 6;
const ENDED = ["SUCCEEDED", "FAILED", "CANCELLED", "TIMEOUT"];
// Curves in the order in which people look; others follow by name.
const FIRST = ["loss", "knn.top1", "knn.top5", "linear.top1", "embedding_std", "effective_rank", "teacher_entropy",
               "prototype_usage", "queue_filled", "center_norm", "lr", "images_per_s"];
const TITLES = { lr: "learning rate", images_per_s: "images a second", "knn.top1": "kNN top 1 (%)", "knn.top5": "kNN top 5 (%)",
                 embedding_std: "embedding deviation (0: collapsed)", effective_rank: "effective rank (1: collapsed)" };

function node(name, text, attributes) {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    return element;
}

function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
}

async function ask(path, kind) {
    const response = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" });
    if (!response.ok) {
        const error = new Error((await response.text()).trim());
        error.final = response.status === 404;
        throw error;
    }
    return kind === "text" ? response.text() : response.json();
}

function span(seconds) {
    if (seconds === null || seconds === undefined || seconds < 0) return "–";
    const s = Math.round(seconds), pad = n => String(n).padStart(2, "0");
    const days = Math.floor(s / 86400), rest = `${pad(Math.floor(s / 3600) % 24)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
    return days ? `${days} d ${rest}` : rest;
}

function collapseOf(job) {
    const told = job.progress && job.progress.warnings.find(w => w.startsWith("collapse:"));
    return told || (job.reason.startsWith("collapse:") ? job.reason : "");
}

function stateClass(job) {
    if (collapseOf(job) || job.state === "FAILED") return "bad";
    return job.state === "RUNNING" || job.state === "SUCCEEDED" ? "good" : "wait";
}

function etaOf(job) {
    return ENDED.includes(job.state) || !job.progress || job.state !== "RUNNING" ? "–" : span(job.progress.eta_s);
}

// A run's own evaluations are "now." while it goes on, "before." and "after." training.
function resultOf(job, name) {
    const key = ["after.", "now.", "", "before."].map(part => part + name).find(key => key in job.results);
    return key ? job.results[key] : null;
}

function nameOf(job) {
    return job.spec.name || [job.spec.kind === "pretrain" ? job.spec.method : job.spec.kind, job.spec.backbone].join(" ");
}

function fraction(job) {
    return job.progress && job.progress.total_steps ? job.progress.step / job.progress.total_steps : 0;
}

// ---- the list

function listView(main) {
    const heads = ["", "id", "name", "state", "progress", "ends in", "loss", "kNN %", "images/s", "owner"];
    const table = node("table", undefined, { class: "jobs" }), body = node("tbody"), row = node("tr");
    const compare = node("button", "Compare", { type: "button" }), note = node("span", "", { class: "faint" });
    const bar = node("div", undefined, { class: "bar" });
    const rows = new Map(), chosen = new Set();

    heads.forEach(text => row.append(node("th", text, { scope: "col" })));
    const head = node("thead");
    head.append(row);
    table.append(head, body);
    bar.append(compare, note);
    main.append(node("h1", "Jobs"), bar, table);
    compare.addEventListener("click", () => { location.search = `?jobs=${[...chosen].sort((a, b) => a - b).join(",")}`; });

    function choose() {
        compare.disabled = chosen.size < 2 || chosen.size > MAX_COMPARED;
        setText(note, chosen.size ? `${chosen.size} chosen` : "choose two or more to compare");
    }

    function newRow(id) {
        const tr = node("tr"), box = node("input", undefined, { type: "checkbox", "aria-label": `choose job ${id}` });
        const cells = heads.map(label => node("td", undefined, { "data-label": label }));
        const link = node("a", String(id), { href: `?jobs=${id}` }), bar = node("progress", undefined, { max: "1" }), percent = node("span");
        box.addEventListener("change", () => { if (box.checked) chosen.add(id); else chosen.delete(id); choose(); });
        cells[0].append(box);
        cells[1].append(link);
        cells[4].append(bar, " ", percent);
        cells.slice(5, 9).forEach(cell => cell.classList.add("number"));
        tr.append(...cells);
        return { tr, cells, bar, percent };
    }

    function show(row, job) {
        const progress = job.progress || {}, part = fraction(job);
        setText(row.cells[2], nameOf(job));
        setText(row.cells[3], collapseOf(job) ? `${job.state}, collapsed` : job.state);
        row.cells[3].className = stateClass(job);
        row.cells[3].title = job.reason;
        row.bar.value = part;
        row.bar.setAttribute("aria-label", `progress of job ${job.id}`);
        setText(row.percent, `${(100 * part).toFixed(0)} %`);
        setText(row.cells[5], etaOf(job));
        setText(row.cells[6], figure(progress.loss));
        setText(row.cells[7], figure(resultOf(job, "knn.top1")));
        setText(row.cells[8], job.state === "RUNNING" ? figure(progress.images_per_s) : "–");
        setText(row.cells[9], job.owner);
    }

    choose();
    return async () => {
        const list = await ask("api/jobs?limit=200");
        const jobs = [...list.jobs, ...list.running];
        showCores(list.cores);
        jobs.forEach((job, at) => {
            if (!rows.has(job.id)) rows.set(job.id, newRow(job.id));
            const row = rows.get(job.id);
            show(row, job);
            if (body.children[at] !== row.tr) body.insertBefore(row.tr, body.children[at] || null);
        });
        const there = new Set(jobs.map(job => job.id));
        for (const [id, row] of rows)
            if (!there.has(id)) { row.tr.remove(); rows.delete(id); chosen.delete(id); }
        if (!jobs.length) setText(note, "no jobs yet: akssl-client submit");
        return true;
    };
}

function showCores(cores) {
    setText(document.getElementById("cores"),
            Object.entries(cores).map(([name, of]) => `${of.used} of ${of.all} cores in use${name === "local" ? "" : ` (${name})`}`).join(", "));
}

// ---- one job, or several side by side

// While a queue fills, a loss has more keys to tell apart at each step, and rises: it counts from then on.
function lossesOf(curves) {
    const loss = curves.series.loss, queue = curves.series.queue_filled;
    if (!loss || !queue) return loss ? loss.mean : [];
    const full = queue.mean.findIndex(share => share >= 1);
    return full < 0 ? [] : loss.mean.slice(loss.step.findIndex(step => step >= queue.step[full]));
}

function trend(curves) {
    const losses = lossesOf(curves);
    if (losses.length < 8) return "";
    const third = Math.floor(losses.length / 3), mean = values => values.reduce((a, b) => a + b, 0) / values.length;
    const from = mean(losses.slice(0, third)), to = mean(losses.slice(-third));
    const change = (to - from) / (Math.abs(from) || 1);
    if (Math.abs(change) < 0.01) return "its loss stands still";
    return `its loss ${change < 0 ? "has fallen" : "HAS RISEN"} from ${figure(from)} to ${figure(to)}`;
}

function verdictOf(job, curves) {
    const collapse = collapseOf(job);
    if (collapse) return ["bad", collapse];
    if (job.state === "FAILED") return ["bad", `failed: ${job.reason}`];
    if (job.state === "RUNNING") {
        const parts = ["no sign of collapse", trend(curves), `${etaOf(job)} to go`].filter(Boolean);
        const warnings = job.progress ? job.progress.warnings : [];
        return [warnings.length ? "wait" : "good", [...warnings, ...parts].join("; ")];
    }
    if (job.state === "SUCCEEDED") return ["good", ["done", trend(curves)].filter(Boolean).join("; ")];
    return ["wait", [job.state, job.reason].filter(Boolean).join(": ")];
}

function factsOf(job) {
    const p = job.progress || {};
    const facts = [["state", job.state], ["owner", job.owner || "–"], ["method", job.spec.method], ["backbone", job.spec.backbone],
        ["data", job.spec.dataset], ["step", `${p.step || 0} of ${p.total_steps || "–"}`], ["epoch", figure(p.epoch)],
        ["ends in", etaOf(job)], ["has run for", span(job.elapsed_s)], ["images a second", figure(p.images_per_s)],
        ["last commit", job.committed_step === null ? "none" : `step ${job.committed_step}`], ["restarts", String(job.restarts)],
        ["ranks", String(job.ranks)]];
    for (const [name, value] of Object.entries(job.results)) facts.push([name, figure(value)]);
    return facts;
}

function jobsView(main, ids) {
    const single = ids.length === 1;
    const title = node("h1", single ? `Job ${ids[0]}` : `Jobs ${ids.join(", ")}`);
    const tops = ids.map(id => ({ verdict: node("p", "…", { class: "verdict wait" }), id }));
    const legend = node("ul", undefined, { class: "legend" }), facts = node("dl"), charts = node("div", undefined, { class: "charts" });
    const log = node("pre", "", { tabindex: "0", "aria-label": "log" }), spec = node("pre", "", { tabindex: "0", "aria-label": "spec" });
    const held = node("ul"), heldTitle = node("h2", "Held by akssld");
    const views = node("section"), map = node("section");
    const shown = new Map();
    let turns = 0;

    main.append(title);
    if (!single) {
        ids.forEach((id, color) => {
            const item = node("li"), key = svgNode("svg", { viewBox: "0 0 32 10", "aria-hidden": "true" });
            key.append(svgNode("line", { class: `curve s${color}`, x1: 0, x2: 32, y1: 5, y2: 5 }));
            tops[color].label = node("a", `job ${id}`, { href: `?jobs=${id}` });
            item.append(key, tops[color].label);
            legend.append(item);
        });
        main.append(legend);
    }
    tops.forEach(top => main.append(top.verdict));
    if (single) main.append(facts);
    main.append(node("h2", "Curves, by step"), charts);
    if (single) main.append(map, views, heldTitle, held, node("h2", "Log"), log, node("h2", "Spec"), spec);

    function drawCharts(all) {
        const names = [...new Set(all.flatMap(curves => Object.keys(curves.series)))].filter(name => name !== "epoch");
        const rank = name => (FIRST.indexOf(name) + 1) || FIRST.length + 1;
        names.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
        names.forEach((name, at) => {
            if (!shown.has(name)) shown.set(name, makeChart(TITLES[name] || name.replaceAll("_", " ")));
            const chart = shown.get(name);
            if (charts.children[at] !== chart.element) charts.insertBefore(chart.element, charts.children[at] || null);
            chart.draw(all.map((curves, color) => ({ color, data: curves.series[name] })));
        });
    }

    function showFacts(job) {
        factsOf(job).forEach(([name, value], at) => {
            if (!facts.children[at]) {
                const pair = node("div");
                pair.append(node("dt", ""), node("dd", ""));
                facts.append(pair);
            }
            setText(facts.children[at].firstChild, name);
            setText(facts.children[at].lastChild, value);
        });
    }

    function showState(tensors) {
        heldTitle.hidden = held.hidden = !tensors.length;
        held.replaceChildren(...tensors.map(t => node("li", [`${t.name} (${t.shape.join(" × ")}): ${Math.round(100 * t.occupancy)} % filled`,
            t.key_age_mean === null ? "" : `its keys are ${figure(t.key_age_mean)} steps old on average, ${figure(t.key_age_max)} at most`,
            `deviation ${figure(t.std)}`, `effective rank ${figure(t.effective_rank)}`].filter(Boolean).join("; "))));
    }

    // Each once: views come with a run's start, the map with its end.
    async function showPictures(id) {
        const folder = `api/jobs/${id}/pictures/`;
        if (views.firstChild && map.firstChild) return;
        const there = (await ask(folder)).pictures;
        if (!views.firstChild && there.includes("views.png"))
            views.append(node("h2", "Views"), makeSheet(folder + "views.png"));
        if (!map.firstChild && there.includes("map.json"))
            map.append(node("h2", "Embeddings"), makeMap(await ask(folder + "map.json"), folder + "thumbnails.png"));
    }

    function showLog(text) {
        const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
        setText(log, text || "nothing yet");
        if (atEnd) log.scrollTop = log.scrollHeight;
    }

    return async () => {
        const jobs = await Promise.all(ids.map(id => ask(`api/jobs/${id}`)));
        const curves = await Promise.all(ids.map(id => ask(`api/jobs/${id}/curves?points=300`)));
        jobs.forEach((job, i) => {
            const [kind, text] = verdictOf(job, curves[i]);
            tops[i].verdict.className = `verdict ${kind}`;
            setText(tops[i].verdict, single ? text : `Job ${job.id}, ${nameOf(job)}: ${text}`);
            if (tops[i].label) setText(tops[i].label, `job ${job.id}: ${nameOf(job)}`);
        });
        drawCharts(curves);
        if (single) {
            setText(title, `Job ${ids[0]}: ${nameOf(jobs[0])}`);
            document.title = `akssl: job ${ids[0]}, ${Math.round(100 * fraction(jobs[0]))} %`;
            showFacts(jobs[0]);
            setText(spec, jobs[0].yaml);
            showLog(await ask(`api/jobs/${ids[0]}/log?bytes=32768`, "text"));
            // Looking at a queue costs akssld a pass over it: now and then will do.
            if (turns++ % 5 === 0) {
                showState((await ask(`api/jobs/${ids[0]}/state`)).tensors);
                await showPictures(ids[0]);
            }
        }
        return jobs.some(job => !ENDED.includes(job.state));
    };
}

// ---- again and again

function follow(update) {
    const link = document.getElementById("link");
    let timer = 0, running = false;

    async function turn() {
        if (running) return;
        running = true;
        clearTimeout(timer);
        let wait = PERIOD_MS;
        try {
            const live = await update();
            setText(link, live ? "live" : "over");
            link.className = "faint";
            if (!live) wait = 10 * PERIOD_MS;
        } catch (error) {
            link.className = "bad";
            setText(link, error.final ? error.message : `akssld does not answer, trying again: ${error.message}`);
        }
        running = false;
        if (!document.hidden) timer = setTimeout(turn, wait);
    }
    document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
    turn();
}

function start() {
    const main = document.getElementById("main");
    const asked = new URLSearchParams(location.search).get("jobs");
    const ids = asked ? [...new Set(asked.split(",").map(Number).filter(id => Number.isInteger(id) && id > 0))].slice(0, MAX_COMPARED) : [];
    follow(ids.length ? jobsView(main, ids) : listView(main));
}

start();
