// npm's ai: generateObject, and tools that must be called, of 32 forms as zod writes them.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, tool } from "ai";
import { z } from "zod";

const [url, name] = process.argv.slice(-2);
const headrace = createOpenAICompatible({
  name: "headrace",
  baseURL: `${url}/v1`,
  apiKey: "any",
  supportsStructuredOutputs: true,
});
const node = z.object({ value: z.enum(["a", "b"]), get next() { return node.nullable(); } });
const forms = {
  boolean: z.boolean(),
  integer: z.int(),
  integer_in_range: z.int().min(0).max(9),
  positive: z.number().positive(),
  multiple: z.int().multipleOf(5),
  number: z.number(),
  fraction: z.number().gt(0).lt(1),
  string: z.string(),
  short: z.string().min(1).max(8),
  pattern: z.string().regex(/^[A-Z]{2}[0-9]{3}$/),
  prefix: z.string().startsWith("a"),
  literal: z.literal(["red", "green", 3]),
  enum: z.enum(["celsius", "fahrenheit"]),
  nullable: z.int().nullable(),
  optional: z.int().optional(),
  nullish_enum: z.enum(["a", "b"]).nullish(),
  list: z.array(z.int()),
  short_list: z.array(z.string()).min(1).max(3),
  tuple: z.tuple([z.int(), z.string()]),
  record: z.record(z.string(), z.int()),
  record_of_enum: z.record(z.enum(["a", "b"]), z.boolean()),
  partial_record: z.partialRecord(z.enum(["a", "b"]), z.boolean()),
  date: z.iso.date(),
  datetime: z.iso.datetime(),
  time: z.iso.time(),
  uuid: z.uuid(),
  email: z.email(),
  url: z.url(),
  address: z.ipv4(),
  nested: z.object({ x: z.int(), y: z.int().default(0).describe("the second coordinate") }),
  recursive: node,
  tagged_union: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("cat"), lives: z.int() }),
    z.object({ kind: z.literal("dog"), name: z.string() }),
  ]),
};
const options = {
  model: headrace(name),
  prompt: "Reply with one example.",
  maxOutputTokens: 50,
  maxRetries: 0,
  seed: 1,
  providerOptions: { headrace: { thinking: { type: "disabled" } } },
};

async function outcome(ask) {
  try {
    return await ask();
  } catch (error) {
    if (error.finishReason === "length") return "length"; // no object, or no call
    const code = JSON.parse(error.responseBody ?? "{}").error?.code;
    if (error.statusCode === 400 && ["1212", "1214"].includes(code)) return code;
    throw error;
  }
}

async function whole(schema) {
  const { object } = await generateObject({ ...options, schema });
  schema.parse(object);
  return "conforming";
}

async function forced(schema, index) {
  const other = tool({ inputSchema: z.object({}) });
  const toolChoice = index % 2 ? "required" : { type: "tool", toolName: "answer" };
  const tools = index % 2 ? { answer: tool({ inputSchema: schema }) } : { other, answer: tool({ inputSchema: schema }) };
  const answer = await generateText({ ...options, tools, toolChoice });
  if (answer.finishReason === "length") return "length";
  assert.equal(answer.finishReason, "tool-calls");
  assert.equal(answer.toolCalls[0].toolName, "answer");
  schema.parse(answer.toolCalls[0].input);
  return "conforming";
}

const names = Object.keys(forms);
for (const [kind, ask, some] of [["output", whole, names], ["tool", forced, names.slice(-20)]])
  for (const [index, form] of some.entries())
    console.log(JSON.stringify([kind, form, await outcome(() => ask(z.object({ value: forms[form] }), index))]));
