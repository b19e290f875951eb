/** Elements, and what browsers do not offer to a page on plain http. */

/** Create an element: `h("button", {class: "stop", onclick: f, title: "…"}, ...children)`. Children may be null. */
export const h = (name, properties = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
};

/** A button with a symbol, whose name is its title. */
export const iconButton = (name, title, onclick, properties = {}) =>
  h(
    "button",
    {type: "button", title, "aria-label": title, onclick, ...properties, class: `icon ${properties.class ?? ""}`},
    icon(name),
  );

const PATHS = {
  copy: "M9 9h10v10H9zM5 15V5h10",
  check: "M5 12l5 5 9-10",
  redo: "M4 5v5h5M4.6 10A8 8 0 1 1 4 14",
  edit: "M4 20l4-1L19 8l-3-3L5 16zM14 7l3 3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  stop: "M7 7h10v10H7z",
  send: "M12 20V5M6 11l6-6 6 6",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  run: "M8 5l11 7-11 7z",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 9l6 6 6-6",
};

export const svg = (name, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

export const icon = (name) => svg("svg", {viewBox: "0 0 24 24", "aria-hidden": "true"}, svg("path", {d: PATHS[name]}));

/** A random id. `crypto.randomUUID` needs a secure context. */
export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Copy a text. `navigator.clipboard` needs a secure context. */
export const copyText = async (text) => {
  if (navigator.clipboard) {
    try {
      return await navigator.clipboard.writeText(text);
    } catch {
      // The browser refused: try the old way.
    }
  }
  const selected = document.activeElement;
  const area = h("textarea", {class: "visually-hidden", value: ""});
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  selected?.focus();
};

/** A button that copies what `read` returns, and says so for a moment. */
export const copyButton = (read, title, copied, properties = {}) => {
  const button = iconButton(
    "copy",
    title,
    async () => {
      await copyText(read());
      button.replaceChildren(icon("check"));
      button.title = copied;
      setTimeout(() => {
        button.replaceChildren(icon("copy"));
        button.title = title;
      }, 1500);
    },
    properties,
  );
  return button;
};

/** A button that asks once more before it does what cannot be undone. */
export const confirmButton = (name, title, question, onclick, properties = {}) => {
  const button = iconButton(
    name,
    title,
    (event) => {
      event.stopPropagation();
      if (button.dataset.asked) return onclick();
      button.dataset.asked = "1";
      button.replaceChildren(question);
      setTimeout(() => {
        delete button.dataset.asked;
        button.replaceChildren(icon(name));
      }, 3000);
    },
    properties,
  );
  return button;
};

/** Whether a key event belongs to an input method, such as the Enter that takes a Chinese candidate. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** Save a text as a file of the user. */
export const saveFile = (name, text, type = "application/json") => {
  const url = URL.createObjectURL(new Blob([text], {type}));
  const link = h("a", {href: url, download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
};
