/** When the pieces of an answer arrived: what is shown while it streams, and the plot of the gaps afterwards. */
import {h, svg} from "./dom.js";
import {t} from "./texts.js";

const MOST_GAPS = 240;

/** Times are in ms since 1970, gaps in ms. */
export const newTiming = () => ({sent: Date.now(), first: 0, answered: 0, last: 0, count: 0, gaps: [], perGap: 1});

/** Note an event that has just arrived. */
export const noteEvent = (timing, type) => {
  if (!type.endsWith(".delta") && !type.startsWith("tool_call")) return;
  const now = Date.now();
  if (!timing.first) timing.first = now;
  else addGap(timing, now - timing.last);
  if (!timing.answered && type !== "reasoning.delta") timing.answered = now;
  timing.last = now;
  timing.count++;
};

/** Keep at most a few hundred gaps: the longest of each `perGap` that follow each other. */
const addGap = (timing, gap) => {
  const {gaps, perGap, count} = timing;
  if (perGap > 1 && gaps.length && count % perGap) gaps[gaps.length - 1] = Math.max(gaps.at(-1), gap);
  else gaps.push(gap);
  if (gaps.length <= MOST_GAPS) return;
  timing.gaps = gaps
    .filter((_, index) => index % 2 === 0)
    .map((each, index) => Math.max(each, gaps[2 * index + 1] ?? 0));
  timing.perGap *= 2;
};

const oneDigit = (number) => (number < 10 ? number.toFixed(1) : String(Math.round(number)));

export const thinkingSeconds = (timing, now) =>
  timing.first ? Math.max(0, Math.round(((timing.answered || now) - timing.first) / 1000)) : 0;

/** The line of figures for an answer, or "". */
export const figures = (timing, usage) => {
  if (!timing?.first) return "";
  // What arrives at once, such as a replayed answer, has no rate of its own.
  const isBurst = timing.last - timing.first < 50;
  const seconds = Math.max(1, timing.last - (isBurst ? timing.sent : timing.first)) / 1000;
  const first = oneDigit(Math.max(0, timing.first - timing.sent) / 1000);
  const tokens = usage?.completion_tokens;
  if ((tokens ?? timing.count) < 2) return t("first", {first}); // one piece has no rate
  return tokens
    ? t("statistics", {tokens, rate: oneDigit(Math.max(0, tokens - 1) / seconds), first})
    : t("speed", {count: timing.count, rate: oneDigit((timing.count - 1) / seconds), first});
};

/** A small plot of the gaps, or null. Its height is logarithmic: a pause among thousands of equal gaps is seen. */
export const gapPlot = (timing) => {
  if (!timing || timing.gaps.length < 8) return null;
  const {gaps} = timing;
  const highest = Math.log1p(Math.max(...gaps, 10));
  const points = gaps.map(
    (gap, index) =>
      `${((120 * index) / (gaps.length - 1)).toFixed(1)},${(21 - (20 * Math.log1p(gap)) / highest).toFixed(1)}`,
  );
  const sorted = [...gaps].sort((one, other) => one - other);
  const label = t("gaps", {median: sorted[sorted.length >> 1], longest: sorted.at(-1)});
  const plot = svg(
    "svg",
    {viewBox: "0 0 120 22", class: "gaps", role: "img", "aria-label": label, preserveAspectRatio: "none"},
    svg("polyline", {points: points.join(" ")}),
  );
  return h("span", {title: label, class: "plot"}, plot);
};
