/** Where the user writes: the question, the switch for thinking, and the button that sends or stops. */
import {h, icon, isComposing} from "./dom.js";
import {changeSettings, settings} from "./settings.js";
import {t} from "./texts.js";

export class Composer {
  /** `send(text)`: returns whether it was sent; `stop()`. */
  constructor({send, stop}) {
    Object.assign(this, {send, stop, isRunning: false});
    this.input = h("textarea", {
      id: "question",
      rows: "1",
      dir: "auto",
      placeholder: t("message"),
      "aria-label": t("message"),
      enterkeyhint: "send",
      oninput: () => this.grow(),
      onkeydown: (event) => this.key(event),
    });
    this.thinking = h("select", {
      "aria-label": t("thinking"),
      onchange: () => changeSettings({thinking: this.thinking.value}),
    });
    this.button = h("button", {class: "send"});
    this.element = h(
      "form",
      {class: "composer", onsubmit: (event) => this.submit(event)},
      this.input,
      h("div", {class: "row"}, this.thinking, this.button),
    );
    this.show(false);
  }

  grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight}px`;
    this.button.disabled = !this.isRunning && !this.input.value.trim();
  }

  key(event) {
    const isTouch = matchMedia("(pointer: coarse)").matches;
    if (event.key !== "Enter" || event.shiftKey || isTouch || isComposing(event)) return;
    event.preventDefault();
    if (!this.isRunning) this.submit(event);
  }

  submit(event) {
    event.preventDefault();
    if (this.isRunning) return this.stop();
    const text = this.input.value;
    if (!text.trim()) return;
    this.input.value = "";
    this.grow();
    this.send(text).then((wasSent) => {
      if (!wasSent && !this.input.value) this.input.value = text;
      this.grow();
    });
  }

  /** The button stops while an answer runs. */
  show(isRunning) {
    if (this.isRunning === isRunning && this.button.hasChildNodes()) return;
    this.isRunning = isRunning;
    const name = isRunning ? "stop" : "send";
    this.button.replaceChildren(icon(name));
    this.button.title = t(name);
    this.button.setAttribute("aria-label", t(name));
    this.button.classList.toggle("running", isRunning);
    this.button.disabled = !isRunning && !this.input.value.trim();
  }

  /** What the model can do: `{thinking_switch, reasoning_efforts}`. */
  showThinking({thinking_switch: canSwitch, reasoning_efforts: efforts = []} = {}) {
    const levels = efforts.filter((level) => !["none", "minimal"].includes(level));
    const values = [...(canSwitch === false ? [] : ["off"]), "on", ...levels]; // "on" is the model's own level
    const names = {off: t("thinkingOff"), on: t("thinkingOn")};
    this.thinking.replaceChildren(
      ...values.map((value) => h("option", {value}, names[value] ?? t("thinkingLevel", {level: value}))),
    );
    this.thinking.hidden = values.length < 2;
    this.thinking.value = values.includes(settings.thinking) ? settings.thinking : "on";
  }
}
