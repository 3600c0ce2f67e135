// Makes the figures answer: values under the pointer and by arrow keys, scales, units, what is shown; sorts and filters the runs.
// Without it the page has the same figures, and a table behind each. On the page lines are trimmed and comments left out.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const {min, max, log10, abs, log: ln, ceil, floor} = Math;
const UNITS = ["step", "epoch", "images", "seconds"], LEFT = 58;
const INK = "#1F2933", MUTED = "#5B6773", AXIS = "#9AA5B1";
const fill = (node, attributes, children) => {
  for (const name in attributes) {
    const value = attributes[name];
    if (name.startsWith("on")) node[name] = value; else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};
const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
const line = (d, stroke, width = 1, more) => svg("path", {d, stroke, fill: "none", "stroke-width": width, ...more});
const dot = (cx, cy, r, fill, opacity = 1) => svg("circle", {cx, cy, r, fill, opacity});
const text = (x, y, anchor, fill, content) => svg("text", {x, y, "text-anchor": anchor, fill, "font-size": 12}, content);
const short = v => v >= 1000 ? Math.round(v).toLocaleString("en") : +v.toPrecision(3) + "";
const show = (v, percent) => v == null ? "none" : percent ? (100 * v).toFixed(1) + "%" : short(v);
const span = list => list.reduce(([a, b], v) => [min(a, v), max(b, v)], [1 / 0, -1 / 0]);
const scale = (log, a, b, from, to) => v => from + (to - from) * (log ? ln(v / a) / ln(b / a) : (v - a) / (b - a));
const nearest = (list, x) => list.reduce((best, v, i) => abs(v - x) < abs(list[best] - x) ? i : best, 0);
const check = (checked, onchange) => html("input", {type: "checkbox", onchange, ...checked && {checked: ""}});
const select = (names, onchange) => html("select", {onchange}, ...names.map(name => html("option", {}, name)));

function ticks(low, high, log, wanted) {
  const found = [], decades = log10(high / low), ten = 10 ** floor(log10((high - low) / wanted));
  const step = log ? 0 : ten * [1, 2, 2.5, 5, 10].find(f => f * ten >= (high - low) / wanted * .999);
  if (log) for (let e = -12; e < 12; e++) for (const f of decades < 1.7 ? [1, 2, 5] : e % ceil(decades / wanted) ? [] : [1]) found.push(+(f + "e" + e));
  else for (let i = ceil(low / step - 1e-6); i * step <= high + step * 1e-6; i++) found.push(+(i * step).toPrecision(9));
  return found.filter(v => !log || v >= low * .999 && v <= high * 1.001);
}

// An interactive figure in the place of the drawing in `figure`. `spec()` gives its panels and series before every drawing.
function chart(figure, spec, label, ...more) {
  const first = spec(), hidden = new Set();
  const checkX = check(first.log, () => render()), checkY = check(first.panels[0].log, () => render()), over = select(UNITS, () => render());
  let logX, unit, now, series, frames, px, cursor, focus = 0, at = null;
  const box = html("div", {class: "chart", tabindex: 0, role: "group", "aria-label": label + " Arrow keys read values."});
  const readout = html("p", {class: "readout note"}), live = html("p", {class: "unseen", "aria-live": "polite"}), legend = html("span");
  figure.querySelector("svg")?.remove();
  figure.prepend(html("div", {class: "controls"}, ...more,
    html("label", {}, checkX, " log x"), html("label", {}, checkY, " log y"), first.series.some(s => s.k) ? html("label", {}, "over ", over) : "", legend), box, readout, live);
  const percent = s => now.panels[s.p].percent, py = s => frames[s.p].py, axis = () => unit ? UNITS[unit] : now.x;

  function render() {
    [now, logX, unit] = [spec(), checkX.checked, over.selectedIndex];
    const groups = [...new Map(now.series.map(s => [s.g, s.c]))].filter((_, i, all) => all.length < 17);
    legend.replaceChildren(...groups.map(([name, color]) => html("button", {"aria-pressed": !hidden.has(name),
      onclick: () => { hidden.delete(name) || hidden.add(name); render(); }}, svg("svg", {width: 14, height: 8}, line("M0 4H14", color, 3)), " " + name)));
    const by = (s, list) => unit && s.k ? list.map(x => x * s.k[unit - 1]) : list;
    series = now.series.filter(s => !hidden.has(s.g)).map(s => ({...s, x: by(s, s.x), rx: s.raw && by(s, s.raw[0])}));
    focus = max(0, min(focus, series.length - 1));
    const width = max(box.clientWidth, 260), right = width - 14, tall = now.tall || 190, count = now.panels.length;
    let [low, high] = span(series.flatMap(s => s.x).filter(x => !logX || x > 0));
    if (!logX && low < .2 * high) low = 0;
    if (!(high > low)) [low, high] = high > 0 ? [high / 2, high * 2] : [.1, 1];
    px = scale(logX, low, high, LEFT, right);
    const root = svg("svg", {width, height: 24 + count * (tall + 40), "aria-hidden": true});
    frames = now.panels.map((panel, p) => {
      const of = series.filter(s => s.p === p), top = 22 + p * (tall + 40), bottom = top + tall, last = p === count - 1, many = of.length > 40;
      const log = checkY.checked && !panel.percent && of.some(s => s.y.some(y => y > 0));
      let [lo, hi] = span(of.flatMap(s => s.dots ? [...s.y, ...s.raw[1]] : s.y).filter(y => y != null && (!log || y > 0)));
      if (panel.high) [lo, hi] = [log ? lo : panel.low, log ? min(hi, panel.high) : panel.high];
      else if (!log) [lo, hi] = [lo - (hi - lo) / 20, hi + (hi - lo) / 20];
      if (!(hi > lo)) [lo, hi] = lo < 1 / 0 ? [lo * .9, lo * 1.1 + 1e-9] : [.1, 1];
      const py = scale(log, lo, hi, bottom, top), inside = svg("svg", {x: LEFT, y: top, width: right - LEFT, height: tall, viewBox: [LEFT, top, right - LEFT, tall].join(" ")});
      const path = (x, y) => x.reduce(([d, go], v, i) => y[i] == null || logX && v <= 0 || log && y[i] <= 0 ? [d, "M"]
        : [d + go + px(v).toFixed(1) + " " + py(y[i]).toFixed(1), "L"], ["", "M"])[0];
      for (const v of ticks(lo, hi, log, 5)) root.append(line(`M${LEFT} ${py(v)}H${right}`, "#E4E7EB"),
        text(LEFT - 6, py(v) + 4, "end", MUTED, panel.percent ? +(100 * v).toPrecision(4) + "%" : short(v)));
      for (const s of of) {
        if (s.dots) s.raw[1].forEach((y, i) => inside.append(dot(px(s.rx[i]), py(y), 2.5, s.c, .5)));
        else if (s.raw) inside.append(line(path(s.rx, s.raw[1]), s.c, 1, {opacity: .3}));
        const end = sign => s.y.map((y, i) => max(y + sign * (s.sd?.[i] || 0), lo));
        if (s.x.length < 9) s.x.forEach((x, i) => inside.append(dot(px(x), py(s.y[i]), 4, s.c), line(path([x, x], [end(1)[i], end(-1)[i]]), s.c)));
        else if (s.sd) inside.append(line(path([...s.x, ...s.x.toReversed()], [...end(1), ...end(-1).reverse()]), "none", 0, {fill: s.c, opacity: .16}));
        inside.append(line(path(s.x, s.y), s.c, many ? 1 : s.w || 2, {opacity: many ? .35 : 1, "stroke-dasharray": s.dash ? "5 3" : ""}));
      }
      for (const {x, c, label, row, within} of now.marks || []) {
        const end = px(x) > right - 80;
        if (within) inside.append(line(`M${within.map(px).join(" " + top + "H")}V${bottom}H${px(within[0])}`, "none", 0, {fill: c, opacity: .1}));
        inside.append(line(`M${px(x)} ${top}V${bottom}`, c), last ? text(px(x) + (end ? -4 : 4), top + 13 + 15 * row, end ? "end" : "start", c, label) : "");
      }
      root.append(text(LEFT, top - 8, "start", INK, panel.title), inside, line(`M${LEFT} ${bottom}H${right}`, AXIS));
      for (const v of ticks(low, high, logX, width / 90)) root.append(line(`M${px(v)} ${bottom}v4`, AXIS), last ? text(px(v), bottom + 17, "middle", MUTED, short(v)) : "");
      if (last) root.append(text(right, bottom + 33, "end", INK, axis() + (logX ? " (log scale)" : "")));
      return {py, top, bottom};
    });
    root.append(cursor = svg("g"));
    box.replaceChildren(root);
    point();
  }

  // Shows the focused line's point and, of few lines, what the others are there; says it where a key asked.
  function point(spoken) {
    const s = series[focus];
    cursor.replaceChildren();
    readout.textContent = "Point at the figure, or focus it and press arrow keys.";
    if (at == null || !s) return;
    at = max(0, min(at, s.x.length - 1));
    const x = s.x[at], where = axis() + " " + short(x), few = series.length < 25;
    const others = few ? series.filter(o => x >= o.x[0] && x <= o.x.at(-1)) : [s];
    const values = others.map(o => {
      const i = nearest(o.x, x), y = o.y[i], {py, top, bottom} = frames[o.p];
      if (y != null) cursor.append(dot(px(o.x[i]), max(top, min(py(y), bottom)), o === s ? 5 : 3, o.c));
      return o.g + o.m + " " + show(y, percent(o)) + (o.sd?.[i] ? " ± " + show(o.sd[i], percent(o)) : "");
    });
    cursor.append(line(`M${px(x)} ${frames[0].top}V${frames.at(-1).bottom}`, AXIS));
    if (!few) cursor.append(line("M" + s.x.flatMap((x, i) => s.y[i] == null ? [] : px(x) + " " + py(s)(s.y[i])).join("L"), s.c, 3));
    readout.replaceChildren(html("b", {}, where), ...others.map((o, i) => html(o === s ? "mark" : "span", {}, values[i])));
    if (spoken) live.textContent = where + ": " + values[others.indexOf(s)];
  }

  box.onpointermove = e => {
    const edge = box.getBoundingClientRect(), x = e.clientX - edge.left;
    let best = 1 / 0;
    series.forEach((s, place) => {
      const i = nearest(s.x.map(px), x), far = s.y[i] == null ? best : Math.hypot(px(s.x[i]) - x, py(s)(s.y[i]) - e.clientY + edge.top);
      if (far < best) [best, focus, at] = [far, place, i];
    });
    point();
  };
  box.onkeydown = e => {
    const by = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Home: -1e9, End: 1e9, Escape: 0}[e.key], s = series[focus];
    if (by == null || !s) return;
    e.preventDefault();
    if (/Up|Down/.test(e.key)) {
      focus = (focus + by + series.length) % series.length;
      at = nearest(series[focus].x, s.x[at ?? 0]);
    } else at = by ? (at ?? -by) + by : null;
    point(true);
  };
  new ResizeObserver(render).observe(box);
  return render;
}

for (const figure of document.querySelectorAll("[data-chart]")) {
  const of = data.charts[figure.dataset.chart];
  if (of) chart(figure, () => of, figure.querySelector("figcaption").textContent);
}

const every = document.getElementById("every-run");
if (every) {
  const table = document.querySelector("#runs table"), body = table.tBodies[0], rows = [...body.rows], head = [...table.tHead.rows[0].cells];
  const box = row => row.querySelector("input"), redraw = () => render(), pick = select(data.measures, redraw);
  const smooth = html("input", {type: "range", min: 0, max: .95, step: .05, value: 0, oninput: redraw}), count = html("span", {"aria-live": "polite"});
  const filter = html("input", {type: "search", oninput: () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    rows.forEach(row => row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word)));
    count.textContent = rows.filter(row => !row.hidden).length + " of " + rows.length;
    render();
  }});
  rows.forEach((row, place) => {
    row.run = data.runs[place];
    row.cells[0].prepend(check(true, redraw), " ");
    box(row).ariaLabel = "show " + row.run.n;
  });
  head.forEach((cell, place) => cell.replaceChildren(html("button", {onclick: () => {
    const up = cell.ariaSort === "ascending" ? -1 : 1, words = cell.className;
    const keyed = rows.map(row => [row.cells[place].textContent, row]).map(([key, row]) => [words ? key : parseFloat(key.replace(/,/g, "") || -1e99), row]);
    keyed.sort(([a], [b]) => up * (words ? a.localeCompare(b, "en", {numeric: true}) : a - b));
    head.forEach(other => other.ariaSort = null);
    cell.ariaSort = up > 0 ? "ascending" : "descending";
    body.append(...keyed.map(([, row]) => row));
  }}, cell.textContent)));
  table.parentNode.before(html("div", {class: "controls"}, html("label", {}, "filter ", filter), count));
  const average = list => {
    let sum = 0, weight = 0;
    return list.map(v => v == null ? v : (sum = smooth.value * sum + v, weight = smooth.value * weight + 1, sum / weight));
  };
  const render = chart(every, () => {
    const m = pick.selectedIndex, title = data.measures[m], averaged = smooth.value > 0;
    return {x: "step", tall: 300, panels: [{title, percent: /acc/.test(title), ...m % 2 || m > 3 ? {} : {low: 0, high: 1.2 * max(.1, ...data.runs.map(run => run.v[m]?.[0] || 0))}}], series: rows.flatMap(row => {
      const {n, c, k, i, v} = row.run, y = m < 4 ? v[m] : data.rates[v[m]], x = y?.map((_, at) => ceil((at + 1) * i / y.length));
      return !y || row.hidden || !box(row).checked ? [] : {g: n, m: "", c, k, p: 0, x, y: averaged ? average(y) : y, raw: averaged && [x, y]};
    })};
  }, "Every run, one line each.", html("label", {}, "show ", pick), html("label", {}, "smooth ", smooth));
}
})();
