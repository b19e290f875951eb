/**
 * An answer that grows: markdown becomes elements, each line once.
 *
 * `write` takes text in any pieces: the elements at the end do not depend on where it was cut.
 */
import {Blocks} from "./blocks.js";

const LONG_LINE = 2048;

export class Answer {
  constructor(parent, options = {}) {
    Object.assign(this, {parent, options, rest: "", source: "", carry: ""});
    this.begin(new Map());
  }

  begin(links) {
    this.blocks = new Blocks(this.parent, {...this.options, links});
    this.isWithinLine = false;
  }

  /** Add text. It is shown by `render` or `close`. */
  write(text) {
    const whole = (this.carry + text).replaceAll("\r\n", "\n");
    this.carry = whole.endsWith("\r") ? "\r" : ""; // a line end may be cut in two
    const read = (this.carry ? whole.slice(0, -1) : whole).replaceAll("\r", "\n");
    this.source += read;
    this.read(read);
  }

  read(text) {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop();
    for (const line of lines) {
      this.pass(this.cutLongLine(line));
      this.isWithinLine = false;
    }
    this.rest = this.cutLongLine(this.rest);
  }

  /** The beginning of a line decides what it is; after that, more of it can be passed at any time. */
  cutLongLine(line) {
    if (!this.isWithinLine && line.length <= LONG_LINE) return line;
    const end = this.isWithinLine ? 0 : LONG_LINE;
    if (end) this.pass(line.slice(0, end));
    this.isWithinLine = true;
    this.pass(line.slice(end));
    return "";
  }

  pass(text) {
    if (!this.isWithinLine) this.blocks.feed(text);
    else if (text) this.blocks.append(text);
  }

  /** Show everything so far. Costs as much as the last paragraph. */
  render() {
    this.blocks.render(this.rest || undefined);
  }

  /** The text is complete. A link whose definition came after it is found now. */
  close() {
    if (this.rest) this.pass(this.rest);
    this.rest = this.carry = "";
    this.blocks.render();
    this.blocks.close();
    const {links} = this.blocks;
    if (!links.size || this.isRepeated || this.source.length > 50_000) return;
    this.isRepeated = true;
    this.parent.replaceChildren();
    this.begin(links);
    this.read(this.source);
    this.close();
  }
}
