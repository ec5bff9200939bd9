// model.js - what the manager told of itself, kept current by its events: one snapshot, then differences.
//
// `things` holds objects by the key that the manager gave them: "group/NAME", "instance/NAME/ID", "job/SEQ", "manager".

const HIDDEN_MS = 10000; // nobody looks: the manager is asked to tell nothing
const AGAIN_MS = 3000;

export class Model {
  constructor() {
    this.things = new Map();
    this.aheadMs = 0; // of this machine's clock
    this.listeners = [];
    this.last = "";
    this.state = "connecting";
    document.addEventListener("visibilitychange", () => this.onVisibility());
  }

  // Called with the keys that changed; null: everything may have.
  listen(listener) { this.listeners.push(listener); }

  tell(changed) { for (const listener of this.listeners) listener(changed); }

  now() { return Date.now() + this.aheadMs; }

  get manager() { return this.things.get("manager") ?? {}; }

  of(kind) {
    const found = [];
    for (const [key, thing] of this.things) if (key.startsWith(kind)) found.push(thing);
    return found;
  }

  start() {
    this.source = new EventSource(`events${this.last ? `?after=${encodeURIComponent(this.last)}` : ""}`);
    this.source.addEventListener("snapshot", event => this.take(event, true));
    this.source.addEventListener("change", event => this.take(event, false));
    this.source.onerror = () => this.onError();
  }

  stop() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.again);
  }

  take(event, whole) {
    const { now, set, gone } = JSON.parse(event.data);
    this.aheadMs = now - Date.now();
    this.last = event.lastEventId;
    if (whole) this.things.clear();
    for (const key of gone ?? []) this.things.delete(key);
    for (const key in set) this.things.set(key, { ...set[key], key });
    this.state = "live";
    this.tell(whole ? null : [...Object.keys(set), ...(gone ?? [])]);
  }

  // The browser tries again by itself, unless the answer was a refusal: then the page is loaded anew,
  // and the browser asks for the token.
  async onError() {
    const refused = this.source?.readyState === EventSource.CLOSED;
    this.state = "lost";
    this.tell([]);
    if (!refused) return;
    const answer = await fetch("history?after=9007199254740991").catch(() => null);
    if (answer && (answer.status === 401 || answer.status === 403)) location.reload();
    else this.again = setTimeout(() => { this.stop(); this.start(); }, AGAIN_MS);
  }

  onVisibility() {
    clearTimeout(this.hiding);
    if (document.hidden)
      this.hiding = setTimeout(() => { this.stop(); this.state = "paused"; }, HIDDEN_MS);
    else if (!this.source)
      this.start();
  }
}
