/**
 * The block structure of markdown, read line by line (CommonMark 0.31 with GFM's tables).
 *
 * A line is read once: it continues the open block, or closes it and begins another. So an answer costs O(its text), also
 * if it is one list, table, quote or fence. Quotes and items contain `Blocks` of their own.
 */
import {element} from "./elements.js";
import {Code, Heading, Html, Mathematics, Paragraph} from "./leaves.js";
import {beginningOf, beginsBlock, indentOf, interruptsParagraph, isBlank, stripIndent, stripQuote} from "./lines.js";

const DEEPEST = 24; // quotes and lists within each other; deeper ones are text
const LARGEST_PART = 50; // blocks, items and rows: what a browser does for each frame costs as much as an element has children

export class Blocks {
  /** Args: `parent`, the element to fill; `onCode(element, code, language)` is called for each complete fence. */
  constructor(parent, {links = new Map(), onCode = () => {}, depth = 0} = {}) {
    Object.assign(this, {parent, links, onCode, depth, open: null, room: 0});
  }

  add(child) {
    if (this.depth) return this.parent.appendChild(child);
    child.setAttribute("dir", "auto");
    if (!this.takeRoom()) {
      this.part = this.parent.appendChild(element("div"));
      this.room = LARGEST_PART - 1;
    }
    return this.part.appendChild(child);
  }

  /** Whether one more fits into the part that is being filled. */
  takeRoom() {
    return this.depth > 0 || --this.room >= 0;
  }

  /** Read a complete line, without its line end. */
  feed(line) {
    if (this.open?.take(line)) return;
    this.closeOpen();
    if (!isBlank(line)) this.open = this.begin(line, beginningOf(line));
  }

  /** Read more of a line whose beginning was fed. */
  append(text) {
    if (!this.open) this.open = new Paragraph(this, text);
    else this.open.append(text);
  }

  begin(line, start) {
    const isDeep = this.depth >= DEEPEST;
    switch (start.kind) {
      case "code":
      case "fence": {
        const code = new Code(this, start);
        if (start.kind === "code") code.take(line);
        return code;
      }
      case "math":
        return new Mathematics(this, start);
      case "quote":
        return isDeep ? new Paragraph(this, line) : new Quote(this, line);
      case "item":
        return isDeep ? new Paragraph(this, line) : new List(this, start);
      case "rule":
        this.add(element("hr"));
        return null;
      case "heading":
        return new Heading(this, start.level, start.text);
      case "html":
        return new Html(this, line);
      default:
        return new Paragraph(this, line.trimStart());
    }
  }

  closeOpen() {
    const {open} = this;
    this.open = null;
    open?.close();
  }

  close() {
    this.ghost?.remove();
    this.closeOpen();
  }

  /** Whether the deepest open block is a paragraph, which a line may continue without the marks of its containers. */
  get isLazy() {
    return this.open?.isLazy ?? false;
  }

  /** Show what is open, with a line that is not yet complete. */
  render(rest) {
    this.ghost?.remove();
    if (rest === undefined || /^[ \t]*(?:[-+*>#=|_~`$\\[]*|\d{1,9}[.)]?)[ \t]*$/.test(rest)) return this.open?.render();
    if (this.open?.render && this.continues(rest)) return this.open.render(rest);
    this.open?.render();
    const item = this.open instanceof List ? this.open.next(rest) : null;
    this.ghost = item ? this.open.element.appendChild(element("li")) : this.parent.appendChild(element("div", "ghost"));
    const ghost = new Blocks(this.ghost, {links: new Map(this.links), depth: this.depth});
    ghost.feed(item ? item.text : rest);
    ghost.close();
  }

  continues(line) {
    const {open} = this;
    if (open instanceof Quote || open instanceof List) return open.owns(line);
    if (open instanceof Heading) return false;
    if (open instanceof Code) return open.fence || indentOf(line) >= 4;
    return open instanceof Html || open instanceof Mathematics || !interruptsParagraph(line);
  }
}

class Quote {
  constructor(blocks, line) {
    this.blocks = blocks;
    this.element = blocks.add(element("blockquote"));
    this.inner = nested(blocks, this.element);
    this.inner.feed(stripQuote(line));
  }

  owns(line) {
    return stripQuote(line) !== null || (this.isLazy && !isBlank(line) && !beginsBlock(line));
  }

  take(line) {
    if (!this.owns(line)) return false;
    const text = stripQuote(line);
    if (text === null) this.inner.append(`\n${line.trimStart()}`);
    else this.inner.feed(text);
    return true;
  }

  append(text) {
    this.inner.append(text);
  }

  get isLazy() {
    return this.inner.isLazy;
  }

  render(rest) {
    this.inner.render(rest === undefined ? undefined : (stripQuote(rest) ?? rest));
  }

  close() {
    this.inner.close();
  }
}

/** A list settles by item, and continues in another one when its part is full. */
class List {
  constructor(blocks, start) {
    Object.assign(this, {blocks, marker: start.marker, number: start.start, isBlankBefore: false, elements: []});
    this.begin("");
    this.beginItem(start);
  }

  begin(className) {
    this.element = this.blocks.add(element(this.number === null ? "ul" : "ol", className));
    if (this.number !== null && this.number !== 1) this.element.setAttribute("start", String(this.number));
    this.elements.push(this.element);
  }

  beginItem(start) {
    this.inner?.close();
    if (this.element.hasChildNodes() && !this.blocks.takeRoom())
      this.begin(this.isLoose ? "continued loose" : "continued");
    if (this.number !== null) this.number++;
    this.width = start.width;
    this.isEmpty = start.isEmpty;
    const item = this.element.appendChild(element("li"));
    const task = /^\[([ xX])\][ \t]+(?=\S)/.exec(start.text);
    if (task) item.append(element("span", "task", task[1] === " " ? "☐" : "☑"));
    this.inner = nested(this.blocks, item);
    if (!start.isEmpty) this.inner.feed(task ? start.text.slice(task[0].length) : start.text);
  }

  isWithin(line) {
    return indentOf(line) >= this.width && !(this.isEmpty && this.isBlankBefore);
  }

  next(line) {
    const start = isBlank(line) ? null : beginningOf(line);
    return start?.kind === "item" &&
      start.marker === this.marker &&
      (start.start === null) === (this.element.localName === "ul")
      ? start
      : null;
  }

  owns(line) {
    return this.isWithin(line) || (this.isLazy && !this.isBlankBefore && !beginsBlock(line));
  }

  take(line) {
    if (isBlank(line)) {
      this.isBlankBefore = true;
      if (!this.isEmpty) this.inner.feed("");
      return true;
    }
    const next = this.isWithin(line) ? null : this.next(line);
    if (!next && !this.owns(line)) return false;
    if (this.isBlankBefore && !this.isLoose) this.becomeLoose();
    const isWithin = this.isWithin(line);
    this.isBlankBefore = this.isEmpty = false;
    if (next) this.beginItem(next);
    else if (isWithin) this.inner.feed(stripIndent(line, this.width));
    else this.inner.append(`\n${line.trimStart()}`);
    return true;
  }

  /** A blank line is between the items or their blocks. */
  becomeLoose() {
    this.isLoose = true;
    for (const each of this.elements) each.classList.add("loose");
  }

  append(text) {
    this.inner.append(text);
  }

  get isLazy() {
    return this.inner.isLazy;
  }

  render(rest) {
    this.inner.render(rest === undefined ? undefined : this.isWithin(rest) ? stripIndent(rest, this.width) : rest);
  }

  close() {
    this.inner.close();
  }
}

const nested = ({links, onCode, depth}, parent) => new Blocks(parent, {links, onCode, depth: depth + 1});
