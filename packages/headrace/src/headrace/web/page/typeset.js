/** Colours of source code and mathematics: loaded when an answer first needs them, and computed off the page's thread. */

const NAMES = {
  bash: "bash sh shell zsh console",
  c: "c h",
  cpp: "cpp c++ cc cxx hpp",
  csharp: "csharp cs c#",
  css: "css",
  diff: "diff patch",
  dockerfile: "dockerfile docker",
  go: "go golang",
  ini: "ini toml",
  java: "java",
  javascript: "javascript js jsx mjs cjs",
  json: "json jsonc json5",
  kotlin: "kotlin kt",
  lua: "lua",
  makefile: "makefile make mk",
  markdown: "markdown md",
  php: "php",
  python: "python py python3",
  r: "r",
  ruby: "ruby rb",
  rust: "rust rs",
  sql: "sql",
  swift: "swift",
  typescript: "typescript ts tsx",
  xml: "xml html svg xhtml",
  yaml: "yaml yml",
};
const MODULES = new Map(
  Object.entries(NAMES).flatMap(([module, names]) => names.split(" ").map((name) => [name, module])),
);
const LONGEST = 50_000; // characters of source code
const BUDGET = 8; // ms of work at a time

let worker = null;
const waiting = [];

const startWorker = () => {
  const url = new URL("./highlighter.js", import.meta.url).href;
  // The page's policy lets no text become a script's address but this one.
  const policy = globalThis.trustedTypes?.createPolicy("headrace-worker", {createScriptURL: () => url});
  worker = new Worker(policy ? policy.createScriptURL("") : url, {type: "module"});
  worker.onmessage = ({data}) => waiting.shift()(data);
};

/** Call `act` for each item, in as many frames as it takes. */
const inFrames = async (items, act) => {
  let started = 0;
  for (const item of items) {
    if (performance.now() - started > BUDGET) {
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      started = performance.now();
    }
    act(item);
  }
};

/** Colour complete source code, which is a sequence of elements, if its language is known. */
export const highlight = (code, language) => {
  const module = MODULES.get(language.toLowerCase());
  const source = code.textContent;
  if (!module || !source || source.length > LONGEST) return;
  if (!worker) startWorker();
  const lines = [...code.children];
  waiting.push((pieces) => {
    if (pieces) inFrames(lines.entries(), ([index, each]) => each.replaceChildren(...pieces[index].map(build)));
  });
  worker.postMessage({source, module, sizes: lines.map((each) => each.textContent.length)});
};

const build = (node) => {
  if (typeof node === "string") return document.createTextNode(node);
  const [scope, inner] = node;
  const made = document.createElement("span");
  made.className = `code-${scope.split(".")[0]}`;
  made.append(build(inner));
  return made;
};

let temml = null;

/** Render the mathematics below `element` from its source, a few formulas at a time. What is no mathematics stays as it is. */
export const renderMathematics = async (element) => {
  const formulas = [...element.querySelectorAll(".math:not([data-rendered])")];
  if (!formulas.length) return;
  for (const formula of formulas) formula.dataset.rendered = "";
  const {render} = (await (temml ??= import("../vendor/temml/temml.js"))).default;
  await inFrames(formulas, (formula) => {
    const holder = document.createElement("span");
    try {
      render(formula.dataset.source, holder, {
        displayMode: formula.classList.contains("display"),
        throwOnError: true,
        trust: false,
        maxExpand: 200,
        maxSize: [20, 50],
      });
      formula.replaceChildren(...holder.childNodes);
    } catch {
      formula.classList.add("invalid");
    }
  });
};
