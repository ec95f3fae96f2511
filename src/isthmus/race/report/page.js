"use strict";
(() => {
  const race = JSON.parse(document.getElementById("race").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const hidden = new Set();
  const config = { responsive: false, displaylogo: false, displayModeBar: touch ? false : "hover",
    // Named one by one, for plotly's own choice holds a button that would upload the figure
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg" } };
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // Figures name their colours; the style sheet says what they are in each theme.
  function themed(value, key, style) {
    if (Array.isArray(value)) return value.map((item) => themed(item, key, style));
    if (value && typeof value === "object") {
      const copy = {};
      for (const name of Object.keys(value)) copy[name] = themed(value[name], name, style);
      return copy;
    }
    const named = /color$/.test(key) && typeof value === "string" && value[0] === "@";
    return named ? style.getPropertyValue("--" + value.slice(1)).trim() : value;
  }

  function draw(place, figure) {
    const style = getComputedStyle(document.body);
    const data = themed(figure.data, "", style);
    for (const trace of data) trace.visible = !(trace.meta && hidden.has(trace.meta.entrant));
    const layout = themed(figure.layout, "", style);
    if (touch) layout.dragmode = false;
    layout.font.family = style.fontFamily;
    layout.width = place.clientWidth;
    layout.height = place.clientHeight;
    return Plotly.react(place, data, layout, config);
  }

  const number = (value) => {
    if (value === 0) return "0";
    const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
    return value.toLocaleString("en-US",
      { minimumFractionDigits: Math.min(digits, 8), maximumFractionDigits: Math.min(digits, 8) });
  };

  // ---- names beside their points: the nearest free place, with a line from farther away
  const around = Array.from({ length: 16 }, (_, k) => (k * Math.PI) / 8);
  const pen = document.createElement("canvas").getContext("2d");

  function overlap(a, b) {
    const wide = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
    const high = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
    return wide > 0 && high > 0 ? wide * high : 0;
  }

  // The lines of the frontier: level to the next point, then down to it
  function stairs(points) {
    const best = points.filter((p) => p.on).sort((a, b) => a.px - b.px);
    return best.slice(1).flatMap((to, k) => [[best[k].px, best[k].py - 2, to.px, best[k].py + 2],
      [to.px - 2, best[k].py, to.px + 2, to.py]]);
  }

  function places(points, size) {
    const [width, height] = size;
    const taken = points.flatMap((p) => [[p.px - 8, p.py - 8, p.px + 8, p.py + 8], ...p.bars])
      .concat(stairs(points));
    return points.map((point) => {
      let best = null;
      for (const ring of [0, 8, 20, 36, 56, 84]) for (const angle of around) {
        const dx = Math.cos(angle), dy = Math.sin(angle);
        // Along the edge of the box in which the name would touch the mark
        const to = Math.min((point.w / 2 + 9) / Math.abs(dx), 17 / Math.abs(dy));
        const x = point.px + dx * (to + ring), y = point.py + dy * (to + ring);
        const box = [x - point.w / 2, y - 8, x + point.w / 2, y + 8];
        const out = Math.max(0, -box[0]) + Math.max(0, -box[1]) +
          Math.max(0, box[2] - width) + Math.max(0, box[3] - height);
        const cost = 40 * out + ring + (dx < 0 ? 2 : 0) + (dy > 0 ? 1 : 0) +
          taken.reduce((sum, other) => sum + overlap(box, other), 0);
        if (!best || cost < best.cost - 1e-6) best = { cost, x, y, box, ring };
      }
      taken.push(best.box);
      return best;
    });
  }

  function label(place, points, limits) {
    const { xaxis, yaxis } = place._fullLayout;
    const style = getComputedStyle(document.body);
    const ink = (name) => style.getPropertyValue("--" + name).trim();
    const size = [xaxis._length, yaxis._length];
    pen.font = `13px ${style.fontFamily}`;
    const seen = points.filter((p) => !hidden.has(p.e)).map((p) => ({ ...p,
      px: xaxis.d2p(p.x), py: yaxis.d2p(p.y), w: pen.measureText(p.name).width + 4 }))
      .map((p) => ({ ...p, bars: [
        [xaxis.d2p(p.bars[0]) - 2, p.py - 4, xaxis.d2p(p.bars[1]) + 2, p.py + 4],
        [p.px - 4, yaxis.d2p(p.bars[3]) - 2, p.px + 4, yaxis.d2p(p.bars[2]) + 2]] }))
      .filter((p) => p.px >= 0 && p.py >= 0 && p.px <= size[0] && p.py <= size[1])
      .sort((a, b) => b.on - a.on);
    const found = places(seen, size);
    const log = (axis, value) => (axis.type === "log" ? Math.log10(value) : value);
    const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
    const annotations = seen.map((p, k) => ({
      x: log(xaxis, p.x), y: log(yaxis, p.y), text: escape(p.name), font: { size: 13,
        color: ink(p.on ? "e" + (p.e % race.colours) : "dim") },
      ax: found[k].x - p.px, ay: found[k].y - p.py, showarrow: true, arrowhead: 0, standoff: 7,
      arrowwidth: 1, arrowcolor: found[k].ring > 8 ? ink("grey") : "rgba(0,0,0,0)", borderpad: 0,
    }));
    const shapes = [];
    const limit = (axis, other, value, anchors) => {
      if (!value) return;
      shapes.push({ type: "line", layer: "below", line: { color: ink("grey"), width: 1 },
        [axis + "0"]: value, [axis + "1"]: value, [other + "ref"]: "paper", [other + "0"]: 0, [other + "1"]: 1 });
      annotations.push({ text: `at most ${value.toLocaleString("en-US", { maximumSignificantDigits: 4 })}`, showarrow: false, font: { size: 11, color: ink("dim") },
        [axis]: log(axis === "x" ? xaxis : yaxis, value), [other + "ref"]: "paper", [other]: 1, ...anchors });
    };
    limit("y", "x", limits.accuracy, { xanchor: "right", yanchor: "bottom" });
    limit("x", "y", limits.speed, { xanchor: "left", yanchor: "top" });
    return Plotly.relayout(place, { annotations, shapes });
  }

  // ---- the frontier, and the choice from it
  const plot = byId("plot-frontier");
  const limits = { accuracy: null, speed: null };

  function chosen() {
    const value = (name) => {
      const radio = document.querySelector(`input[name="${name}"]:checked`);
      return Number(radio ? radio.value : 0);
    };
    return [value("test"), value("quantity"), Number(byId("cost").value)];
  }

  function choose(kind, points, unit) {
    const input = byId("limit-" + kind), output = byId("said-" + kind), command = byId("command-" + kind);
    const limit = Number(input.value);
    limits[kind] = limit > 0 ? limit : null;
    const [asked, other] = kind === "accuracy" ? ["y", "x"] : ["x", "y"];
    // Of several seeds one file is handed over: its own error counts, not their mean
    const own = points.filter((p) => p.model && p.compared).map((p) => ({ ...p, y: p.file }));
    const told = (p) => `${p.name}: ${number(p.y)} ${unit} at ${number(p.x)} µs/step`;
    const least = (list, axis) => list.reduce((a, b) => (b[axis] < a[axis] ? b : a));
    const enough = own.filter((p) => limit > 0 && p[asked] <= limit);
    command.hidden = !enough.length;
    if (!own.length) output.textContent = "no model file has both numbers";
    else if (!(limit > 0)) output.textContent = "a number above 0 is wanted";
    else if (!enough.length) {
      const best = least(own, asked);
      output.textContent = `no model file does; the ${kind === "accuracy" ? "most accurate" : "fastest"} is ${told(best)}`;
    } else {
      const best = least(enough, other);
      const rival = points.filter((p) => !p.model && p.compared && p[asked] <= limit && p[other] < best[other]);
      output.textContent = "";
      const name = document.createElement("b");
      name.textContent = told(best);
      output.append(name);
      if (rival.length) output.append(` (better, but without a model file: ${rival.map((p) => p.name).join(", ")})`);
      command.textContent = `${race.pick} --${kind} ${input.value}${options()}`;
    }
  }

  function options() {
    const [test, quantity, cost] = chosen();
    return (test ? race.options.test[test] : "") + race.options.quantity[quantity] + race.options.cost[cost];
  }

  async function frontier() {
    if (!plot) return;
    const [test, quantity, cost] = chosen();
    const figure = race.frontier[`${test}|${quantity}|${cost}`];
    const unit = race.units[quantity];
    all(".unit-error").forEach((place) => { place.textContent = unit; });
    choose("accuracy", figure.points, unit);
    choose("speed", figure.points, unit);
    byId("missing").textContent = figure.missing.length ? `Not drawn: ${figure.missing.join(", ")}.` : "";
    const best = figure.points.filter((p) => p.on).map((p) => `${p.name} (${number(p.x)} µs, ${number(p.y)} ${unit})`);
    byId("best").textContent = best.length ? `On the frontier, the fastest first: ${best.join("; ")}.` : "Nobody has both numbers.";
    plot.hidden = !figure.points.length;
    if (plot.hidden) return;
    await draw(plot, figure);
    await label(plot, figure.points, limits);
  }

  function start() {
    if (!plot) return;
    const middle = race.frontier[chosen().join("|")].points.filter((p) => p.model && p.on);
    const typical = middle[Math.floor(middle.length / 2)];
    if (!typical) return;
    const up = (value) => {
      const step = 10 ** (Math.floor(Math.log10(value)) - 1);
      return String(Number((Math.ceil(value / step - 1e-9) * step).toPrecision(2)));
    };
    byId("limit-accuracy").value = up(typical.y);
    byId("limit-speed").value = up(typical.x);
  }

  // ---- entrants shown and hidden, everywhere at once
  function show(button) {
    const entrant = Number(button.dataset.entrant);
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    if (on) hidden.delete(entrant); else hidden.add(entrant);
    all(`tr[data-entrant="${entrant}"]`).forEach((row) => row.classList.toggle("off", !on));
    return drawAll();
  }

  // ---- the table: empty cells stay last
  function sort(button) {
    const head = button.closest("th"), table = button.closest("table"), body = table.tBodies[0];
    const column = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    all("th[aria-sort]", table).forEach((th) => th.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.children[column].dataset.v;
    const compare = (a, b) => (head.classList.contains("n") ? Number(a) - Number(b) : a.localeCompare(b));
    const rows = [...body.rows].sort((a, b) => {
      const [u, v] = [value(a), value(b)];
      if (u === undefined || v === undefined) return (u === undefined) - (v === undefined);
      return down ? compare(v, u) : compare(u, v);
    });
    body.append(...rows);
  }

  function drawAll() {
    const others = all(".plot[data-figure]").map((place) => draw(place, race.figures[place.dataset.figure]));
    return Promise.all([frontier(), ...others]);
  }

  start();
  all(".sortable thead button").forEach((button) => button.addEventListener("click", () => sort(button)));
  all(".chips button").forEach((button) => button.addEventListener("click", () => show(button)));
  all(".controls input, .controls select, .choose input").forEach((input) =>
    input.addEventListener("input", frontier));
  dark.addEventListener("change", drawAll);
  let wait = 0, width = document.documentElement.clientWidth;
  addEventListener("resize", () => {
    if (document.documentElement.clientWidth === width) return; // a phone's address bar
    width = document.documentElement.clientWidth;
    clearTimeout(wait);
    wait = setTimeout(drawAll, 120);
  });
  drawAll().then(() => {
    if (plot && plot.on) plot.on("plotly_relayout", (change) => {
      if (!("annotations" in change)) {
        const key = chosen().join("|");
        label(plot, race.frontier[key].points, limits);
      }
    });
    document.documentElement.dataset.ready = "true";
  });
})();
