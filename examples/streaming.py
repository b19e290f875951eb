"""Stream an answer. The program runs with PyPI's zai-sdk, too.

ZAI_BASE_URL=http://127.0.0.1:8000/api/paas/v4 ZAI_API_KEY=… .venv/bin/python examples/streaming.py
"""

from zai import ZaiClient

client = ZaiClient()

response = client.chat.completions.create(
    model="glm-4.6",
    messages=[{"role": "user", "content": "Write a poem about spring"}],
    stream=True,
)

full_content = ""
for chunk in response:
    if not chunk.choices:
        continue
    delta = chunk.choices[0].delta

    if hasattr(delta, "content") and delta.content:
        full_content += delta.content
        print(delta.content, end="", flush=True)

    if chunk.choices[0].finish_reason:
        print(f"\n\nCompletion reason: {chunk.choices[0].finish_reason}")
        if hasattr(chunk, "usage") and chunk.usage:
            print(f"Token usage: Input {chunk.usage.prompt_tokens}, Output {chunk.usage.completion_tokens}")

print(f"\n\nComplete content:\n{full_content}")
