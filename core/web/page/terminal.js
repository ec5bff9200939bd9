// terminal.js - a job's log as lines of styled text: what a terminal would show of it, and nothing that a terminal
// would do. Colours (SGR), carriage returns, backspaces, erasing of the line and GitLab's sections are understood;
// every other control sequence is dropped. Nothing of a log is ever parsed as HTML.

const MOST_LINES = 5000, MOST_COLUMNS = 10000;
const SECTION = /^section_(start|end):(\d{1,13}):([A-Za-z0-9_.-]{1,200})(\[[^\]]{0,200}\])?$/;
const TURNS = /[\u202a-\u202e\u2066-\u2069]/; // marks by which a line would read as another one
// In front of a line, where the log has times; a plus: the line before goes on in this one.
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) [0-9a-f]{2}[OE]([ +])/;
const SOME_STAMP = "2000-01-01T00:00:00.000000Z 00O ";
const mayBecomeStamp = text => text.length < SOME_STAMP.length && STAMP.test(text + SOME_STAMP.slice(text.length));

export class Terminal {
  constructor(place) {
    this.place = place;
    this.rest = ""; // an escape sequence or a stamp whose end has not come
    this.starts = true; // a line does, which may have a stamp
    this.ends = false; // the current line does, unless the next one goes on with it
    this.time = ""; // of the current line
    this.cells = [];
    this.column = 0;
    this.style = "";
    this.sections = []; // open ones: {name, start, node}
    this.lines = [];
    this.line = null;
    this.dropped = 0;
    this.ended = false; // a section was, just now: the line that ends behind its mark is no empty line
  }

  write(text) {
    const all = this.rest + text;
    let at = 0;
    this.rest = "";
    while (at < all.length) {
      const c = all[at];
      if (this.starts) {
        const head = all.slice(at, at + SOME_STAMP.length);
        if (mayBecomeStamp(head)) {
          this.rest = head;
          break;
        }
        at += this.start(STAMP.exec(head));
        continue;
      }
      if (c === "\u001b" || c === "\u009b") {
        const end = this.escape(all, at);
        if (end < 0) {
          this.rest = all.slice(at);
          break;
        }
        at = end;
        continue;
      }
      if (c === "\n") this.starts = this.ends = true;
      else if (c === "\r") {
        if (at + 1 === all.length) { // the next piece may begin with its "\n"
          this.rest = c;
          break;
        }
        if (all[at + 1] !== "\n") this.carriage();
      } else if (c === "\b") this.column = Math.max(0, this.column - 1);
      else if (c === "\t") do this.put(" "); while (this.column % 8 !== 0);
      else if (c >= " " && c !== "\u007f" && !(c >= "\u0080" && c <= "\u009f")) {
        const point = String.fromCodePoint(all.codePointAt(at));
        this.put(point);
        at += point.length;
        continue;
      }
      at++;
    }
    this.show(this.ends && !this.ended);
  }

  // A line begins; returns the length of its stamp.
  start(stamp) {
    const goesOn = stamp?.[2] === "+";
    if (this.ends && !goesOn) this.feed();
    if (stamp && !goesOn) this.time = stamp[1];
    this.starts = this.ends = false;
    return stamp ? stamp[0].length : 0;
  }

  put(character) {
    if (this.column >= MOST_COLUMNS) return;
    if (TURNS.test(character)) character = "\ufffd";
    while (this.cells.length < this.column) this.cells.push([" ", ""]);
    this.cells[this.column++] = [character, this.style];
  }

  // What stands before a carriage return may be the mark of a section.
  carriage() {
    const mark = SECTION.exec(this.cells.map(cell => cell[0]).join(""));
    this.column = 0;
    if (!mark) return;
    this.cells = [];
    if (mark[1] === "start") this.begin(mark[3], Number(mark[2]), /collapsed=true/.test(mark[4] ?? ""));
    else this.end(mark[3], Number(mark[2]));
  }

  begin(section, start, collapsed) {
    const node = document.createElement("details"), title = document.createElement("summary");
    node.open = !collapsed;
    node.append(title);
    this.drop();
    this.parent.append(node);
    this.sections.push({ section, start, node });
    this.line = title;
    this.ended = false;
  }

  end(section, time) {
    const at = this.sections.findLastIndex(open => open.section === section);
    if (at < 0) return;
    const { start, node } = this.sections[at];
    this.drop();
    this.sections.length = at;
    this.ended = true;
    if (time >= start) {
      const took = document.createElement("span");
      took.className = "took";
      took.textContent = `${Math.floor((time - start) / 60)}:${String((time - start) % 60).padStart(2, "0")}`;
      node.firstChild.append(took);
    }
  }

  get parent() { return this.sections.at(-1)?.node ?? this.place; }

  // An empty line that was begun is none.
  drop() {
    if (this.line && this.line.tagName !== "SUMMARY") this.lines.pop().remove();
    this.line = null;
  }

  feed() {
    this.show(!this.ended);
    this.ended = false;
    this.cells = [];
    this.column = 0;
    this.line = null;
    this.time = "";
  }

  // The place behind the sequence at `at`; negative: it is not whole.
  escape(all, at) {
    const short = all[at] === "\u009b" ? 1 : 0, kind = short ? "[" : all[at + 1], from = at + 2 - short;
    if (kind === undefined) return -1;
    if (kind === "[") {
      for (let i = from; i < all.length && i - from < 256; i++)
        if (all[i] >= "@" && all[i] <= "~") {
          this.command(all[i], all.slice(from, i));
          return i + 1;
        } else if (all[i] < " ") return i;
      return all.length - from >= 256 ? from : -1;
    }
    if ("]PX^_".includes(kind)) { // up to its terminator: titles, links, strings
      for (let i = from; i < all.length && i - from < 4096; i++)
        if (all[i] === "\u0007" || all[i] === "\n") return all[i] === "\n" ? i : i + 1;
        else if (all[i] === "\u001b" && all[i + 1] === "\\") return i + 2;
      return all.length - from >= 4096 ? from : -1;
    }
    if (kind >= " " && kind <= "/") return all[at + 2] === undefined ? -1 : at + 3;
    return kind < " " ? at + 1 : at + 2;
  }

  command(letter, text) {
    const numbers = text.split(/[;:]/).map(part => part === "" ? 0 : Number(part));
    if (numbers.some(Number.isNaN)) return; // a private one
    if (letter === "m") this.style = restyle(this.style, numbers);
    else if (letter === "K") {
      if (numbers[0] === 0) this.cells.length = Math.min(this.cells.length, this.column);
      else if (numbers[0] === 2) this.cells = [];
      else for (let i = 0; i < Math.min(this.column + 1, this.cells.length); i++) this.cells[i] = [" ", ""];
    } else if (letter === "G") this.column = Math.min(Math.max(numbers[0] - 1, 0), MOST_COLUMNS);
    else if (letter === "C") this.column = Math.min(this.column + Math.max(numbers[0], 1), MOST_COLUMNS);
    else if (letter === "D") this.column = Math.max(this.column - Math.max(numbers[0], 1), 0);
  }

  // Writes the current line; `whole`: also an empty one.
  show(whole = false) {
    if (!this.line) {
      if (!whole && this.cells.length === 0) return;
      this.line = document.createElement("div");
      this.parent.append(this.line);
      this.lines.push(this.line);
      this.forget();
    }
    const took = this.line.querySelector(":scope > .took");
    this.line.replaceChildren(...pieces(this.cells, this.time), ...(took ? [took] : []));
  }

  forget() {
    while (this.lines.length > MOST_LINES) {
      const line = this.lines.shift(), parent = line.parentElement;
      line.remove();
      this.dropped++;
      if (parent?.tagName === "DETAILS" && parent.children.length === 1 && !this.sections.some(open => open.node === parent)) parent.remove();
    }
  }
}

// Cells of one style are one element.
function pieces(cells, time) {
  const made = [];
  if (time !== "") {
    const node = document.createElement("time");
    node.textContent = `${time.slice(11, 23)} `;
    node.dateTime = time;
    made.push(node);
  }
  for (let i = 0; i < cells.length;) {
    let end = i, text = "";
    for (; end < cells.length && cells[end][1] === cells[i][1]; end++) text += cells[end][0];
    made.push(styled(text, cells[i][1]));
    i = end;
  }
  return made;
}

function styled(text, style) {
  if (style === "") return document.createTextNode(text);
  const made = document.createElement("span");
  made.textContent = text;
  for (const part of style.split(" "))
    if (part.includes("#")) made.style.setProperty(part.startsWith("f") ? "color" : "background-color", part.slice(1));
    else made.classList.add(part);
  return made;
}

// A style is words: "bold", "f1" (foreground 1), "b12", "f#ff8800".
function restyle(style, numbers) {
  let words = style === "" ? [] : style.split(" ");
  const without = start => words.filter(word => !start.test(word));
  for (let i = 0; i < numbers.length; i++) {
    const n = numbers[i];
    const flag = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" }[n];
    if (n === 0) words = [];
    else if (flag) words = [...words.filter(word => word !== flag), flag];
    else if (n === 22) words = without(/^(bold|dim)$/);
    else if (n >= 23 && n <= 29) words = without({ 23: /^italic$/, 24: /^underline$/, 27: /^inverse$/, 29: /^strike$/ }[n] ?? /^$/);
    else if (n === 39 || n === 49) words = without(n === 39 ? /^f/ : /^b(?!old)/);
    else if (n === 38 || n === 48) {
      const colour = numbers[i + 1] === 5 ? indexed(numbers[i + 2]) : numbers[i + 1] === 2 ? rgb(numbers.slice(i + 2, i + 5)) : null;
      i += numbers[i + 1] === 5 ? 2 : numbers[i + 1] === 2 ? 4 : 0;
      if (colour !== null) words = [...without(n === 38 ? /^f/ : /^b(?!old)/), (n === 38 ? "f" : "b") + colour];
    } else {
      const base = n >= 30 && n <= 37 ? ["f", n - 30] : n >= 90 && n <= 97 ? ["f", n - 82] : n >= 40 && n <= 47 ? ["b", n - 40] : n >= 100 && n <= 107 ? ["b", n - 92] : null;
      if (base) words = [...without(base[0] === "f" ? /^f/ : /^b(?!old)/), base.join("")];
    }
  }
  return words.join(" ");
}

const rgb = parts => parts.length === 3 && parts.every(n => n >= 0 && n <= 255)
  ? `#${parts.map(n => n.toString(16).padStart(2, "0")).join("")}` : null;

function indexed(n) {
  if (!(n >= 0 && n <= 255)) return null;
  if (n < 16) return n;
  if (n >= 232) return rgb(Array(3).fill(8 + (n - 232) * 10));
  const level = i => [0, 95, 135, 175, 215, 255][Math.floor((n - 16) / 6 ** i) % 6];
  return rgb([level(2), level(1), level(0)]);
}
