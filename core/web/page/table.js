// table.js - a table of which only the rows in view exist, however many there are. Rows have one height, so that
// nothing moves when they change; keys move between them, and what is read aloud knows how many there are.

import { element } from "./text.js";

const SPARE = 6; // rows beyond either edge

export class Table {
  // columns: [{title, className, fill(cell, item)}]; open(item), when a row can be opened
  constructor(place, { label, columns, open, empty }) {
    Object.assign(this, { columns, open, empty });
    this.items = [];
    this.rows = new Map();
    this.head = element("div", { className: "row head", role: "row" },
      ...columns.map(column => element("span", { role: "columnheader", className: column.className, textContent: column.title })));
    this.body = element("div", { className: "rows", role: "rowgroup" });
    this.box = element("div", { className: "table", role: "table", tabIndex: 0, "aria-label": label },
      element("div", { role: "rowgroup", className: "heads" }, this.head), this.body);
    this.none = element("p", { className: "faint none" });
    place.append(this.box, this.none);
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    this.box.addEventListener("keydown", event => this.onKey(event));
    this.body.addEventListener("click", event => {
      const row = event.target.closest(".row");
      if (row && this.open) this.open(this.items[row.index]);
    });
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  show(items) {
    this.items = items;
    this.none.textContent = items.length === 0 ? this.empty() : "";
    this.box.hidden = items.length === 0;
    this.box.setAttribute("aria-rowcount", items.length + 1);
    this.draw();
  }

  get height() { return parseFloat(getComputedStyle(this.box).getPropertyValue("--row")) * 16; }

  draw() {
    const height = this.height, n = this.items.length;
    const first = Math.max(0, Math.floor(this.box.scrollTop / height) - SPARE);
    const end = Math.min(n, Math.ceil((this.box.scrollTop + this.box.clientHeight) / height) + SPARE);
    this.body.style.height = `${n * height}px`;
    for (const [index, row] of this.rows)
      if (index < first || index >= end) {
        row.remove();
        this.rows.delete(index);
      }
    for (let index = first; index < end; index++) this.fill(index, height);
  }

  fill(index, height) {
    let row = this.rows.get(index);
    if (!row) {
      row = element("div", { className: "row", role: "row" },
        ...this.columns.map(column => element("span", { role: "cell", className: column.className })));
      row.index = index;
      row.style.top = `${index * height}px`;
      row.setAttribute("aria-rowindex", index + 2);
      if (this.open) row.tabIndex = -1;
      this.rows.set(index, row);
      this.body.append(row);
    }
    this.columns.forEach((column, i) => column.fill(row.children[i], this.items[index], row));
  }

  onKey(event) {
    const at = event.target.closest?.(".row")?.index ?? -1, page = Math.max(1, Math.floor(this.box.clientHeight / this.height) - 1);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.items.length - 1 }[event.key];
    if (event.key === "Enter" && at >= 0 && this.open) this.open(this.items[at]);
    if (to === undefined || !this.open || this.items.length === 0) return;
    event.preventDefault();
    this.focus(Math.min(Math.max(to, 0), this.items.length - 1));
  }

  focus(index) {
    const height = this.height, head = this.head.offsetHeight, top = index * height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + height + head > this.box.scrollTop + this.box.clientHeight)
      this.box.scrollTop = top + height + head - this.box.clientHeight;
    this.draw();
    this.rows.get(index)?.focus({ preventScroll: true });
  }
}
