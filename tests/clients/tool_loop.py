"""A server whose model follows a tool loop, for coding agents: write a file, edit it, look at it, report.

    python tool_loop.py PORT STORE FOLDER [STALL]

It prints its URL. In the middle of the first call of step STALL, counted from 0, it prints "stalled" and generates nothing more.
The request alone chooses the step: the number of answers in it whose calls have results. A request without the
tools of the step, such as the one for a title, is not part of the loop.
"""

import asyncio
import json
import sys
from itertools import pairwise
from pathlib import Path

from headrace.engines.playback import Playback
from headrace.events import Finish, Text, TokenUsage
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, ModelRegistry, Settings
from headrace.server.listening import listen, url_of
from headrace.server.local import run
from headrace.turns import TurnSettings

TEMPLATE = (
    "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}"
    "{% for m in messages %}<|{{ m.role }}|>{{ m.reasoning_content or '' }}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}{{ call.function | tojson }}{% endfor %}\n{% endfor %}<|assistant|>"
)


PATCH = """*** Begin Patch
*** Update File: greeting.txt
@@
-Hello, "world" – ünïcode
+Hello, "Headrace" – ünïcode
*** End Patch"""
TOOLS = {
    # the agent's names of tools and arguments
    "Claude Code": {},
    "opencode": {
        "Write": "write",
        "Edit": "edit",
        "Bash": "bash",
        "Read": "read",
        "file_path": "filePath",
        "old_string": "oldString",
        "new_string": "newString",
    },
}


def steps(folder, names):
    """The answers: thinking, text, calls."""
    file = str(Path(folder, "greeting.txt"))
    content = 'Hello, "world" – ünïcode\nline two\n'

    def call(tool, **arguments):
        return names.get(tool, tool), {names.get(key, key): value for key, value in arguments.items()}

    first = call("Write", file_path=file, content=content)
    second = call("Edit", file_path=file, old_string="world", new_string="Headrace")
    third = [
        call("Bash", command=f"wc -l < {file}", description="Count lines"),
        call("Read", file_path=file),
    ]
    return [
        ("First the file is written.", "I write the file.", [first]),
        ("Now the edit.", "", [second]),
        ("", "", third),
        ("", "Done: the file greets Headrace.", []),
    ]


def steps_of_codex(folder):
    """The answers to Codex: it finds the file, and edits it by a custom tool."""
    file = str(Path(folder, "greeting.txt"))
    look = [("exec_command", {"cmd": f"cat {file}"}), ("exec_command", {"cmd": f"wc -l < {file}"})]
    return [
        ("First a look at the file.", "I read the file.", look),
        ("Now the edit.", "", [("apply_patch", {"input": PATCH})]),
        ("", "Done: the file greets Headrace.", []),
    ]


def write(thinking, text, calls):
    """The answer in the markup of GLM-4.6."""
    parts = [f"\n<think>{thinking}</think>\n" if thinking else "\n<think></think>\n", text]
    for name, arguments in calls:
        pairs = "".join(
            f"<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n" for key, value in arguments.items()
        )
        parts.append(f"\n<tool_call>{name}\n{pairs}</tool_call>")
    return "".join(parts)


class ToolLoopEngine:
    """An engine that follows the loop.

    Args:
        folder: where the file is.
        stall: the step in which it stalls; -1 for none.
    """

    continues = True

    def __init__(self, folder, stall=-1):
        self._loops = [*(steps(folder, names) for names in TOOLS.values()), steps_of_codex(folder)]
        self._stall = stall

    def token_limit(self, generation):
        return generation.request.max_tokens

    async def count_tokens(self, generation):
        return len(generation.prompt) // 4

    def start(self, generation, listener):
        return Playback(self._generate(generation), listener.on_events, listener.on_end)

    async def check(self):
        pass

    async def close(self):
        pass

    async def _generate(self, generation):
        step, answer = self._answer(generation.request)
        written = "".join(text.text for text in generation.prefix)
        assert answer.startswith(written)
        for start in range(len(written), len(answer), 4):
            await asyncio.sleep(0.001)
            if step == self._stall and "<arg_value>" in answer[:start]:
                print("stalled", flush=True)
                await asyncio.Event().wait()
            yield [Text(answer[start : start + 4])]
        usage = TokenUsage(len(generation.prompt) // 4, -(-len(answer) // 4))
        yield [Finish("stop", usage)]

    def _answer(self, request):
        roles = [message.role for message in request.messages if message.role != "system"]
        done = sum(pair == ("assistant", "tool") for pair in pairwise(roles))
        offered = {tool["function"]["name"] for tool in request.tools}
        for loop in self._loops:
            step = loop[min(done, len(loop) - 1)]
            if offered and {name for *_, calls in loop for name, _ in calls} <= offered:
                return done, write(*step)
        return -1, json.dumps({"title": "A greeting"})


def serve(port, store, folder, stall="-1"):
    """Serve until the process is stopped."""
    engine = ToolLoopEngine(folder, int(stall))
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE), 200_000)
    settings = Settings(turns=TurnSettings(store=store, resume="always"))
    listener = listen("127.0.0.1", int(port))
    print(url_of(listener), flush=True)
    run(App(ModelRegistry([model]), settings), [listener], settings)


if __name__ == "__main__":
    serve(*sys.argv[1:])
