// npm's @ai-sdk/openai, unchanged, with its default API: OpenAI's Responses at OPENAI_BASE_URL.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });
const model = openai("glm-4.6");
const asked = [];
const tools = {
  get_weather: tool({
    description: "The weather of a place.",
    inputSchema: z.object({ location: z.string() }),
    execute: ({ location }) => {
      asked.push(location);
      return "sunny";
    },
  }),
};
// Reasoning goes back as a reference to the stored item, or as the item itself.
const stores = [{}, { store: false }, { store: false, include: ["reasoning.encrypted_content"] }];

const whole = await generateText({ model, system: "Be brief.", prompt: "Hello" });
assert.equal(whole.text, "Hi there.");
assert.match(whole.reasoningText, /think/);
assert(whole.usage.outputTokens > 0);
console.log("complete\nthinking");
for (const openai of stores) {
  const providerOptions = { openai: { ...openai, forceReasoning: true, reasoningEffort: "high", reasoningSummary: "auto" } };
  asked.length = 0;
  const run = streamText({ model, prompt: "Weather?", tools, stopWhen: stepCountIs(3), providerOptions });
  const parts = [];
  for await (const part of run.fullStream) parts.push(part.type);
  assert(!parts.includes("error"), parts.join());
  assert(parts.includes("reasoning-delta"));
  assert.equal(await run.text, "It is sunny.");
  assert.equal(await run.finishReason, "stop");
  assert.deepEqual(asked, ["Berlin"]);
  const answer = await generateText({ model, prompt: "Weather?", tools, stopWhen: stepCountIs(3), providerOptions });
  assert.equal(answer.text, "It is sunny.");
}
console.log("streamed\ntools");
const { object } = await generateObject({ model, prompt: "Which city?", schema: z.object({ name: z.string() }) });
assert.deepEqual(object, { name: "Berlin" });
console.log("structured output");
await assert.rejects(generateText({ model: openai("gpt-5.5"), prompt: "Hello", maxRetries: 0 }), /gpt-5.5/);
let failure;
const failing = streamText({ model: openai("failing"), prompt: "Hello", onError: ({ error }) => { failure = error; } });
await failing.consumeStream();
assert.match(JSON.stringify(failure) + failure, /the GPU is gone/);
console.log("errors");
