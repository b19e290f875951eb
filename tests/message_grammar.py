"""The grammar of a correct Messages stream: feed it the data of the events, and it reports every violation.

    stream := message_start block* (message_delta message_stop | part of a block? error)
    block  := content_block_start content_block_delta* content_block_stop    numbered 0, 1, 2, …; none is nested

`ping` can be anywhere. Arguments are deltas only, a thinking block ends with one signature, and every delta
is of its block's type.
"""

__all__ = ["MessageGrammar", "violations"]

DELTAS = {
    "text": {"text_delta": "text"},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
}
EMPTY = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}
USAGE = {"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"}


class MessageGrammar:
    """The checker of one stream."""

    def __init__(self):
        self._expected = {"message_start"}
        self._count = 0
        self._kind = None
        self._signatures = 0
        self._ids = set()

    def feed(self, data):
        """Return a sentence for each violation of the next event."""
        kind = data["type"]
        if kind == "ping":
            return []
        if kind not in self._expected:
            return [f"{kind} instead of {' or '.join(sorted(self._expected)) or 'the end'}"]
        return getattr(self, f"_{kind}")(data)

    def finish(self):
        """Return the violations of the end."""
        return [f"the stream ends before {' or '.join(self._expected)}"] if self._expected else []

    def _message_start(self, data):
        message = data["message"]
        self._expected = {"content_block_start", "message_delta", "error"}
        wrong = [name for name in ("id", "model") if not message[name]]
        wrong += ["content"] if message["content"] != [] else []
        wrong += [] if message["usage"].keys() >= USAGE else ["usage"]
        return [f"message_start: {name}" for name in wrong]

    def _content_block_start(self, data):
        block = data["content_block"]
        self._kind, self._signatures = block["type"], 0
        self._expected = {"content_block_delta", "content_block_stop", "error"}
        wrong = [] if data["index"] == self._count else [f"block {data['index']} should be {self._count}"]
        if not EMPTY[self._kind].items() <= block.items():
            wrong.append(f"block {self._count} is not empty")
        if self._kind == "tool_use":
            if not block["name"] or block["id"] in self._ids:
                wrong.append(f"block {self._count} has no name or no id of its own")
            self._ids.add(block["id"])
        return wrong

    def _content_block_delta(self, data):
        delta = data["delta"]
        wrong = [] if data["index"] == self._count else [f"a delta of {data['index']} in {self._count}"]
        if self._signatures:
            wrong.append("a delta after the signature")
        self._signatures += delta["type"] == "signature_delta"
        name = DELTAS[self._kind].get(delta["type"])
        if name is None or not isinstance(delta.get(name), str):
            wrong.append(f"{delta} in a block of type {self._kind}")
        return wrong

    def _content_block_stop(self, data):
        self._expected = {"content_block_start", "message_delta", "error"}
        wrong = [] if data["index"] == self._count else [f"the end of {data['index']} in {self._count}"]
        if self._kind == "thinking" and self._signatures != 1:
            wrong.append("thinking without a signature")
        self._count += 1
        return wrong

    def _message_delta(self, data):
        self._expected = {"message_stop"}
        wrong = [] if data["delta"]["stop_reason"] else ["message_delta without a stop_reason"]
        return wrong + ([] if data["usage"].keys() >= USAGE else ["message_delta without usage"])

    def _message_stop(self, _):
        self._expected = set()
        return []

    def _error(self, data):
        self._expected = set()
        return [] if data["error"]["type"] and data["error"]["message"] else ["an error without a reason"]


def violations(stream):
    """Return all violations of a complete stream."""
    grammar = MessageGrammar()
    return [wrong for data in stream for wrong in grammar.feed(data)] + grammar.finish()
