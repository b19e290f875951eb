"""The grammar of a correct Responses stream, and what its clients read from it.

    stream := created queued? in_progress item* end
    item   := output_item.added (part.added delta* text.done part.done | delta* arguments.done) output_item.done

`in_progress` may be repeated with the number before, in a silence. The last item of an answer that was cut off
may lack its `done` events; after a call, text within it follows. Ids, indexes, texts and states are the same wherever they are repeated.
"""

import json

from headrace.sse import SseDecoder

__all__ = ["ResponseReader", "read_stream", "texts_of"]

TERMINAL = ("completed", "incomplete", "failed", "cancelled")
PARTS = {"output_text": "content", "summary_text": "summary"}
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


def decode(data):
    """Return the events of a stream; an event's name is its type."""
    events = []
    for event in SseDecoder().feed(data):
        decoded = json.loads(event.data)
        assert event.event == decoded["type"]
        events.append(decoded)
    return events


class ResponseReader:
    """Reads one stream, in each of the ways in which clients do.

    Attributes:
        deltas: the texts that the deltas join to, by output index.
        done: the items of `output_item.done`, by output index.
        response: the last one.
    """

    def __init__(self):
        self.deltas, self.done, self.response = {}, {}, None
        self.number = -1
        self._added = {}
        self._open = None  # output index
        self._id = None
        self._steps = []
        self._is_call = False

    def feed(self, event):
        type, number = event["type"].removeprefix("response."), event["sequence_number"]
        assert self.response is None or self.response["status"] not in TERMINAL, "an event after the end"
        if type == "in_progress" and number == self.number:
            return
        assert number == self.number + 1, f"{number} follows {self.number}"
        self.number = number
        if "response" in event:
            self._read_response(type, event["response"])
        elif type.startswith("output_item."):
            self._read_item(type, event["output_index"], event["item"])
        else:
            self._read_part(type, event)

    def _read_response(self, type, response):
        self._id = self._id or response["id"]
        assert response["id"] == self._id
        assert self.response or type == "created"
        self.response = response
        if type == "created":
            assert response["output"] == []
            assert response["status"] in ("queued", "in_progress")
            return
        assert response["status"] == type
        if type in TERMINAL:
            assert [item["id"] for item in response["output"]] == list(self._added.values())
            assert {index: response["output"][index] for index in self.done} == self.done
            unfinished = [item for at, item in enumerate(response["output"]) if at not in self.done]
            assert {item["status"] for item in unfinished} <= {"incomplete"}
            if type not in ("failed", "cancelled"):
                assert {item["type"] for item in unfinished} <= CALLS.keys()

    def _read_item(self, type, index, item):
        if type == "output_item.added":
            assert self._open is None or self._is_call, "an item within another one"
            assert index == len(self._added)
            assert item["status"] == "in_progress"
            self._added[index], self._open, self._steps = item["id"], index, []
            self._is_call = item["type"] in CALLS
            self.deltas[index] = ""
        else:
            assert index == self._open
            assert item["id"] == self._added[index]
            self.done[index], self._open = item, None
            assert texts_of(item) == self.deltas[index]

    def _read_part(self, type, event):
        index = event["output_index"]
        assert index == self._open, f"{type} of {index} within {self._open}"
        assert event["item_id"] == self._added[index]
        self._steps.append(type)
        if type.endswith(".delta"):
            assert event["delta"]
            self.deltas[index] += event["delta"]
        elif type.endswith("part.added"):
            assert self._steps == [type]
            assert event["part"]["text"] == ""
        elif type.endswith("part.done"):
            assert event["part"]["text"] == self.deltas[index]
        else:
            assert [event[key] for key in ("text", *CALLS.values()) if key in event] == [self.deltas[index]]


def texts_of(item):
    """Return the text of an item."""
    if item["type"] in CALLS:
        return item[CALLS[item["type"]]]
    field = "content" if item["type"] == "message" else "summary"
    return "".join(part["text"] for part in item[field])


def read_stream(data):
    """Read the bytes of a complete stream, and check them."""
    reader = ResponseReader()
    for event in decode(data):
        reader.feed(event)
    assert reader.response["status"] in TERMINAL
    return reader
