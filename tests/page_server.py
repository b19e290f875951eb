"""A server with the page, as a process that can be killed: `python tests/page_server.py PORT STORE [PIECES_PER_SECOND]`."""

import sys

from answering import AnsweringEngine
from headrace.configuration.settings import Settings
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, ModelRegistry
from headrace.server.local import listen, run, url_of
from headrace.turns import TurnSettings

__all__ = ["TEMPLATE", "model_of"]

TEMPLATE = (
    "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}"
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<tool_call>{{ call.function.name }}{{ call.function.arguments | tojson }}</tool_call>{% endfor %}"
    "{% endfor %}<|assistant|>{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
)


def model_of(engine):
    return Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))


def main(port, store, rate="50"):
    settings = Settings(turns=TurnSettings(store=store))
    listener = listen("127.0.0.1", int(port))
    sys.stdout.write(f"{url_of(listener)}\n")
    sys.stdout.flush()
    engine = AnsweringEngine(delay=1 / float(rate))
    run(App(ModelRegistry([model_of(engine)]), settings), [listener], settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
