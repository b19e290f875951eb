/** What the user has chosen, in localStorage: each tab of the page sees it. `browser` is a name for this browser. */
import {newId} from "./dom.js";

const KEY = "headrace.settings";

export const DEFAULTS = {
  browser: "",
  apiKey: "",
  model: "",
  thinking: "on",
  temperature: "",
  topP: "",
  maxTokens: "",
  seed: "",
  system: "",
  demoTools: false,
  autoRun: true,
  toolStream: true,
  language: "",
  theme: "system",
  sidebar: true,
};

const read = () => {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return Object.fromEntries(
      Object.entries(DEFAULTS).map(([name, value]) => [
        name,
        typeof stored[name] === typeof value ? stored[name] : value,
      ]),
    );
  } catch {
    return {...DEFAULTS};
  }
};

export const settings = read();

export const changeSettings = (changes) => {
  Object.assign(settings, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // They hold until the page closes.
  }
};

if (!settings.browser) changeSettings({browser: newId()});

addEventListener("storage", (event) => {
  if (event.key === KEY) Object.assign(settings, read());
});

const NUMBERS = {temperature: "temperature", topP: "top_p", maxTokens: "max_tokens", seed: "seed"};

/** The fields of a request that the settings decide. `efforts`: the levels of thinking that the model has. */
export const requestFields = (model, efforts, tools) => {
  const fields = {model};
  for (const [name, field] of Object.entries(NUMBERS))
    if (settings[name] !== "") fields[field] = Number(settings[name]);
  if (settings.thinking === "off") fields.thinking = {type: "disabled"};
  else {
    fields.thinking = {type: "enabled"};
    if (efforts.includes(settings.thinking)) fields.reasoning_effort = settings.thinking;
  }
  if (settings.demoTools && tools.length) Object.assign(fields, {tools, tool_stream: settings.toolStream});
  return fields;
};
