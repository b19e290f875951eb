/** What a line of markdown begins. */

const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const ITEM = /^( {0,3})([-+*]|\d{1,9}[.)])(?=[ \t]|$)/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$/;
const QUOTE = /^ {0,3}>/;
const MATH = /^ {0,3}(\$\$|\\\[)(?!.*(?:\$\$|\\\]))(.*)$/;
const HTML = new RegExp(
  "^ {0,3}<(?:!--|\\?|![A-Z]|/?(?:address|article|aside|base|blockquote|body|button|canvas|caption|center|col|dd|details|" +
    "dialog|dir|div|dl|dt|embed|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|" +
    "legend|li|link|main|math|menu|meta|nav|noscript|object|ol|optgroup|option|p|param|pre|script|section|select|style|" +
    "summary|svg|table|tbody|td|template|textarea|tfoot|th|thead|title|tr|track|ul|video)(?=[\\s/>]|$))",
  "i",
);

export const isBlank = (line) => /^[ \t]*$/.test(line);

/** The column of the first character that is no blank. */
export const indentOf = (line) => {
  let column = 0;
  for (const character of line) {
    if (character === " ") column++;
    else if (character === "\t") column += 4 - (column % 4);
    else break;
  }
  return column;
};

/** Remove up to `columns` columns of blanks; a tab that reaches further leaves blanks. */
export const stripIndent = (line, columns) => {
  let column = 0;
  let at = 0;
  while (column < columns && (line[at] === " " || line[at] === "\t")) {
    column += line[at] === " " ? 1 : 4 - (column % 4);
    at++;
  }
  return " ".repeat(Math.max(0, column - columns)) + line.slice(at);
};

/** Return what a line that is not blank begins: `{kind, …}`, where `kind` is "text" if it is nothing else. */
export const beginningOf = (line) => {
  if (indentOf(line) >= 4) return {kind: "code"};
  let found;
  if ((found = FENCE.exec(line))) return {kind: "fence", indent: found[1].length, fence: found[2], info: found[3]};
  if ((found = MATH.exec(line)))
    return {kind: "math", open: found[1], end: found[1] === "$$" ? "$$" : "\\]", rest: found[2]};
  if (QUOTE.test(line)) return {kind: "quote"};
  if (RULE.test(line)) return {kind: "rule"};
  if ((found = ITEM.exec(line))) return itemOf(line, found);
  if ((found = HEADING.exec(line))) return {kind: "heading", level: found[1].length, text: found[2] ?? ""};
  return {kind: HTML.test(line) ? "html" : "text"};
};

const itemOf = (line, [whole, indent, marker]) => {
  const rest = line.slice(whole.length);
  const blanks = indentOf(rest);
  const isEmpty = isBlank(rest);
  const width = whole.length + (isEmpty || blanks > 4 ? 1 : blanks);
  return {
    kind: "item",
    marker: marker.at(-1),
    start: /\d/.test(marker) ? Number.parseInt(marker, 10) : null,
    width,
    isEmpty,
    text: isEmpty ? "" : stripIndent(rest, width - whole.length),
    indent: indent.length,
  };
};

/** Whether a line ends a paragraph: an indented line does not, and a list only if it begins with 1 and has text. */
export const interruptsParagraph = (line) => {
  const {kind, isEmpty, start} = beginningOf(line);
  if (kind === "item") return !isEmpty && (start === null || start === 1);
  return kind !== "text" && kind !== "code";
};

export const beginsBlock = (line) => !["text", "code"].includes(beginningOf(line).kind);

export const stripQuote = (line) => (QUOTE.test(line) ? stripIndent(line.replace(/^ {0,3}>/, ""), 1) : null);

/** The cells of a table's row. `\|` is a bar within a cell. */
export const rowCells = (line) =>
  line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));

/** The alignments that the second line of a table sets, or null if it is none. */
export const delimiterCells = (line) => {
  if (!/^[ \t|:-]*-[ \t|:-]*$/.test(line) || !/[|:]/.test(line)) return null;
  const cells = rowCells(line);
  if (!cells.every((cell) => /^:?-+:?$/.test(cell))) return null;
  return cells.map((cell) =>
    cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "end") : cell.startsWith(":") ? "start" : "",
  );
};
