"""Write an article section by section: the article to the standard output, the progress to stderr.

.venv/bin/python examples/article.py "The history of tea" Origins Trade "Tea today" > article.md

With a real model you would add: a first request for the outline, with `response_format={"type":
"json_object"}`, instead of the headings on the command line. The embedded model only answers that it
does not know the subject.
"""

import os
import sys

import zai

HEADINGS = ["Introduction", "Background", "Outlook"]


def main(topic: str, headings: list[str]) -> None:
    client = zai.ZaiClient(
        api_key=os.environ.get("ZAI_API_KEY", "any"),
        base_url=os.environ.get("ZAI_BASE_URL", "http://127.0.0.1:8000/api/paas/v4"),
    )
    print(f"# {topic}\n")
    written: list[str] = []
    for number, heading in enumerate(headings, 1):
        print(f"## {heading}\n")
        section = ""
        for text in write(client, topic, heading, written):
            section += text
            print(text, end="", flush=True)
            print(
                f"\r[{number}/{len(headings)}] {heading}: {len(section.split())} words",
                end="",
                file=sys.stderr,
            )
        print("\n")
        print(file=sys.stderr)
        written.append(f"{heading}: {section}")


def write(client: zai.ZaiClient, topic: str, heading: str, written: list[str]) -> object:
    """Yield the text of a section; the model knows the sections before it."""
    task = f'Write the section "{heading}" of an article about "{topic}", without a heading.'
    before = "\n\n".join(["These sections exist already; do not repeat them:", *written]) if written else ""
    stream = client.chat.completions.stream(
        model="glm-4.6",
        messages=[{"role": "user", "content": f"{task}\n\n{before}".strip()}],
        thinking={"type": "disabled"},
    )
    yield from stream.text_stream


if __name__ == "__main__":
    try:
        main(sys.argv[1] if sys.argv[1:] else "Spring", sys.argv[2:] or HEADINGS)
    except zai.ZaiError as error:
        sys.exit(f"\narticle.py: {error}")
