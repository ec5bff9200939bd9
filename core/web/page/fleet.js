// fleet.js - a runner's instances and their slots as a picture: a box for each instance, in it a cell for each slot.
// State is told by shape as well as by colour; a line below says in words what the pointer or the keys are at.

import { count, duration, element, name, put } from "./text.js";

export const CONDITIONS = ["busy", "ready", "creating", "draining", "held", "removing", "unhealthy", "foreign", "other"];
const WORDS = { busy: "with jobs", ready: "ready", creating: "being made", draining: "draining", held: "held", removing: "being removed",
  unhealthy: "unhealthy", foreign: "another runner's", other: "between states" };
export const conditionOf = instance => CONDITIONS.includes(instance.condition) ? instance.condition : "other";
export const conditionWord = condition => WORDS[condition] ?? condition;
// A reason that begins with the word, such as "held until ...", stands for both.
export function stateInWords(instance) {
  const word = conditionWord(conditionOf(instance));
  return !instance.why ? word : instance.why.startsWith(`${word} `) ? instance.why : `${word}: ${instance.why}`;
}

const SLOTS = { running: "a job runs", starting: "a job starts", ending: "a job ends", free: "free" };

// Draws one cell of side s at x, y; `colours` are the page's.
function drawCell(context, state, condition, x, y, s, colours) {
  const line = Math.max(1, Math.round(s / 8)), in_ = line / 2;
  context.lineWidth = line;
  context.fillStyle = context.strokeStyle = colours[condition];
  if (state !== "free") {
    context.fillStyle = colours[condition === "busy" || condition === "ready" ? "busy" : condition];
    if (state === "starting") { // the lower right half
      context.beginPath();
      context.moveTo(x + s, y);
      context.lineTo(x + s, y + s);
      context.lineTo(x, y + s);
      context.fill();
    } else if (state === "ending") // what is left of it
      context.fillRect(x, y + s * 0.6, s, s * 0.4);
    else
      context.fillRect(x, y, s, s);
    return;
  }
  if (condition === "creating" || condition === "other") { // a dot
    const dot = Math.max(2, Math.round(s / 3));
    context.fillRect(x + (s - dot) / 2, y + (s - dot) / 2, dot, dot);
    return;
  }
  if (condition === "removing" || condition === "unhealthy" || condition === "foreign") {
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + s, y + s);
    if (condition !== "foreign") {
      context.moveTo(x + s, y);
      context.lineTo(x, y + s);
    }
    context.stroke();
    if (condition === "unhealthy") context.strokeRect(x + in_, y + in_, s - line, s - line);
    return;
  }
  if (condition === "busy") context.strokeStyle = colours.ready;
  context.strokeRect(x + in_, y + in_, s - line, s - line);
  if (condition === "draining") context.fillRect(x, y + s / 2 - in_, s, line);
  if (condition === "held") context.fillRect(x + s / 2 - in_, y, line, s);
}

function colours() {
  const style = getComputedStyle(document.documentElement), found = {};
  for (const condition of CONDITIONS) found[condition] = style.getPropertyValue(`--${condition}`);
  found.line = style.getPropertyValue("--line");
  found.text = style.getPropertyValue("--text");
  return found;
}

function prepare(canvas, width, height) {
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function drawLegend(place) {
  const shapes = [["running", "busy", "running"], ["starting", "busy", "starting"], ["ending", "busy", "ending"],
    ["free", "ready", "free"], ["free", "creating", "being made"], ["free", "draining", "draining"],
    ["free", "held", "held"], ["free", "removing", "being removed"], ["free", "unhealthy", "unhealthy"]];
  place.replaceChildren(...shapes.map(([state, condition, word]) => {
    const canvas = element("canvas", { "aria-hidden": "true" });
    drawCell(prepare(canvas, 12, 12), state, condition, 0, 0, 12, colours());
    return element("li", {}, canvas, word);
  }));
}

export class Picture {
  constructor(label, open) {
    this.label = label;
    this.open = open;
    this.instances = [];
    this.at = null; // {index, slot}
    this.canvas = element("canvas", { className: "picture", tabIndex: 0, role: "img" });
    this.line = element("p", { className: "at faint", role: "status" });
    this.node = element("div", {}, this.canvas, this.line);
    this.canvas.addEventListener("pointermove", event => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.move(document.activeElement === this.canvas ? this.at : null));
    this.canvas.addEventListener("click", event => { this.point(event); this.enter(); });
    this.canvas.addEventListener("blur", () => this.move(null));
    this.canvas.addEventListener("keydown", event => this.onKey(event));
    this.sized = new ResizeObserver(() => this.redraw());
    this.sized.observe(this.node);
  }

  show(instances, jobs, now) {
    Object.assign(this, { instances, jobs, now });
    const counts = new Map();
    for (const instance of instances) counts.set(conditionOf(instance), (counts.get(conditionOf(instance)) ?? 0) + 1);
    const words = CONDITIONS.filter(c => counts.has(c)).map(c => `${counts.get(c)} ${conditionWord(c)}`);
    this.canvas.setAttribute("aria-label", `${this.label}: ${count(instances.length, "instance")}${words.length ? ", " : ""}` +
      `${words.join(", ")}. Arrow keys move, Enter opens a job.`);
    this.canvas.hidden = instances.length === 0;
    this.redraw();
    this.tell();
  }

  // Cells as large as fits: whatever there is should be seen at once.
  lay() {
    const slots = this.instances.reduce((most, instance) => Math.max(most, instance.slots.length), 1);
    const cells = slots * this.instances.length;
    const cell = cells > 2000 ? 7 : cells > 600 ? 9 : cells > 150 ? 12 : 16, gap = cell > 9 ? 3 : 2;
    const columns = slots <= 4 ? slots : Math.ceil(Math.sqrt(slots)), lines = Math.ceil(slots / columns);
    const pad = slots > 1 ? gap + 1 : 0, between = slots > 1 ? gap + 2 : gap;
    const box = { width: columns * (cell + gap) - gap + 2 * pad, height: lines * (cell + gap) - gap + 2 * pad };
    const width = this.node.clientWidth, perRow = Math.max(1, Math.floor((width + between) / (box.width + between)));
    const height = Math.ceil(this.instances.length / perRow) * (box.height + between) - between + 2;
    return { cell, gap, columns, pad, between, box, width, perRow, height, slots };
  }

  place(index) {
    const { box, between, perRow } = this.layout;
    return [index % perRow * (box.width + between) + 1, Math.floor(index / perRow) * (box.height + between) + 1];
  }

  stateOf(seq) {
    if (!seq) return "free";
    const phase = this.jobs.get(`job/${seq}`)?.phase;
    return phase === "starting" ? "starting" : phase === "ending" ? "ending" : "running";
  }

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
  }

  draw() {
    if (this.node.clientWidth === 0 || this.instances.length === 0) return;
    const { cell, gap, columns, pad, box, width, height } = this.layout = this.lay();
    const context = prepare(this.canvas, width, height), palette = colours();
    this.instances.forEach((instance, index) => {
      const [x, y] = this.place(index), condition = conditionOf(instance);
      if (pad > 0) {
        context.lineWidth = 1;
        context.strokeStyle = condition === "busy" || condition === "ready" ? palette.line : palette[condition];
        context.setLineDash(condition === "creating" ? [3, 2] : []);
        context.strokeRect(x - 0.5, y - 0.5, box.width, box.height);
        context.setLineDash([]);
      }
      instance.slots.forEach((seq, slot) => drawCell(context, this.stateOf(seq), condition,
        x + pad + slot % columns * (cell + gap) - (pad ? 0.5 : 0), y + pad + Math.floor(slot / columns) * (cell + gap) - (pad ? 0.5 : 0),
        cell, palette));
    });
    if (this.at) this.drawCursor(context, palette);
  }

  drawCursor(context, palette) {
    const { cell, gap, columns, pad } = this.layout, [x, y] = this.place(this.at.index);
    context.lineWidth = 2;
    context.strokeStyle = palette.text;
    context.strokeRect(x + pad + this.at.slot % columns * (cell + gap) - 2, y + pad + Math.floor(this.at.slot / columns) * (cell + gap) - 2,
      cell + 3, cell + 3);
  }

  point(event) {
    if (!this.layout) return;
    const { cell, gap, columns, pad, between, box, perRow } = this.layout;
    const column = Math.floor(event.offsetX / (box.width + between)), line = Math.floor(event.offsetY / (box.height + between));
    const index = line * perRow + column, instance = this.instances[index];
    if (column >= perRow || !instance) return this.move(null);
    const [x, y] = this.place(index), step = cell + gap;
    const within = (at, most) => Math.min(Math.max(Math.floor(at / step), 0), most);
    const slot = within(event.offsetY - y - pad, 1e6) * columns + within(event.offsetX - x - pad, columns - 1);
    this.move({ index, slot: Math.min(slot, instance.slots.length - 1) });
  }

  onKey(event) {
    const { perRow } = this.layout ?? { perRow: 1 }, at = this.at ?? { index: 0, slot: -1 };
    let { index, slot } = at;
    if (event.key === "ArrowRight") slot++;
    else if (event.key === "ArrowLeft") slot--;
    else if (event.key === "ArrowDown") index += perRow;
    else if (event.key === "ArrowUp") index -= perRow;
    else if (event.key === "Enter") return this.enter();
    else return;
    event.preventDefault();
    if (slot < 0 && index > 0) slot = this.instances[--index].slots.length - 1;
    if (this.instances[index] && slot >= this.instances[index].slots.length && index + 1 < this.instances.length) {
      index++;
      slot = 0;
    }
    if (!this.instances[index]) return;
    this.move({ index, slot: Math.min(Math.max(slot, 0), this.instances[index].slots.length - 1) });
  }

  enter() {
    const seq = this.at && this.instances[this.at.index]?.slots[this.at.slot];
    if (seq) this.open(seq);
  }

  move(at) {
    this.at = at;
    this.canvas.classList.toggle("hit", Boolean(at && this.instances[at.index]?.slots[at.slot]));
    this.tell();
    this.redraw();
  }

  tell() {
    const instance = this.at && this.instances[this.at.index];
    if (!instance) return put(this.line, "");
    const seq = instance.slots[this.at.slot], job = this.jobs.get(`job/${seq}`), parts = [name(instance.id)];
    parts.push(` is ${conditionWord(conditionOf(instance))}, seen for ${duration(this.now - instance.since)}`);
    if (instance.why) parts.push(": ", name(instance.why));
    parts.push(`; slot ${this.at.slot}: ${job ? `job ${job.id} ` : SLOTS[this.stateOf(seq)]}`);
    if (job) parts.push(name(job.name));
    this.line.replaceChildren(...parts);
  }
}
