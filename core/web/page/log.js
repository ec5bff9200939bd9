// log.js - one job: where it is, why it waits, and its log as it grows.

import { Terminal } from "./terminal.js";
import { duration, element, name, put } from "./text.js";
import { phaseMark, phaseWord } from "./jobs.js";

const WHY_EVERY_MS = 3000, NEAR_END = 24;

export class Log {
  constructor(model) {
    this.model = model;
    for (const id of ["job", "job-title", "job-line", "job-why", "job-note", "job-log", "job-follow", "job-wrap", "job-close"])
      this[id.replace(/-(.)/g, (_, c) => c.toUpperCase())] = document.getElementById(id);
    this.jobClose.addEventListener("click", () => this.job.close());
    this.job.addEventListener("close", () => this.onClosed());
    this.job.addEventListener("click", event => { if (event.target === this.job) this.job.close(); });
    this.jobFollow.addEventListener("click", () => this.follow(!this.following));
    this.jobWrap.addEventListener("click", () => {
      const wrap = this.jobLog.classList.toggle("wrap");
      this.jobWrap.setAttribute("aria-pressed", wrap);
    });
    this.jobLog.addEventListener("scroll", () => this.onScroll(), { passive: true });
    addEventListener("hashchange", () => this.onHash());
    model.listen(() => this.tell());
  }

  // The address names the job, so that "back" closes it and a link opens it.
  open(seq) { location.hash = `job=${seq}`; }

  onHash() {
    const seq = Number(/^#job=(\d{1,15})$/.exec(location.hash)?.[1]);
    if (seq && seq !== this.seq) this.begin(seq);
    else if (!seq && this.job.open) this.job.close();
  }

  begin(seq) {
    this.end();
    this.seq = seq;
    this.jobLog.replaceChildren();
    this.terminal = new Terminal(this.jobLog);
    put(this.jobNote, "");
    put(this.jobWhy, "");
    this.follow(true);
    this.tell();
    if (!this.job.open) this.job.showModal();
    this.jobLog.focus();
    this.source = new EventSource(`log?seq=${seq}`);
    this.source.addEventListener("text", event => this.write(JSON.parse(event.data)));
    this.source.addEventListener("end", event => this.finish(JSON.parse(event.data).sentence));
    this.source.onerror = () => {
      if (this.source?.readyState === EventSource.CLOSED) this.finish("This log cannot be had.");
      else put(this.jobNote, "The connection is lost; trying again.");
    };
    this.source.onopen = () => put(this.jobNote, "");
    this.ask();
  }

  end() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.asking);
  }

  onClosed() {
    this.end();
    this.seq = 0;
    this.jobLog.replaceChildren();
    if (location.hash.startsWith("#job=")) history.replaceState(null, "", location.pathname);
  }

  finish(sentence) {
    this.source?.close();
    this.source = null;
    put(this.jobNote, sentence);
  }

  write({ text, skipped }) {
    if (skipped > 0) put(this.jobNote, `${skipped.toLocaleString("en")} bytes before this are not shown; GitLab has the whole log.`);
    this.terminal.write(text);
    if (this.terminal.dropped > 0) put(this.jobNote, "Only the last 5,000 lines are shown; GitLab has the whole log.");
    if (this.following) this.jobLog.scrollTop = this.jobLog.scrollHeight;
  }

  follow(on) {
    this.following = on;
    this.jobFollow.setAttribute("aria-pressed", on);
    if (on) this.jobLog.scrollTop = this.jobLog.scrollHeight;
  }

  // Who reads further up is not taken away from there.
  onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.jobLog, atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (atEnd !== this.following && !(this.following && scrollTop >= this.scrolled)) this.follow(atEnd);
    this.scrolled = scrollTop;
  }

  tell() {
    const job = this.model.things.get(`job/${this.seq}`);
    if (!this.seq) return;
    if (!job) {
      if (this.jobTitle.textContent === "") put(this.jobTitle, "A job that is not here any more");
      return put(this.jobLine, "It has ended, and GitLab has its log.");
    }
    this.jobTitle.replaceChildren(`Job ${job.id} `, name(job.name));
    this.jobLine.replaceChildren(phaseMark(job), ` ${phaseWord(job)} for `,
      element("strong", { textContent: duration(this.model.now() - job.since) }), `; runner `, name(job.runner),
      ...(job.instance ? ["; instance ", name(job.instance), `, slot ${job.slot}`] : []), ...(job.vm ? ["; VM ", name(job.vm)] : []));
  }

  async ask() {
    const seq = this.seq;
    const answer = await fetch(`explain?seq=${seq}`).then(r => r.ok ? r.json() : null).catch(() => null);
    if (seq !== this.seq) return;
    this.jobWhy.replaceChildren(name(answer?.lines.join(" ") ?? ""));
    this.asking = setTimeout(() => this.ask(), WHY_EVERY_MS);
  }
}
