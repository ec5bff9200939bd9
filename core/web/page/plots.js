// plots.js - the last hours as three small pictures: jobs that wait, instances by state, what they cost an hour.
// Samples come once a minute; where there are none, because the manager did not run, nothing is drawn.

import { clock, element, money, put } from "./text.js";

const SVG = "http://www.w3.org/2000/svg", HEIGHT = 96, GAP_MS = 150000;
const svg = (tag, attributes) => {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

const STATES = [["busy", "with jobs"], ["ready", "ready"], ["creating", "being made"], ["draining", "draining"],
  ["removing", "being removed"], ["unhealthy", "unhealthy"]];

// Each has layers that stand on each other.
const PLOTS = [
  { title: "Jobs that wait", layers: [["waiting", "waiting"]], say: s => `${s.waiting}` },
  { title: "Instances", layers: STATES, say: s => `${STATES.reduce((sum, [key]) => sum + s[key], 0)}`,
    detail: s => STATES.filter(([key]) => s[key] > 0).map(([key, word]) => `${s[key]} ${word}`).join(", ") },
  { title: "Cost an hour", layers: [["price", "cost"]], say: s => money(s.price) },
];

// A round number at or above the largest value.
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(n => n * power).find(n => n >= value);
}

class Plot {
  constructor(place, plot) {
    this.plot = plot;
    this.value = element("strong", {});
    this.when = element("span", { className: "faint" });
    this.svg = svg("svg", { role: "img", tabindex: 0, height: HEIGHT });
    this.top = element("span", { className: "faint" });
    this.left = element("span", { className: "faint" });
    this.node = element("figure", {},
      element("figcaption", {}, element("span", { textContent: plot.title }), this.value, this.when),
      element("div", { className: "canvas" }, this.svg),
      element("div", { className: "axis" }, this.left, this.top));
    place.append(this.node);
    this.svg.addEventListener("pointermove", event => this.point((event.offsetX / this.svg.clientWidth)));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("keydown", event => this.onKey(event));
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  show(samples, from, to) {
    Object.assign(this, { samples, from, to });
    this.draw();
  }

  draw() {
    if (!this.samples) return;
    const width = this.svg.clientWidth, total = s => this.plot.layers.reduce((sum, [key]) => sum + s[key], 0);
    const most = this.samples.reduce((max, s) => total(s) > total(max) ? s : max, this.samples[0] ?? { at: 0 });
    this.svg.setAttribute("aria-label", this.samples.length === 0 ? `${this.plot.title}: no samples yet`
      : `${this.plot.title}: now ${this.plot.say(this.samples.at(-1))}, most ${this.plot.say(most)} at ${clock(most.at)}. Arrow keys read one after the other.`);
    if (width === 0) return;
    const top = ceiling(this.samples.length ? total(most) : 0);
    const x = at => (at - this.from) / (this.to - this.from) * width, y = value => HEIGHT - 1 - value / top * (HEIGHT - 4);
    const nodes = [1, 0.5].map(part => svg("line", { x1: 0, x2: width, y1: y(top * part), y2: y(top * part), class: "grid" }));
    const base = new Map();
    for (const [key] of this.plot.layers) {
      let path = "";
      for (const run of runs(this.samples)) {
        const up = run.map(s => `${x(s.at).toFixed(1)},${y((base.get(s) ?? 0) + s[key]).toFixed(1)}`);
        const down = run.map(s => `${x(s.at).toFixed(1)},${y(base.get(s) ?? 0).toFixed(1)}`).reverse();
        if (run.some(s => s[key] > 0)) path += `M${up.join("L")}L${down.join("L")}Z`;
      }
      for (const s of this.samples) base.set(s, (base.get(s) ?? 0) + s[key]);
      nodes.push(svg("path", { d: path, class: `layer ${key}` }));
    }
    this.cursor = svg("line", { y1: 0, y2: HEIGHT, class: "cursor", visibility: "hidden" });
    this.svg.replaceChildren(...nodes, svg("line", { x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "grid" }), this.cursor);
    put(this.left, clock(this.from));
    put(this.top, `top: ${this.plot.layers[0][0] === "price" ? money(top) : top}`);
    this.tell();
  }

  // `part` of the width, or null: what is now.
  point(part) {
    const at = part === null ? null : this.from + part * (this.to - this.from);
    this.at = at === null || this.samples.length === 0 ? null
      : this.samples.reduce((best, s) => Math.abs(s.at - at) < Math.abs(best.at - at) ? s : best);
    this.tell();
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || this.samples.length === 0) return;
    event.preventDefault();
    const index = this.at ? this.samples.indexOf(this.at) + step : this.samples.length - 1;
    this.at = this.samples[Math.min(Math.max(index, 0), this.samples.length - 1)];
    this.tell();
  }

  tell() {
    const shown = this.at ?? this.samples.at(-1);
    put(this.value, shown ? this.plot.say(shown) : "–");
    put(this.when, !shown ? "" : this.at ? [clock(shown.at), this.plot.detail?.(shown)].filter(Boolean).join(": ") : this.plot.detail?.(shown) ?? "");
    if (!this.cursor) return;
    this.cursor.setAttribute("visibility", this.at ? "visible" : "hidden");
    if (!this.at) return;
    const x = (this.at.at - this.from) / (this.to - this.from) * this.svg.clientWidth;
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }
}

// Pieces without a hole.
function runs(samples) {
  const found = [];
  let last = -Infinity;
  for (const sample of samples) {
    if (sample.at - last > GAP_MS) found.push([]);
    found.at(-1).push(sample);
    last = sample.at;
  }
  return found;
}

export class Plots {
  constructor(place, note) {
    this.place = place;
    this.note = note;
    this.samples = [];
    this.hours = 6;
    this.plots = PLOTS.map(plot => new Plot(place, plot));
  }

  // Rows of the manager's answer, whose columns have names.
  add({ columns, rows }) {
    const last = this.samples.at(-1)?.at ?? 0;
    for (const row of rows) {
      const sample = Object.fromEntries(columns.map((column, i) => [column, row[i]]));
      if (sample.at > last) this.samples.push(sample);
    }
    this.samples = this.samples.slice(-1440);
  }

  get last() { return this.samples.at(-1)?.at ?? 0; }

  draw(now) {
    const from = now - this.hours * 3600000, shown = this.samples.filter(s => s.at >= from);
    const first = this.samples[0]?.at;
    put(this.note, first === undefined ? "The first sample comes within a minute." :
      first > from + GAP_MS ? `Samples begin at ${clock(first)}: the manager has none from before.` : "");
    this.plots.forEach((plot, i) => {
      plot.node.hidden = PLOTS[i].layers[0][0] === "price" && !this.samples.some(s => s.price > 0);
      plot.show(shown, from, now);
    });
  }
}
