/** An answer on the screen: thoughts, text, tool calls, how it ended, and what can be done with it. */
import {Answer} from "../markdown/answer.js";
import {CallView} from "./call-view.js";
import {copyButton, h, iconButton} from "./dom.js";
import {PlainText} from "./plain-text.js";
import {t} from "./texts.js";
import {figures, gapPlot, thinkingSeconds} from "./timing.js";
import {highlight, renderMathematics} from "./typeset.js";

const BUDGET = 8; // ms of work at a time
const PIECE = 4096; // characters read within the budget at a time
const REST = 4; // the next drawing waits this many times as long as the last one took

export class AnswerView {
  /** `actions`: what the chat does: `regenerate`, `remove`, `enterKey`, `sendResults`. */
  constructor(message, actions, branches) {
    Object.assign(this, {message, actions, notBefore: 0});
    this.thinking = h("details", {class: "thinking"});
    this.summary = h("summary");
    this.text = h("div", {class: "markdown"});
    this.calls = h("div", {class: "calls"});
    this.note = h("p", {class: "note", hidden: true});
    this.footer = h("footer", {class: "actions"}, branches);
    this.element = h(
      "article",
      {class: "message assistant", "aria-label": t("answer"), "data-id": message.id},
      this.thinking,
      this.text,
      this.calls,
      this.note,
      this.footer,
    );
    this.begin();
    this.schedule();
  }

  begin() {
    this.read = {reasoning: 0, content: 0};
    this.callViews = [];
    const thoughts = h("div", {class: "thoughts", dir: "auto"});
    this.thoughts = new PlainText(thoughts);
    this.thinking.replaceChildren(this.summary, thoughts);
    this.text.replaceChildren();
    this.calls.replaceChildren();
    this.answer = new Answer(this.text, {onCode: this.addCode});
    this.isClosed = false;
  }

  addCode = (element, code, language) => {
    code.tabIndex = 0; // it scrolls, so the keyboard must reach it
    element.prepend(copyButton(() => code.textContent, t("copy"), t("copied"), {class: "copy-code"}));
    if (language) highlight(code, language);
  };

  /** Show a turn while it runs. */
  follow(turn) {
    if (this.turn === turn) return;
    this.turn = turn;
    turn.addEventListener("change", () => this.schedule());
    this.clock = setInterval(() => this.message.state === "running" && this.showThinking(), 1000);
    this.schedule();
  }

  detach() {
    clearInterval(this.clock);
    this.isDetached = true;
  }

  get completion() {
    return this.turn?.completion ?? this.message.completion;
  }

  get isOver() {
    return this.message.state !== "running";
  }

  /** Draw what is new with the next frame; not more often than its work, and what the browser then does, allow. */
  schedule = () => {
    this.isStale = true;
    if (this.isScheduled || this.isDetached) return;
    this.isScheduled = true;
    setTimeout(() => requestAnimationFrame(this.drawFrame), this.notBefore - performance.now());
  };

  drawFrame = () => {
    if (this.isDetached) return;
    const started = performance.now();
    // After the frame: its layout and painting are part of its time.
    setTimeout(() => {
      const now = performance.now();
      this.notBefore = now + (now - started) * REST;
      this.isScheduled = false;
      if (this.isStale) this.schedule();
    });
    this.isStale = !this.draw(started + BUDGET);
  };

  /** Draw what is new until `deadline`; return whether that was all. */
  draw(deadline) {
    const {completion} = this;
    if (completion.reasoning.length < this.read.reasoning || completion.content.length < this.read.content)
      this.begin();
    const isComplete = this.drawText(completion, deadline);
    this.drawCalls(completion.toolCalls);
    this.showThinking();
    this.showNote();
    if (isComplete && this.isOver && !this.isClosed) this.close();
    return isComplete;
  }

  drawText(completion, deadline) {
    for (const [field, write] of [
      ["reasoning", (piece) => this.thoughts.write(piece)],
      ["content", (piece) => this.answer.write(piece)],
    ]) {
      while (this.read[field] < completion[field].length) {
        const piece = completion[field].slice(this.read[field], this.read[field] + PIECE);
        write(piece);
        this.read[field] += piece.length;
        if (performance.now() > deadline) return false;
      }
    }
    if (!this.isClosed) this.answer.render();
    return true;
  }

  close() {
    this.isClosed = true;
    this.answer.close();
    renderMathematics(this.text);
    this.showFooter();
  }

  drawCalls(calls) {
    calls.forEach((call, index) => {
      const view = (this.callViews[index] ??= this.addCall());
      view.show(call, this.isOver);
    });
  }

  addCall() {
    const view = new CallView(this.message, this.actions);
    this.calls.append(view.element);
    return view;
  }

  showThinking() {
    const {completion, message} = this;
    const {timing} = message;
    const isThinking = !this.isOver && !completion.content && !completion.toolCalls.length;
    this.thinking.hidden = !completion.reasoning;
    const seconds = timing ? thinkingSeconds(timing, isThinking ? Date.now() : timing.last) : 0;
    const label = isThinking ? t("thinkingNow", {seconds}) : seconds ? t("thought", {seconds}) : t("thoughtSome");
    if (this.summary.textContent !== label) this.summary.textContent = label;
    this.thinking.classList.toggle("active", isThinking);
    if (isThinking && completion.reasoning && !this.wasOpened) {
      this.wasOpened = this.thinking.open = true;
    } else if (!isThinking && this.wasOpened && !this.wasFolded) {
      this.wasFolded = true;
      this.thinking.open = false;
    }
    this.element.classList.toggle("waiting", isThinking && !completion.reasoning);
    if (!this.isOver) this.showFigures();
  }

  showFigures() {
    this.figures ??= this.footer.appendChild(h("span", {class: "figures"}));
    this.figures.textContent = figures(this.message.timing, this.completion.usage);
  }

  showNote() {
    const [text, button] = noteOf(this.message, this.completion, this.turn?.notice);
    const isShown = Boolean(text);
    this.note.hidden = !isShown;
    if (this.note.dataset.text === text) return;
    this.note.dataset.text = text;
    this.note.classList.toggle("error", ["failed", "lost"].includes(this.message.state));
    this.note.replaceChildren(
      text,
      button ? h("button", {type: "button", onclick: () => this.actions.enterKey()}, t("enterKey")) : "",
    );
  }

  showFooter() {
    const {message, actions, completion} = this;
    const branches = this.footer.querySelector(".branches");
    const figure = h("span", {class: "figures"}, figures(message.timing, completion.usage));
    this.footer.replaceChildren(
      copyButton(() => this.completion.content, t("copy"), t("copied")),
      message.parent ? iconButton("redo", t("regenerate"), () => actions.regenerate(message)) : "",
      actions.removeButton(message),
      ...(branches ? [branches] : []),
      figure,
      gapPlot(message.timing) ?? "",
    );
  }
}

/** The sentence below an answer, and whether a key helps. */
const noteOf = (message, completion, notice) => {
  const {state, error} = message;
  if (state === "running") return [notice ? t(notice.name, notice.values) : ""];
  if (state === "stopped") return [t("stopped")];
  if (state === "lost") return [t("lost")];
  if (state === "failed") {
    if (error.status === 401) return [`${t("needsKey")} ${error.message}`, true];
    if (error.retryAfter) return [`${t("retryLater", {seconds: Math.ceil(error.retryAfter)})} ${error.message}`];
    if (!completion.content && !completion.reasoning) return [error.message];
    return [t("failed", {message: error.message})];
  }
  const reasons = {length: "length", model_context_window_exceeded: "context", sensitive: "sensitive"};
  if (Object.hasOwn(reasons, completion.finishReason ?? "")) return [t(reasons[completion.finishReason])];
  if (completion.finishReason === "network_error") return [t("failed", {message: "network_error"})];
  return [""];
};
