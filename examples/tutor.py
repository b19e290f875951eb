"""A tutor that shows its thinking and asks back. Ctrl-D ends the lesson.

.venv/bin/python examples/tutor.py "How do plants eat?"

With a real model you would add: a record of what the student knows already, in the system message. The
embedded model thinks and answers, but does not teach.
"""

import os
import sys

import zai

SYSTEM = (
    "You are a patient tutor. Explain one small step at a time, in at most three sentences. End each message"
    " with one question that shows whether the student has understood it; correct wrong answers kindly."
)


def main(question: str) -> None:
    client = zai.ZaiClient(
        api_key=os.environ.get("ZAI_API_KEY", "any"),
        base_url=os.environ.get("ZAI_BASE_URL", "http://127.0.0.1:8000/api/paas/v4"),
    )
    messages: list[object] = [{"role": "system", "content": SYSTEM}]
    while question:
        messages.append({"role": "user", "content": question})
        messages.append(explain(client, messages))
        try:
            question = input("\n> ")
        except EOFError:
            question = ""
    print()


def explain(client: zai.ZaiClient, messages: list[object]) -> object:
    """Print the thinking dimmed, then the answer; return the message."""
    dim, normal = ("\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "")
    with client.chat.completions.stream(model="glm-4.6", messages=messages) as events:
        for event in events:
            match event.type:
                case "reasoning.delta":
                    print(f"{dim}{event.delta}{normal}", end="", flush=True)
                case "reasoning.done":
                    print("\n")
                case "content.delta":
                    print(event.delta, end="", flush=True)
        print()
        return events.snapshot.choices[0].message


if __name__ == "__main__":
    try:
        main(" ".join(sys.argv[1:]) or "How do plants eat?")
    except zai.ZaiError as error:
        sys.exit(f"\ntutor.py: {error}")
