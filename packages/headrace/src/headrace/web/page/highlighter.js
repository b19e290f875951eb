/** A worker: `{source, module, sizes}` → for each piece of so many characters a list of texts and `[scope, text]`, or null. */
import highlighter from "../vendor/highlight/core.js";

const known = new Map();
const load = async (module) => {
  const {default: grammar} = await import(`../vendor/highlight/${module}.js`);
  highlighter.registerLanguage(module, grammar);
};

const colour = (root, sizes) => {
  const pieces = sizes.map(() => []);
  let at = 0;
  let left = sizes[0];
  const walk = (node, wrap) => {
    if (typeof node !== "string") {
      const {scope, children} = node;
      for (const child of children) walk(child, scope ? (inner) => wrap([scope, inner]) : wrap);
      return;
    }
    for (let rest = node; rest;) {
      while (!left) left = sizes[++at];
      const text = rest.slice(0, left);
      pieces[at].push(wrap(text));
      left -= text.length;
      rest = rest.slice(text.length);
    }
  };
  walk(root, (text) => text);
  return pieces;
};

let last = Promise.resolve();
onmessage = ({data: {source, module, sizes}}) => {
  last = last.then(async () => {
    try {
      if (!known.has(module)) known.set(module, load(module));
      await known.get(module);
      const {_emitter: emitter} = highlighter.highlight(source, {language: module, ignoreIllegals: true});
      postMessage(colour(emitter.rootNode, sizes));
    } catch {
      postMessage(null);
    }
  });
};
