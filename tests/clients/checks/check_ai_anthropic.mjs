// `headrace` and `model`: npm's ai with Anthropic's provider.
import assert from "node:assert/strict";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const prompt = "Write a poem about spring";
const thinking = { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } };
const whole = await generateText({ model, prompt, maxOutputTokens: 2000 });
assert.ok(whole.text);
console.log("complete");
const stream = streamText({ model, prompt, maxOutputTokens: 2000, providerOptions: thinking });
assert.ok(await stream.text);
assert.ok(await stream.reasoningText);
assert.equal(await stream.finishReason, "stop");
assert.ok((await stream.usage).outputTokens > 20);
console.log("streamed\nthinking");

const limited = await generateText({ model, prompt, maxOutputTokens: 5 });
assert.deepEqual([limited.finishReason, limited.usage.outputTokens], ["length", 5]);

const asked = [];
const get_weather = tool({
  description: "查询城市的天气",
  inputSchema: z.object({ location: z.string().describe("城市") }),
  execute: async ({ location }) => (asked.push(location), "晴，20°C"),
});
for (const run of [generateText, streamText]) {
  const answer = await run({
    model,
    prompt: "北京天气怎么样",
    temperature: 0,
    maxOutputTokens: 2000,
    tools: { get_weather },
    stopWhen: stepCountIs(2),
  });
  assert.ok(await answer.text);
}
assert.equal(asked.length, 2);
console.log("tools");

const schema = z.object({ name: z.enum(["spring", "summer"]), warm: z.boolean() });
const season = await generateObject({ model, prompt: "Which season is it?", schema, maxOutputTokens: 2000 });
schema.parse(season.object);
console.log("structured output");

const options = { maxRetries: 0, maxOutputTokens: 2000 };
await assert.rejects(generateText({ model, prompt: "spring ".repeat(5000), ...options }), /prompt is too long/);
await assert.rejects(generateText({ model: headrace("x"), prompt, ...options }), /not served here/);
const errors = [];
const failing = streamText({ model: headrace("failing"), prompt, onError: ({ error }) => errors.push(error), ...options });
await failing.consumeStream();
assert.match(JSON.stringify(errors) + String(errors[0]?.message), /the GPU is gone/);
console.log("errors");
