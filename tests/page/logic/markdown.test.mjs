/** Markdown becomes the same elements wherever its text is cut, and never anything that runs or loads. */
import assert from "node:assert/strict";
import {test} from "node:test";

import {container} from "./document.mjs";
import {Answer} from "../../../packages/headrace/src/headrace/web/markdown/answer.js";

const shown = (...pieces) => {
  const parent = container();
  const answer = new Answer(parent);
  for (const piece of pieces) {
    answer.write(piece);
    answer.render();
  }
  answer.close();
  return parent;
};
const texts = (parent, name) => parent.all.filter((each) => each.localName === name).map((each) => each.textContent);
const mathematics = (parent) =>
  parent.all.filter((each) => each.className.startsWith("math")).map((each) => each.dataset.source);

const MIXED = `# Title *one*

A paragraph with **bold**, \`code\`, [a link](https://example.com/a_b_c) and $x_1 + y$
and a second line.

- one
- two
  1. nested
  2. items

     with a paragraph
- [x] done

> quoted **text**
continued lazily
> - in a list

| a | b |
|---|:-:|
| 1 | \`x\\|y\` |
| $5 and $10 | 4 |

\`\`\`python
def f():
	return "<b>"
\`\`\`

$$
a_1 * b_2
$$

Setext
======

<div onclick="x">*html*</div>

![alt](https://example.com/i.png) ***
`;

test("every cut in two gives the same elements", () => {
  const whole = shown(MIXED).innerHTML;
  for (let cut = 1; cut < MIXED.length; cut++) {
    assert.equal(shown(MIXED.slice(0, cut), MIXED.slice(cut)).innerHTML, whole, `cut at ${cut}`);
  }
  assert.equal(shown(...MIXED).innerHTML, whole);
  assert.equal(shown(...MIXED.replaceAll("\n", "\r\n")).innerHTML, whole);
});

test("a long line or paragraph gives the same elements in any pieces", () => {
  for (const unit of ["word *em* `c` ", "中文，**粗体。**和", "[a](https://b.c) ", "plain\ntext **x ", "| a | b "]) {
    const long = unit.repeat(1500);
    const whole = shown(long);
    assert.equal(shown(...long.match(/[\s\S]{1,7}/g)).textContent, whole.textContent);
    assert.equal(shown(...long.match(/[\s\S]{1,1000}/g)).innerHTML, whole.innerHTML);
  }
});

test("source code keeps every character, however long its lines are", () => {
  const lengths = [0, 1, 2047, 2048, 2049, 5000, 0, 9000, 3, 2040, 2041];
  const code = lengths.map((length, line) => String(line % 10).repeat(length)).join("\n") + "\n";
  for (const [text, source] of [
    [`\`\`\`js\n${code}\`\`\`\nend`, code],
    [`\`\`\`js\n${code}`, code],
    [`\`\`\`\n\`\`\`\nend`, ""],
    [`> ~~~\n${code.replace(/^/gm, "> ").slice(0, -2)}> ~~~\n`, code],
    [code.replace(/^(?=.)/gm, "    "), code.trimStart()],
  ])
    for (const size of [1, 7, 2048, 1e6])
      assert.deepEqual(texts(shown(...text.match(new RegExp(`[^]{1,${size}}`, "g"))), "code"), [source]);
});

test("an answer is a sequence of parts of at most 50 blocks, the same at any cut", () => {
  const text = MIXED.repeat(12);
  const whole = shown(text);
  assert.ok(whole.childNodes.length > 2 && whole.childNodes.every((part) => part.childNodes.length <= 50));
  for (const size of [1, 5, 200]) {
    assert.equal(shown(...text.match(new RegExp(`[^]{1,${size}}`, "g"))).innerHTML, whole.innerHTML);
  }
});

test("a long list or table continues in the next part, with its numbers, columns and distances", () => {
  const items = Array.from({length: 120}, (_, index) => `${index + 7}. item\n`);
  const lists = shown(...items.slice(0, 80), "\n", ...items.slice(80)).childNodes.map(({childNodes: [list]}) => list);
  assert.deepEqual(
    lists.map((list) => [list.localName, list.attributes.get("start"), list.className, list.childNodes.length]),
    [
      ["ol", "7", "loose", 50],
      ["ol", "57", "continued loose", 50],
      ["ol", "107", "continued loose", 20],
    ],
  );
  const parts = shown("| a | b |\n|---|---|\n", ..."| 1 | 2 |\n".repeat(120).match(/.*\n/g)).childNodes;
  const tables = parts.map(({childNodes: [block]}) => block.childNodes[0]);
  assert.deepEqual(
    tables.map((table) => [table.className, table.childNodes.at(-1).childNodes.length]),
    [
      ["fixed", 48],
      ["fixed", 50],
      ["fixed", 22],
    ],
  );
});

test("emphasis beside Chinese punctuation", () => {
  assert.deepEqual(texts(shown("**历经10年发展，**年"), "strong"), ["历经10年发展，"]);
  assert.deepEqual(texts(shown("他说**“你好”**吗？含**「重点」**内容"), "strong"), ["“你好”", "「重点」"]);
  assert.deepEqual(texts(shown("**注意：**文本"), "strong"), ["注意："]);
  assert.deepEqual(texts(shown("*（斜体）。*后"), "em"), ["（斜体）。"]);
  assert.deepEqual(texts(shown("~~删（除）。~~后"), "del"), ["删（除）。"]);
  assert.deepEqual(texts(shown("2**3**4"), "strong"), ["3"]);
});

test("emphasis elsewhere follows CommonMark", () => {
  const cases = {
    'a*"foo"*': "",
    "* a *b": "",
    foo_bar_baz: "",
    "*foo**bar*": "<em>foo**bar</em>",
    "***foo** bar*": "<em><strong>foo</strong> bar</em>",
    "**foo*": "*<em>foo</em>",
    "*foo [*bar*](https://u.v)*": null,
    "foo******bar*********baz": null,
    "*foo __bar *baz bim__ bam*": "<em>foo <strong>bar *baz bim</strong> bam</em>",
  };
  for (const [source, expected] of Object.entries(cases)) {
    const html = shown(source).innerHTML;
    if (expected) assert.ok(html.includes(expected), html);
    if (expected === "") assert.doesNotMatch(html, /<em>|<strong>/);
  }
});

test("only two tildes strike", () => {
  const prices = shown("大约3~5天，价格100~200元");
  assert.deepEqual(texts(prices, "del"), []);
  assert.equal(prices.textContent, "大约3~5天，价格100~200元");
  assert.deepEqual(texts(shown("~~x~~ and ~~25~30~~"), "del"), ["x", "25~30"]);
  assert.deepEqual(texts(shown("~~~\ncode\n~~~"), "code"), ["code\n"]);
});

test("a bare link ends at Chinese punctuation and before the end of a sentence", () => {
  const links = (source) => texts(shown(source), "a");
  assert.deepEqual(links("见https://example.com/a。然后"), ["https://example.com/a"]);
  assert.deepEqual(links("(see www.example.com/x_y_z)."), ["www.example.com/x_y_z"]);
  assert.deepEqual(links("https://zh.example.org/wiki/中文（简体）"), ["https://zh.example.org/wiki/中文"]);
  assert.deepEqual(links("https://example.com/a_(b), and `https://c.d`"), ["https://example.com/a_(b)"]);
});

test("prices are no mathematics, and the source of mathematics is unchanged, at every cut", () => {
  const source = "costs $5 and $10, $/PR and $/session, $HOME, `$x$`: \\(x_1\\), $$a_1 * b_2$$, $\\alpha$，设$y$为";
  for (let cut = 0; cut < source.length; cut++) {
    assert.deepEqual(mathematics(shown(source.slice(0, cut), source.slice(cut))), ["x_1", "a_1 * b_2", "\\alpha", "y"]);
  }
  assert.deepEqual(mathematics(shown("\\[\na\n\\]\n\n$$\nnever closed\n\ntext")), ["a"]);
});

test("HTML is text, every character of it once", () => {
  const source =
    'List<String>, <channel>, a < b && c > d, a `Vec<T>`, <think>*x*</think>\n\n<table><tr onclick=*a*>\n*b*\n\n```xml\n<a href="b">&lt;</a>\n```';
  const answer = shown(source);
  for (const part of [
    "List<String>, <channel>, a < b && c > d, a Vec<T>, <think>",
    "<table><tr onclick=*a*>\n*b*",
    '<a href="b">&lt;</a>',
  ]) {
    assert.ok(answer.textContent.includes(part), part);
  }
});

test("a link leads nowhere but to http, https and mail", () => {
  const source = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\\\nscript:alert(1)",
    "&#106;avascript:alert(1)",
    "\u0001javascript:alert(1)",
    "data:text/html,<script>",
    "file:///etc/passwd",
    "//evil.example",
    "vbscript:x",
  ]
    .map((href) => `[a](<${href}>) [b]: `)
    .join("\n\n");
  const answer = shown(`${source}\n\n[c][d]\n\n[d]: javascript:alert(1)\n`);
  assert.deepEqual(texts(answer, "a"), []);
  assert.equal(
    shown("[a](https://b.c 'title')")
      .all.find((each) => each.localName === "a")
      .attributes.get("href"),
    "https://b.c",
  );
});

test("an answer becomes no element beyond the list", () => {
  const allowed = new Set(
    "p h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code span em strong del br hr a div table thead tbody tr th td".split(
      " ",
    ),
  );
  const hostile =
    '<script>x</script><img src=x onerror=y><svg onload=z><iframe srcdoc="a">![i](https://a.b/c)<style>@import "x"</style>' +
    '\n\n![r][r]\n\n[r]: https://a.b/c\n\n<form action=x><input type=image src=y>\n\n```html\n<script>\n```\n```mermaid\ngraph TD;A["<img onerror=x>"]\n';
  for (let cut = 0; cut < hostile.length; cut++) {
    for (const made of shown(hostile.slice(0, cut), hostile.slice(cut)).all) {
      assert.ok(allowed.has(made.localName), made.localName);
      assert.ok([...made.attributes.keys()].every((name) => ["dir", "href", "target", "rel", "start"].includes(name)));
    }
  }
});

test("links whose definitions follow are found", () => {
  assert.deepEqual(texts(shown("see [this][1] and [That]\n\n[1]: https://a.b\n[that]: <https://c.d>\n"), "a"), [
    "this",
    "That",
  ]);
});

test("a hostile text takes no longer than its length", () => {
  for (const unit of [
    "_a",
    "*a ",
    "[",
    "![",
    "`a``",
    "> ",
    "- ",
    "a**b",
    "$a ",
    "\\(",
    "<a ",
    "](",
    "[a](b",
    "&",
    "~~a",
    "((",
    "|a\n|-\n",
  ]) {
    const started = process.cpuUsage().user;
    shown(...unit.repeat(40_000 / unit.length).match(/[\s\S]{1,500}/g));
    assert.ok(process.cpuUsage().user - started < 20e6, unit);
  }
});
