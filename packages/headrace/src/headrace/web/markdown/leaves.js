/**
 * The blocks of markdown that hold text: each is fed with lines, and settles what can no longer change.
 *
 * A block has `take(line)`, which returns whether the line belongs to it; `append(text)`, more of the same line, for lines
 * of many thousand characters; `render(rest)`, which shows it with a line that is not yet complete; `close()`.
 */
import {before, isCjk} from "./characters.js";
import {element, inlineNodes, leftToRight, mathElement} from "./elements.js";
import {definitionIn} from "./links.js";
import {delimiterCells, indentOf, interruptsParagraph, isBlank, rowCells, stripIndent} from "./lines.js";

const LARGEST_TABLE = 100; // rows
const LONG = 2048; // characters: a paragraph or a piece of code is settled in pieces of about this size

/** Text whose elements come from inline markdown. Its last piece is rendered again while it grows. */
export class Paragraph {
  constructor(blocks, line, name = "p") {
    Object.assign(this, {blocks, name, text: "", previous: "", size: 0, nodes: [], isLazy: name === "p"});
    this.element = blocks.add(element(name));
    this.append(line);
  }

  take(line) {
    if (this.name !== "p" || isBlank(line)) return false;
    const underline = /^ {0,3}(=+|-+)[ \t]*$/.exec(line);
    if (underline && !this.size) return this.becomeHeading(underline[1][0] === "=" ? "h1" : "h2");
    const columns = delimiterCells(line);
    if (columns && this.becomeTable(columns)) return true;
    if (interruptsParagraph(line)) return false;
    this.append(`\n${line.trimStart()}`);
    return true;
  }

  append(text) {
    this.text += text;
    while (this.text.length > LONG) this.settle(settledEnd(this.text.slice(0, LONG)));
  }

  becomeHeading(name) {
    this.close();
    this.element.remove();
    this.blocks.add(element(name, "", ...this.element.childNodes));
    this.blocks.open = null;
    return true;
  }

  becomeTable(columns) {
    const start = this.text.lastIndexOf("\n") + 1;
    const header = this.text.slice(start);
    if (rowCells(header).length !== columns.length) return false;
    this.text = this.text.slice(0, Math.max(0, start - 1));
    this.close();
    this.blocks.open = new Table(this.blocks, header, columns);
    return true;
  }

  /** Keep as a tail what later text may change: from the last blank, or from an unclosed delimiter. */
  settle(cut) {
    this.replaceTail(this.text.slice(0, cut));
    this.nodes = [];
    this.size += cut;
    this.previous = before(this.text, cut);
    this.text = this.text.slice(cut);
    if (this.size > 2 * LONG) {
      // The browser lays out a paragraph as a whole.
      this.element = this.blocks.add(element(this.name, "continued"));
      this.size = 1;
    }
  }

  replaceTail(text) {
    for (const node of this.nodes) node.remove();
    this.nodes = inlineNodes(text, {links: this.blocks.links, previous: this.previous});
    this.element.append(...this.nodes);
  }

  render(rest) {
    this.replaceTail(rest === undefined ? this.text : `${this.text}\n${rest.trimStart()}`);
  }

  close() {
    let lines = this.text.split("\n");
    for (let found; !this.size && (found = definitionIn(lines[0])); lines = lines.slice(1)) {
      if (!this.blocks.links.has(found[0])) this.blocks.links.set(...found);
      if (lines.length === 1) lines.push("");
    }
    this.text = lines.join("\n").trimEnd();
    this.render();
    if (!this.element.hasChildNodes()) this.element.remove();
  }
}

const settledEnd = (text) => {
  const unclosed = text.search(/(?<![\w\\])[*_~`[$]+(?=\S)(?![\s\S]*[*_~`\]$])/);
  const end = unclosed > LONG / 2 ? unclosed : text.length;
  const blank = text.lastIndexOf(" ", end - 1) + 1;
  if (blank > LONG / 4) return blank;
  for (let at = end; at > LONG / 4; at--) if (isCjk(before(text, at))) return at;
  return end - (/[\ud800-\udbff]/.test(text[end - 1]) ? 1 : 0);
};

/** A heading is a line. */
export class Heading extends Paragraph {
  constructor(blocks, level, text) {
    super(blocks, text, `h${level}`);
  }

  close() {
    this.render();
  }
}

/** Source code, between fences or indented. */
export class Code {
  constructor(blocks, {fence, indent = 0, info = ""}) {
    Object.assign(this, {blocks, fence, indent, blank: 0, size: 0});
    this.code = leftToRight(element("code"));
    this.language = info.trim().split(/[\s{,]/)[0];
    this.element = blocks.add(element("pre", "", this.code));
    if (this.language) this.element.dataset.language = this.language;
  }

  take(line) {
    if (this.fence) return this.takeFenced(line);
    if (isBlank(line)) this.blank++;
    else if (indentOf(line) < 4) return false;
    else {
      this.append("\n".repeat(this.blank) + stripIndent(line, 4), "\n");
      this.blank = 0;
    }
    return true;
  }

  takeFenced(line) {
    const end = /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(line);
    if (end?.[1][0] === this.fence[0] && end[1].length >= this.fence.length) this.blocks.closeOpen();
    else this.append(stripIndent(line, this.indent), "\n");
    return true;
  }

  /** Add text, and before it the end of the line before: there may be more of a line that was taken. */
  append(text, lineEnd = "") {
    this.rest?.remove();
    // The browser lays out a block as a whole: long code is a sequence of blocks.
    if (!this.piece || this.size > LONG) {
      this.piece?.append(lineEnd);
      this.piece = this.code.appendChild(element("span", "lines", text));
      this.size = text.length;
    } else {
      this.piece.append(lineEnd + text);
      this.size += text.length;
    }
  }

  render(rest) {
    this.rest?.remove();
    if (rest === undefined) return;
    this.rest = this.code.appendChild(element("span", "lines", stripIndent(rest, this.fence ? this.indent : 4)));
  }

  close() {
    this.rest?.remove();
    this.piece?.append("\n");
    this.blocks.onCode(this.element, this.code, this.language);
  }
}

/** Mathematics between `$$` or `\[` and `\]` on lines of their own. A blank line before its end makes it a text. */
export class Mathematics {
  constructor(blocks, {open, end, rest}) {
    Object.assign(this, {blocks, end, source: ""});
    this.element = blocks.add(element("p", "", open));
    this.append(rest);
  }

  take(line) {
    if (isBlank(line)) return false;
    const text = line.trimEnd();
    if (!text.endsWith(this.end)) this.append(`\n${line}`);
    else {
      const source = `${this.source}\n${text.slice(0, -this.end.length)}`.trim();
      this.element.replaceChildren(mathElement(source, true));
      this.blocks.open = null;
    }
    return true;
  }

  append(text) {
    this.source += text;
    this.element.append(text);
  }

  render() {}

  close() {}
}

/** HTML is text, to its next blank line: no character of it is markdown. */
export class Html {
  constructor(blocks, line) {
    this.element = blocks.add(element("p", "html", line));
  }

  take(line) {
    if (isBlank(line)) return false;
    this.append(`\n${line}`);
    return true;
  }

  append(text) {
    this.rest?.remove();
    this.element.append(text);
  }

  render(rest) {
    this.rest?.remove();
    if (rest !== undefined) this.element.append((this.rest = element("span", "", `\n${rest}`)));
  }

  close() {
    this.rest?.remove();
  }
}

/** A table settles by row, and continues in another one after many rows: the browser lays out a table as a whole. */
export class Table {
  constructor(blocks, header, columns) {
    Object.assign(this, {blocks, columns});
    this.begin(element("thead", "", this.row(header, "th")));
  }

  begin(...children) {
    this.body = element("tbody");
    this.table?.classList.add("fixed"); // so that the columns of both have the same width
    const table = element("table", this.table ? "fixed" : "", ...children, this.body);
    this.blocks.add(element("div", this.table ? "table continued" : "table", table));
    this.table = table;
    this.rows = 0;
  }

  row(line, cell) {
    const cells = rowCells(line);
    return element(
      "tr",
      "",
      ...this.columns.map((align, index) =>
        element(cell, align, ...inlineNodes(cells[index] ?? "", {links: this.blocks.links})),
      ),
    );
  }

  take(line) {
    this.render();
    if (isBlank(line) || interruptsParagraph(line)) return false;
    if (this.rows === LARGEST_TABLE || !this.blocks.takeRoom()) this.begin();
    this.rows++;
    this.body.append(this.row(line, "td"));
    return true;
  }

  append(text) {
    this.body.lastChild?.lastChild.append(text);
  }

  render(rest) {
    this.rest?.remove();
    if (rest !== undefined) this.rest = this.body.appendChild(this.row(rest, "td"));
  }

  close() {
    this.render();
  }
}
