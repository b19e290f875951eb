/** Text that grows, shown as it is. The browser lays out a block as a whole, so long text is a sequence of blocks. */

const LONG = 2048;

export class PlainText {
  constructor(element) {
    Object.assign(this, {element, size: 0, piece: null});
  }

  write(text) {
    let rest = text;
    while (rest) {
      if (!this.piece) {
        this.piece = this.element.appendChild(document.createElement("div"));
        this.size = 0;
      }
      // A block ends with a line if there is one.
      const end = this.size < LONG ? -1 : rest.slice(0, LONG).indexOf("\n");
      const isLast = end >= 0 || this.size > 4 * LONG;
      const part = end >= 0 ? rest.slice(0, end) : rest.slice(0, LONG);
      this.piece.append(part);
      this.size += part.length;
      rest = rest.slice(end >= 0 ? end + 1 : part.length);
      if (isLast) this.piece = null;
    }
  }
}
