// `headrace` and `model`: npm's ai.
import assert from "node:assert/strict";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const prompt = "Write a poem about spring";
const whole = await generateText({ model, prompt, temperature: 0 });
assert.ok(whole.text && whole.reasoningText);
const stream = streamText({ model, prompt, temperature: 0 });
assert.equal(await stream.text, whole.text);
assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens);

const limited = await generateText({ model, prompt, maxOutputTokens: 5 });
assert.deepEqual([limited.finishReason, limited.usage.outputTokens], ["length", 5]);

const asked = [];
const get_weather = tool({
  inputSchema: z.object({ location: z.string().describe("城市") }),
  execute: async ({ location }) => (asked.push(location), "晴，20°C"),
});
for (const tool_stream of [false, true]) {
  const answer = streamText({
    model,
    prompt: "北京天气怎么样",
    temperature: 0,
    tools: { get_weather },
    stopWhen: stepCountIs(2),
    providerOptions: { headrace: { tool_stream } },
  });
  assert.ok(await answer.text);
}
assert.equal(asked.length, 2);

const schema = z.object({ name: z.enum(["spring", "summer"]), warm: z.boolean() });
const season = await generateObject({
  model,
  prompt: "Which season is it?",
  schema,
  temperature: 0,
  providerOptions: { headrace: { thinking: { type: "disabled" } } },
});
schema.parse(season.object);

const options = { maxRetries: 0 };
await assert.rejects(generateText({ model, prompt: "spring ".repeat(5000), ...options }), /prompt is too long/);
await assert.rejects(generateText({ model: headrace("x"), prompt, ...options }), /not served here/);
const errors = [];
const failing = streamText({ model: headrace("failing"), prompt, onError: ({ error }) => errors.push(error), ...options });
await failing.consumeStream();
assert.match(JSON.stringify(errors) + String(errors[0]?.message), /the GPU is gone/);
