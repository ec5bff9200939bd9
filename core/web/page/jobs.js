// jobs.js - the table of jobs: those that wait first, the oldest of them at the top, then those that run, the
// latest at the top; and what their phases are called.

import { Table } from "./table.js";
import { duration, element, name, put } from "./text.js";

export const PHASES = ["waiting", "starting", "running", "ending"];

const STAGES = { prepare_executor: "preparing", prepare_script: "preparing", get_sources: "getting sources",
  clear_worktree: "clearing the worktree", restore_cache: "restoring caches", download_artifacts: "downloading artifacts",
  after_script: "after_script", archive_cache: "archiving caches", archive_cache_on_failure: "archiving caches",
  upload_artifacts_on_success: "uploading artifacts", upload_artifacts_on_failure: "uploading artifacts",
  cleanup_file_variables: "cleaning up" };

const ENDINGS = { success: "passed", failed: "failed", canceled: "canceled" };

export function phaseWord(job) {
  if (job.phase === "ending") return `${ENDINGS[job.result] ?? job.result ?? ""}, sending its end`;
  if (job.phase !== "running") return job.phase;
  if (!job.stage) return "running";
  return STAGES[job.stage] ?? (job.stage.startsWith("step_") ? job.stage === "step_script" ? "running the script" : `running ${job.stage.slice(5)}` : job.stage);
}

export const phaseMark = job => element("span", { className: `mark ${job.phase}`, "aria-hidden": "true" });

const ORDER = Object.fromEntries(PHASES.map((phase, i) => [phase, i]));

export class Jobs {
  constructor(model, open) {
    this.model = model;
    this.phase = "";
    this.filter = document.getElementById("filter");
    this.table = new Table(document.getElementById("job-table"), {
      label: "Jobs",
      open: job => open(job.seq),
      empty: () => model.state === "connecting" ? "" : this.any ? "No job fits the filter." : "No job is here now.",
      columns: [
        { title: "Job", className: "number id", fill: (cell, job) => put(cell, String(job.id)) },
        { title: "Name", className: "name", fill: (cell, job) => fillName(cell, job.name) },
        { title: "Phase", className: "phase", fill: fillPhase },
        { title: "For", className: "number for", fill: (cell, job) => put(cell, duration(model.now() - job.since)) },
        { title: "Runner", className: "runner", fill: (cell, job) => fillName(cell, job.runner) },
        { title: "Where", className: "where", fill: (cell, job) => fillName(cell, job.instance ? `${job.instance} · ${job.slot}` : "") },
      ],
    });
    this.buttons = ["", ...PHASES].map(phase => {
      const button = element("button", { "aria-pressed": String(phase === "") });
      button.addEventListener("click", () => this.choose(phase));
      return button;
    });
    document.getElementById("phases").append(...this.buttons);
    this.filter.addEventListener("input", () => this.draw());
  }

  choose(phase) {
    this.phase = phase;
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(["", ...PHASES][i] === phase)));
    this.table.box.scrollTop = 0;
    this.draw();
  }

  draw() {
    const all = this.model.of("job/"), words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.any = all.length > 0;
    ["", ...PHASES].forEach((phase, i) => put(this.buttons[i],
      `${phase || "all"} ${all.filter(job => phase === "" || job.phase === phase).length}`));
    const fits = job => {
      const text = `${job.id} ${job.name} ${job.runner} ${job.instance}`.toLowerCase();
      return (this.phase === "" || job.phase === this.phase) && words.every(word => text.includes(word));
    };
    this.table.show(all.filter(fits).sort((a, b) => ORDER[a.phase] - ORDER[b.phase] ||
      (a.phase === "waiting" ? a.seq - b.seq : b.since - a.since || b.seq - a.seq)));
  }
}

export function fillName(cell, text) {
  if (cell.told === text) return;
  cell.told = text;
  cell.replaceChildren(name(text));
  cell.title = cell.textContent;
}

function fillPhase(cell, job, row) {
  const word = phaseWord(job), told = `${job.phase} ${word}`;
  if (cell.told === told) return;
  cell.told = told;
  cell.replaceChildren(phaseMark(job), word);
  row.className = `row ${job.phase} ${job.result ?? ""}`;
}
