"""How long Chromium's main thread is busy while the page shows long answers.

    python benchmarks/page.py [--rate 1000] [--tokens 20000] [--explain]

Prints how long the page takes to load, and from Enter to the first text of an answer. Then, for an answer
of each kind: the longest task of the page's thread by its CPU time, and by the clock, which includes the
time in which other programs ran; the number of tasks over 50 ms, by both; and the longest time from a key
press in the composer to the next frame. Needs playwright and chromium (`make page`).
"""

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from answering import AnsweringEngine  # noqa: E402
from headrace.engines.base import Generation  # noqa: E402
from headrace.events import Event, Finish, Text, TokenUsage  # noqa: E402
from headrace.server import App, LocalServer, ModelRegistry, Settings  # noqa: E402
from page_server import model_of  # noqa: E402

UNITS = {
    "mixed": "## Title\n\nSome **bold** text with `code`, [a link](https://example.com) and $x^2$.\n\n"
    "- one\n- two\n\n"
    "```python\nprint('hello')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\n\n",
    "list": "- an item with **bold** text and `code` in it\n",
    "table": "| one cell | another **cell** | `third` |\n",
    "quote": "> a quoted line with *emphasis*, and more of it\n",
    "paragraph": "words and **bold words** in one paragraph, ",
    "fence": "    const value = compute(argument, other);\n",
    "thought": "I should think about this a little longer. ",
}
BEFORE = {"table": "| a | b | c |\n|---|---|---|\n", "fence": "```js\n", "thought": "<think>"}
OBSERVE = """() => {
    window.keys = [];
    document.querySelector("#question").addEventListener("input", ({timeStamp}) => {
        requestAnimationFrame(() => setTimeout(() => keys.push(performance.now() - timeStamp)));
    });
}"""
FIRST = """() => {
    document.querySelector("#question").onkeydown = () => { window.sent = performance.now(); };
    new MutationObserver(() => {
        if (document.querySelector(".markdown")?.textContent) window.shown ??= performance.now();
    }).observe(document.querySelector(".log"), {childList: true, characterData: true, subtree: true});
}"""
LOADED = "() => Math.max(...performance.getEntriesByType('resource').map(({responseEnd}) => responseEnd))"
TASKS = {"RunTask", "ThreadControllerImpl::RunTask"}


class Rated(AnsweringEngine):
    """Emits tokens at a rate, whatever a sleep takes."""

    rate = 1000

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        script = self.answers.get(generation.request.messages[-1].content, self.default)
        pieces = [script[at : at + 5] for at in range(0, len(script), 5)]
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        while sent < len(pieces):
            await asyncio.sleep(0.01)
            due = min(len(pieces), int((loop.time() - start) * self.rate))
            yield [Text(piece) for piece in pieces[sent:due]]
            sent = due
        yield [Finish("stop", TokenUsage(1, len(pieces)))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=1000, help="tokens per second (default: 1000)")
    parser.add_argument("--tokens", type=int, default=20_000, help="of 5 characters (default: 20000)")
    parser.add_argument("--kinds", nargs="*", default=list(UNITS))
    parser.add_argument("--explain", action="store_true", help="print what long tasks consist of")
    options = parser.parse_args()
    engine = Rated()
    engine.rate = options.rate
    for kind, unit in UNITS.items():
        engine.answers[kind] = (BEFORE.get(kind, "") + unit * (5 * options.tokens // len(unit) + 1))[
            : 5 * options.tokens
        ]
    settings = Settings()
    with (
        LocalServer(App(ModelRegistry([model_of(engine)]), settings), settings) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        first_answer(browser, server.url)
        sys.stdout.write("answer      longest, ms CPU (clock)   over 50 ms, CPU (clock)   key to frame, ms\n")
        for kind in options.kinds:
            measure(browser, server.url, kind, explains=options.explain)
        browser.close()


def first_answer(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector("option[value='glm-4.6']", state="attached")
    loaded = page.evaluate(LOADED)
    page.evaluate(FIRST)
    page.fill("#question", "hello")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.shown")
    text = page.evaluate("shown - sent")
    sys.stdout.write(f"loaded after {loaded:.0f} ms; first text {text:.0f} ms after Enter\n")
    page.close()


def measure(browser: Browser, url: str, kind: str, *, explains: bool) -> None:
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector("option[value='glm-4.6']", state="attached")
    page.fill("#question", kind)
    page.evaluate(OBSERVE)
    traces = []
    while not page.locator(".assistant .actions [title=Copy]").count():
        browser.start_tracing(page=page, categories=["devtools.timeline", "toplevel"])
        page.keyboard.press("a" if traces else "Enter")
        for _ in range(100):  # a longer trace does not fit into Chromium's buffer
            page.keyboard.type("a")
            page.wait_for_timeout(200)
        traces.append(browser.stop_tracing())
    tasks = [task for trace in traces for task in tasks_of(json.loads(trace)["traceEvents"])]
    cpu, clock = ([task.get(name, 0) / 1000 for task in tasks] for name in ("tdur", "dur"))
    over = [sum(time > 50 for time in times) for times in (cpu, clock)]
    key = max(page.evaluate("keys"), default=0)
    sys.stdout.write(f"{kind:12}{max(cpu):15.0f} ({max(clock):.0f}){over[0]:22} ({over[1]}){key:22.0f}\n")
    if explains:
        for trace in traces:
            explain(json.loads(trace)["traceEvents"])
    sys.stdout.flush()
    page.close()


def explain(events: list[dict[str, Any]]) -> None:
    """Print what the tasks of more than 50 ms consist of: the CPU time and the clock of what is in them."""
    thread = next(event["tid"] for event in events if event["name"] == "FireAnimationFrame")
    start = min(event["ts"] for event in events if event.get("ts"))
    own = [event for event in events if event["tid"] == thread and event.get("dur", 0) > 2000]
    for task in tasks_of(events):
        if task.get("dur", 0) <= 50_000:
            continue
        parts = [
            f"{part['name']} {part.get('tdur', 0) / 1000:.0f} ({part['dur'] / 1000:.0f})"
            for part in sorted(own, key=lambda part: part["ts"])
            if task["ts"] <= part["ts"] <= task["ts"] + task["dur"] and part["name"] not in TASKS
        ]
        sys.stdout.write(
            f"  {(task['ts'] - start) / 1e6:6.2f} s: {task.get('tdur', 0) / 1000:.0f}"
            f" ({task['dur'] / 1000:.0f}) ms: {', '.join(parts)}\n"
        )


def tasks_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    thread = next(event["tid"] for event in events if event["name"] == "FireAnimationFrame")
    return [event for event in events if event["tid"] == thread and event["name"] in TASKS]


if __name__ == "__main__":
    main()
