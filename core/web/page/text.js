// text.js - how times, amounts and names are written; elements made of text alone. What comes from jobs and
// clouds goes through name() or textContent, never through a parser of HTML.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties))
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Isolated: whatever direction it is written in, what stands beside it keeps its own.
export const name = (text, className = "") => element("bdi", { textContent: visible(text), className });

// Control characters as pictures of themselves: a name is one line, and hides nothing.
const visible = text => String(text).replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029]/g, c =>
  c.charCodeAt(0) < 32 ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : "\ufffd");

export function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  const two = n => String(n).padStart(2, "0");
  if (d > 0) return `${d}d ${two(h % 24)}h`;
  if (h > 0) return `${h}h ${two(m % 60)}m`;
  return m > 0 ? `${m}m ${two(s % 60)}s` : `${s}s`;
}

// Money as the configuration has it: no currency is known.
export const money = micros => {
  const value = micros / 1e6;
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toFixed(4).replace(/0{1,2}$/, "");
};

export const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

export const clock = ms => new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

// Writes only what differs: nothing that stands still is laid out again.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
