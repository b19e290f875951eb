/** The page's logic that needs no browser: slots for streams, trees of messages, export and import, the calculator. */
import assert from "node:assert/strict";
import {test} from "node:test";

import {container} from "./document.mjs";
import {
  branchOf,
  newestLeaf,
  pathTo,
  requestMessages,
} from "../../../packages/headrace/src/headrace/web/page/conversation.js";
import {PlainText} from "../../../packages/headrace/src/headrace/web/page/plain-text.js";
import {decideSlot, LIMIT} from "../../../packages/headrace/src/headrace/web/page/slots.js";
import {noteEvent, newTiming, thinkingSeconds} from "../../../packages/headrace/src/headrace/web/page/timing.js";
import {calculate, runTool} from "../../../packages/headrace/src/headrace/web/page/tools.js";
import {exportText, fileName, importChats} from "../../../packages/headrace/src/headrace/web/page/transfer.js";

/** Apply the changes that `decideSlot` returns, as the store does. */
const table = () => {
  const slots = new Map();
  const decide = (turn, isShown, holds, now, tab = "tab") => {
    const {
      put = [],
      remove = [],
      result,
    } = decideSlot([...slots.values()], {id: `${tab}:${turn}`, turn, isShown, holds}, now);
    for (const slot of put) slots.set(slot.id, slot);
    for (const id of remove) slots.delete(id);
    return result;
  };
  return {slots, decide};
};

test("no more than three streams hold a slot, whatever the order of their requests", () => {
  const {slots, decide} = table();
  const held = new Set();
  let random = 7;
  const counts = new Map();
  for (let now = 0; now < 200_000; now += 250) {
    random = (random * 16807) % 2147483647;
    const number = random % 8;
    const turn = `t${number}`;
    const result = decide(turn, number === 3, held.has(turn), now);
    if (result === "held") held.add(turn);
    else held.delete(turn);
    counts.set(turn, (counts.get(turn) ?? 0) + (result === "held"));
    assert.ok([...slots.values()].filter((slot) => slot.holds && slot.until > now).length <= LIMIT);
  }
  for (let turn = 0; turn < 8; turn++) assert.ok(counts.get(`t${turn}`) > 5, `turn ${turn} had its share`);
});

test("what is on the screen comes first, and a stream in the background gives way at once", () => {
  const {decide} = table();
  for (const turn of ["a", "b", "c"]) assert.equal(decide(turn, false, false, 0), "held");
  assert.equal(decide("shown", true, false, 1), "wait");
  assert.equal(decide("a", false, true, 2), "yield");
  assert.equal(decide("d", false, false, 3), "wait");
  assert.equal(decide("shown", true, false, 4), "held");
  assert.equal(decide("shown", true, true, 7_000), "held");
  assert.equal(decide("shown", true, true, 60_000), "yield", "its tab stood still, and others may have taken its slot");
});

test("a tab that was killed holds its slot for its lease", () => {
  const {decide} = table();
  for (const turn of ["a", "b", "c"]) decide(turn, true, false, 0, "killed");
  assert.equal(decide("d", true, false, 7_000), "wait");
  assert.equal(decide("d", true, false, 9_000), "held");
});

test("a turn in the background is read by one tab", () => {
  const {decide} = table();
  assert.equal(decide("a", true, false, 0, "one"), "held");
  assert.equal(decide("a", false, false, 1, "two"), "elsewhere");
  assert.equal(decide("a", true, false, 2, "two"), "held");
});

const message = (id, parent, created, role, rest) => [id, {id, parent, created, role, conversation: "c", ...rest}];
const answer = (content, toolCalls = []) => ({state: "done", completion: {content, reasoning: "hm", toolCalls}});
const MESSAGES = new Map([
  message("q1", null, 1, "user", {text: "one"}),
  message("a1", "q1", 2, "assistant", answer("first")),
  message("a2", "q1", 3, "assistant", answer("", [{id: "call_1", name: "clock", arguments: "{}"}])),
  message("r", "a2", 4, "tool", {call: "call_1", name: "clock", text: "noon"}),
  message("q2", null, 5, "user", {text: "two"}),
]);

test("a request has the messages of its branch", () => {
  assert.equal(newestLeaf(MESSAGES, "q1"), "r");
  assert.deepEqual(branchOf(MESSAGES, "a2"), ["a2", "r"]);
  assert.deepEqual(requestMessages(pathTo(MESSAGES, "r"), "Be kind."), [
    {role: "system", content: "Be kind."},
    {role: "user", content: "one"},
    {
      role: "assistant",
      content: "",
      reasoning_content: "hm",
      tool_calls: [{id: "call_1", type: "function", function: {name: "clock", arguments: "{}"}}],
    },
    {role: "tool", tool_call_id: "call_1", content: "noon"},
  ]);
});

test("an import has what an export has, under new ids, and nothing else", () => {
  const conversation = {id: "c", title: "T", created: 1, updated: 2, leaf: "r"};
  const source = exportText([{conversation, messages: [...MESSAGES.values()]}]);
  const [chat] = importChats(source);
  const byId = new Map(chat.messages.map((each) => [each.id, each]));

  assert.notEqual(chat.conversation.id, "c");
  assert.deepEqual(
    requestMessages(pathTo(byId, chat.conversation.leaf), ""),
    requestMessages(pathTo(MESSAGES, "r"), ""),
  );
  assert.equal(chat.messages.length, 5);
});

test("a hostile import changes no prototype and adds no field", () => {
  const evil = `{"format":"headrace-chats-1","__proto__":{"x":1},"chats":[{"conversation":{"title":{"toString":1},"__proto__":{"leaf":"z"},"constructor":{"prototype":{"y":1}}},
    "messages":[{"id":"__proto__","role":"user","text":5,"parent":"loop","onclick":"x"},{"id":"loop","role":"assistant","parent":"__proto__","running":1,"state":"running"},{"id":3,"role":"user"},null,{"id":"s","role":"system"}]}, null, 5]}`;
  const chats = importChats(evil);

  assert.equal({}.x ?? {}.y, undefined);
  assert.equal(chats.length, 3);
  assert.deepEqual(
    chats[0].messages.map((each) => each.role),
    ["user", "assistant"],
  );
  assert.equal(chats[0].messages[0].text, "");
  assert.equal(chats[0].messages[1].running, undefined);
  assert.equal(chats[0].messages[1].state, "stopped");
  assert.ok(pathTo(new Map(chats[0].messages.map((each) => [each.id, each])), chats[0].messages[0].id).length <= 2);
  for (const source of ["", "[]", "{}", '{"format":"other","chats":[]}', "null", "5"])
    assert.throws(() => importChats(source), Error);
});

test("a file has a plain name", () => {
  for (const title of [
    '=HYPERLINK("http://evil")',
    "../../x",
    "CON",
    "\u202etxt.exe",
    "a".repeat(300),
    "",
    "..",
    "a/b\\c:d",
    "😀\u0000",
  ]) {
    assert.match(fileName(title), /^chat-[\p{L}\p{N}-]{1,60}\.json$/u);
  }
  assert.equal(fileName("快速排序？"), "chat-快速排序.json");
});

test("the calculator computes, and says what is wrong", () => {
  assert.equal(calculate("(2+3)*sqrt(16) - 2^3^0 % 7"), 18);
  assert.equal(calculate("-2^2 + 1e3/10"), 96);
  for (const wrong of ["", "2+", "(1", "alert(1)", "1 2", "constructor(1)", "toString"])
    assert.throws(() => calculate(wrong), /expected|closed/);
  assert.match(runTool("calculator", {expression: "2+"}), /"error"/);
  assert.match(runTool("clock"), /"unix"/);
});

test("the gaps of a long answer stay few, and the longest is among them", () => {
  const timing = newTiming();
  const {now} = Date;
  try {
    let clock = timing.sent + 100;
    Date.now = () => clock;
    for (let count = 0; count < 20_000; count++, clock += count === 7000 ? 900 : 10)
      noteEvent(timing, count < 100 ? "reasoning.delta" : "content.delta");
    assert.ok(timing.gaps.length <= 240);
    assert.equal(Math.max(...timing.gaps), 900);
    assert.equal(timing.count, 20_000);
    assert.equal(thinkingSeconds(timing, clock), 1);
  } finally {
    Date.now = now;
  }
});

test("plain text is shown as it is, in blocks of a bounded size", () => {
  const parent = container();
  const text = new PlainText(parent);
  const line = "a line of a thought\n";
  for (let count = 0; count < 1000; count++) text.write(line);
  assert.equal(
    parent.childNodes.map((each) => each.textContent).join("\n"),
    line.repeat(1000).replace(/\n$/, parent.lastChild.textContent ? "\n" : ""),
  );
  assert.ok(parent.childNodes.every((each) => each.textContent.length < 3000));
  text.write("x".repeat(100_000));
  assert.ok(parent.childNodes.every((each) => each.textContent.length < 13_000));
});
