/** The dialog with the settings, and the export and import of chats. */
import {h} from "./dom.js";
import {changeSettings, settings} from "./settings.js";
import {LANGUAGES, t} from "./texts.js";
import {LARGEST} from "./transfer.js";

const field = (label, input, hint) =>
  h("label", {class: "field"}, h("span", {}, label), input, ...(hint ? [h("small", {}, hint)] : []));

const change = (name, value, after) => {
  changeSettings({[name]: value});
  after?.();
};

const text = (name, properties = {}, after) => {
  const input = h(properties.rows ? "textarea" : "input", {
    ...properties,
    onchange: () => change(name, input.value, after),
  });
  input.value = settings[name];
  return input;
};

const check = (name, label) => {
  const input = h("input", {type: "checkbox", onchange: () => change(name, input.checked)});
  input.checked = settings[name];
  return h("label", {class: "check"}, input, h("span", {}, label));
};

const choice = (name, options, after) => {
  const input = h(
    "select",
    {onchange: () => change(name, input.value, after)},
    ...Object.entries(options).map(([value, label]) => h("option", {value}, label)),
  );
  input.value = settings[name];
  return input;
};

const group = (title, ...children) => h("fieldset", {}, h("legend", {}, title), ...children);

/** `actions`: `keyChanged()`, `themeChanged()`, `languageChanged()`, `exportAll()`, `exportOne()`, `importText(text)`. */
export const openSettings = (actions, focus) => {
  const key = text(
    "apiKey",
    {type: "password", autocomplete: "off", name: "api-key", placeholder: "id.secret"},
    actions.keyChanged,
  );
  const number = (name, properties) => text(name, {type: "number", placeholder: t("byModel"), ...properties});
  const result = h("p", {class: "note", role: "alert", hidden: true});
  const tell = (sentence) => {
    result.textContent = sentence;
    result.hidden = false;
  };
  const dialog = h(
    "dialog",
    {class: "settings", "aria-label": t("settings"), onclose: () => dialog.remove()},
    h(
      "form",
      {method: "dialog"},
      h("header", {}, h("h2", {}, t("settings")), h("button", {class: "primary"}, t("close"))),
      group(t("server"), field(t("apiKey"), key, t("apiKeyHint"))),
      group(t("systemPrompt"), text("system", {rows: "3", dir: "auto", "aria-label": t("systemPrompt")})),
      group(
        t("sampling"),
        h(
          "div",
          {class: "grid"},
          field(t("temperature"), number("temperature", {min: "0", max: "2", step: "0.05"})),
          field(t("topP"), number("topP", {min: "0.01", max: "1", step: "0.01"})),
          field(t("maxTokens"), number("maxTokens", {min: "1", step: "1"})),
          field(t("seed"), number("seed", {step: "1"})),
        ),
      ),
      group(
        t("tools"),
        check("demoTools", t("demoTools")),
        check("autoRun", t("autoRun")),
        check("toolStream", t("toolStream")),
      ),
      group(
        t("appearance"),
        h(
          "div",
          {class: "grid"},
          field(
            t("language"),
            choice("language", {"": t("themeSystem"), ...LANGUAGES}, () => {
              dialog.close();
              actions.languageChanged();
            }),
          ),
          field(
            t("theme"),
            choice(
              "theme",
              {system: t("themeSystem"), light: t("themeLight"), dark: t("themeDark")},
              actions.themeChanged,
            ),
          ),
        ),
      ),
      group(
        t("data"),
        h(
          "div",
          {class: "buttons"},
          h("button", {type: "button", onclick: actions.exportOne}, t("exportOne")),
          h("button", {type: "button", onclick: actions.exportAll}, t("exportAll")),
          importButton(actions, tell),
        ),
        result,
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  if (focus === "key") key.focus();
};

const importButton = (actions, tell) => {
  const file = h("input", {
    type: "file",
    accept: "application/json,.json",
    class: "visually-hidden",
    tabindex: "-1",
    "aria-hidden": "true",
    onchange: async () => {
      const [chosen] = file.files;
      file.value = "";
      if (!chosen) return;
      if (chosen.size > LARGEST * 1e6)
        return tell(t("importTooLarge", {size: Math.round(chosen.size / 1e6), limit: LARGEST}));
      try {
        tell(t("imported", {count: await actions.importText(await chosen.text())}));
      } catch (error) {
        tell(t("importInvalid", {reason: error.message}));
      }
    },
  });
  return h("span", {}, h("button", {type: "button", onclick: () => file.click()}, t("importFile")), file);
};
