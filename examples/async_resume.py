"""Two answers at the same time with asyncio, as typed events; a lost connection is resumed by the SDK.

.venv/bin/python examples/async_resume.py

Restart the server (`headrace serve --store sqlite:turns.db`) in mid-answer: both answers continue. The
embedded model answers in a fraction of a second; to have the time, serve a larger model. A stream that cannot
be resumed raises `APIStreamDisconnectedError`; what was received is in the snapshot.
"""

import asyncio
import os
import sys

import zai


async def main() -> None:
    async with zai.AsyncZaiClient(
        api_key=os.environ.get("ZAI_API_KEY", "any"),
        base_url=os.environ.get("ZAI_BASE_URL", "http://127.0.0.1:8000/api/paas/v4"),
    ) as client:
        poems = (write(client, f"Write a poem about {season}") for season in ("spring", "autumn"))
        for poem in await asyncio.gather(*poems):
            print(f"{poem}\n")


async def write(client: zai.AsyncZaiClient, question: str) -> str:
    """Return the answer; print the kind of each event to stderr while it is streamed."""
    messages = [{"role": "user", "content": question}]
    async with client.chat.completions.stream(model="glm-4.6", messages=messages) as events:
        try:
            async for event in events:
                print(f"{question}: {event.type}", file=sys.stderr)
        except zai.APIStreamDisconnectedError as error:
            print(f"{error}; after event {error.last_event_id}", file=sys.stderr)
        return events.snapshot.choices[0].message.content or ""


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except zai.ZaiError as error:
        sys.exit(f"async_resume.py: {error}")
