// main.js - puts the page together: what the model tells goes to each part, at most once a frame; times go on by
// themselves, once a second.

import { CONDITIONS, Picture, conditionOf, conditionWord, drawLegend, stateInWords } from "./fleet.js";
import { Jobs, fillName } from "./jobs.js";
import { Log } from "./log.js";
import { Model } from "./model.js";
import { Plots } from "./plots.js";
import { Table } from "./table.js";
import { count, duration, element, money, name, put } from "./text.js";

const $ = id => document.getElementById(id);

const model = new Model(), log = new Log(model), jobs = new Jobs(model, seq => log.open(seq));
const plots = new Plots(document.querySelector(".plots"), $("history"));
const groups = new Map(); // key: its section
const instances = new Table($("instance-table"), {
  label: "Instances",
  empty: () => model.state === "connecting" ? "" : model.of("instance/").length > 0 ? "No instance fits the filter." : "No instance is here now.",
  columns: [
    { title: "Instance", className: "name", fill: (cell, i) => fillName(cell, i.id) },
    { title: "State", className: "phase", fill: fillCondition },
    { title: "Slots", className: "number slots", fill: (cell, i) => put(cell, `${i.slots.filter(Boolean).length}/${i.slots.length}`) },
    { title: "Uses", className: "number uses", fill: (cell, i) => put(cell, i.max_uses > 0 ? `${i.uses}/${i.max_uses}` : String(i.uses)) },
    { title: "Seen for", className: "number for", fill: (cell, i) => put(cell, duration(model.now() - i.since)) },
    { title: "Runner", className: "runner", fill: (cell, i) => fillName(cell, i.runner) },
  ],
});

function fillCondition(cell, instance) {
  const condition = conditionOf(instance), told = `${condition} ${instance.why}`;
  if (cell.told === told) return;
  cell.told = told;
  cell.replaceChildren(element("span", { className: `mark ${condition}`, "aria-hidden": "true" }),
    stateInWords(instance));
  cell.title = cell.textContent;
}

function drawManager() {
  const { version, host, draining } = model.manager;
  put($("manager"), version ? `${version} on ${host}${draining ? ", draining: no new jobs" : ""}` : "");
  const words = { connecting: "connecting", live: "live", lost: "not connected: what is shown is old; trying again", paused: "paused" };
  put($("link"), words[model.state]);
  $("link").className = `link ${model.state}`;
  document.body.classList.toggle("old", model.state === "lost");
}

function drawTotals(all, fleet) {
  const of = phase => all.filter(job => job.phase === phase).length, known = fleet.filter(i => conditionOf(i) !== "foreign");
  const slots = known.reduce((n, i) => n + i.slots.length, 0), busy = known.reduce((n, i) => n + i.slots.filter(Boolean).length, 0);
  const oldest = all.reduce((since, job) => job.phase === "waiting" ? Math.min(since, job.since) : since, Infinity);
  const price = model.of("group/").reduce((sum, group) => sum + (group.price ?? 0), 0);
  const rows = [["jobs run", of("starting") + of("running")], ["wait", of("waiting"), oldest < Infinity ? `the oldest for ${duration(model.now() - oldest)}` : ""],
    ["slots busy", `${busy} of ${slots}`], ["instances", known.length], ...(price > 0 ? [["an hour", money(price)]] : [])];
  const place = $("totals");
  while (place.children.length > rows.length) place.lastChild.remove();
  rows.forEach(([what, value, more = ""], i) => {
    const node = place.children[i] ?? place.appendChild(element("p", {}, element("strong"), element("span"), element("small")));
    [value, what, more].forEach((text, k) => put(node.children[k], String(text)));
  });
  put($("fleet-title"), `Runners ${model.of("group/").length}`);
  document.title = of("waiting") > 0 ? `${of("waiting")} waiting – flotilla` : "flotilla";
}

function drawProblems() {
  const lines = [...(model.manager.problems ?? []).map(text => [null, text]),
    ...model.of("group/").filter(group => group.problem).map(group => [group.name, group.problem])];
  const place = $("problems"), told = JSON.stringify(lines);
  if (place.told === told) return;
  place.told = told;
  place.replaceChildren(...lines.map(([runner, text]) =>
    element("p", { className: "problem" }, ...(runner === null ? [] : [name(runner), ": "]), name(text))));
}

function drawGroups(all) {
  const of = new Map();
  for (const instance of all) {
    if (!of.has(instance.runner)) of.set(instance.runner, []);
    of.get(instance.runner).push(instance);
  }
  for (const [key, section] of groups)
    if (!model.things.has(key)) {
      section.node.remove();
      groups.delete(key);
    }
  for (const group of model.of("group/").sort((a, b) => a.order - b.order)) {
    if (!groups.has(group.key)) groups.set(group.key, newGroup(group));
    const section = groups.get(group.key);
    if ($("groups").children[group.order] !== section.node) $("groups").insertBefore(section.node, $("groups").children[group.order] ?? null);
    drawGroup(section, group, of.get(group.name) ?? []);
  }
  if (groups.size === 0) put($("groups"), model.state === "live" ? "No runner is configured." : "");
}

function newGroup(group) {
  if (groups.size === 0) $("groups").replaceChildren();
  const picture = new Picture(`Runner ${group.name}`, seq => log.open(seq));
  const section = { picture, title: element("h3", {}, name(group.name)), facts: element("p", { className: "facts" }), why: element("ul", { className: "why" }) };
  section.node = element("article", { className: "group" }, section.title, section.facts, picture.node, section.why);
  return section;
}

function drawGroup(section, group, fleet) {
  const counts = CONDITIONS.map(c => [c, fleet.filter(i => conditionOf(i) === c).length]).filter(([, n]) => n > 0);
  const facts = [group.plugin, `${fleet.length} of at most ${count(group.max, "instance")}`, ...counts.map(([c, n]) => `${n} ${conditionWord(c)}`),
    ...(group.ordered > 0 ? [`${group.ordered} ordered`] : []), ...(group.waiting > 0 ? [`${count(group.waiting, "job")} waiting`] : []),
    ...(group.price > 0 ? [`${money(group.price)} an hour`] : []),
    ...(group.drained ? ["drained by an operator"] : []), ...(group.leaving ? ["left the configuration"] : [])];
  put(section.facts, facts.join(" · "));
  const told = JSON.stringify(group.why);
  if (section.told !== told)
    section.why.replaceChildren(...group.why.map(line =>
      element("li", {}, name(line.startsWith(`${group.name}: `) ? line.slice(group.name.length + 2) : line))));
  section.told = told;
  section.picture.show(fleet, model.things, model.now());
}

function drawInstances(all) {
  const words = $("instance-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  put($("instances-title"), `Instances ${all.length}`);
  instances.show(all.filter(i => {
    const text = `${i.id} ${i.runner} ${conditionWord(conditionOf(i))}`.toLowerCase();
    return words.every(word => text.includes(word));
  }));
}

function draw() {
  const fleet = model.of("instance/");
  drawManager();
  drawTotals(model.of("job/"), fleet);
  drawProblems();
  drawGroups(fleet);
  jobs.draw();
  drawInstances(fleet);
}

async function fetchHistory() {
  const answer = await fetch(`history?after=${plots.last}`).catch(() => null);
  if (!answer?.ok) return;
  plots.add(await answer.json());
  plots.draw(model.now());
}

let wanted = 0;
model.listen(changed => {
  if (changed === null || changed.includes("sample")) fetchHistory();
  wanted ||= requestAnimationFrame(() => { wanted = 0; draw(); });
});

setInterval(() => {
  if (document.hidden) return;
  jobs.table.draw();
  instances.draw();
  log.tell();
  drawTotals(model.of("job/"), model.of("instance/"));
}, 1000);

for (const button of $("span").children)
  button.addEventListener("click", () => {
    plots.hours = Number(button.dataset.hours);
    for (const other of $("span").children) other.setAttribute("aria-pressed", String(other === button));
    plots.draw(model.now());
  });
$("instance-filter").addEventListener("input", () => drawInstances(model.of("instance/")));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawLegend($("legend")); draw(); });

// The cookie is not for scripts to read: the manager says whether there is one to be given back.
async function offerToLeave() {
  const answer = await fetch("visit").catch(() => null);
  if (answer?.ok) $("leave").classList.toggle("offered", (await answer.json()).visit);
}

drawLegend($("legend"));
drawManager();
plots.draw(model.now());
model.start();
log.onHash();
offerToLeave();
