/** The one line that screen readers announce: a few times for each answer, not for each piece of it. */
import {t} from "./texts.js";

export class Status {
  constructor(element) {
    this.element = element;
    this.announced = "";
  }

  /** Announce the state of the last answer of the chat that is shown. */
  show(message, completion, notice) {
    if (!message) return;
    const [state, text] = stateOf(message, completion, notice);
    const announced = `${message.id} ${state}`;
    if (this.announced === announced) return;
    // An old answer that comes on the screen is no news.
    const isNews = this.announced.startsWith(message.id) || message.state === "running";
    this.announced = announced;
    if (isNews && text) this.element.textContent = text;
  }
}

const stateOf = (message, {content, reasoning, toolCalls}, notice) => {
  switch (message.state) {
    case "running":
      if (content) return ["answering", t("statusAnswering")];
      if (toolCalls.length) return ["calls", t("statusCalls")];
      if (reasoning) return ["thinking", t("statusThinking")];
      return notice?.name === "queued" ? ["queued", t("statusQueued")] : ["waiting", ""];
    case "done":
      return ["done", toolCalls.length ? t("statusCalls") : t("statusDone", {count: content.length})];
    case "stopped":
      return ["stopped", t("statusStopped")];
    default:
      return ["error", t("statusError", {message: message.error?.message ?? t("lost")})];
  }
};
