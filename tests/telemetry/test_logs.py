"""The two formats of the server log, whatever is logged and by whom."""

import json
import logging
import re
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.telemetry.line_writer import LineWriter
from headrace.telemetry.logs import renderer

FORMS = {name: renderer(name) for name in ("text", "json")}
HEAD = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z (debug|info|warning|error|critical) +headrace\.test: "
)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from('\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\u2028\u202e\u2066\ud800"\\= 你'),
    )
)


def formatted(form, message, level=logging.INFO, exc_info=None, **fields):
    record = logging.LogRecord("headrace.test", level, __file__, 1, message, (), exc_info)
    record.__dict__.update(fields)
    lines = []
    handler = LineWriter(FORMS[form], lines.append)
    handler.emit(record)
    handler.flush()
    return b"".join(lines).decode().removesuffix("\n")


@given(TEXTS, TEXTS)
@example(
    "\x1b]52;c;aGk=\x07", "\u202eevil\n2026-11-29T00:00:00Z info    headrace.requests: request status=200"
)
def test_text_from_outside_is_one_line_without_control_characters(message, value):
    line = formatted("text", message, field=value)

    assert CONTROL.search(line) is None
    assert HEAD.match(line)


@given(TEXTS)
def test_a_value_of_a_line_of_text_can_be_read_back(value):
    (shown,) = re.findall(r"\bm field=(.*)", formatted("text", "m", field=value))

    assert (json.loads(shown) if shown.startswith('"') else shown) == value


@given(TEXTS, TEXTS)
def test_a_line_of_json_has_the_values_as_they_are(message, value):
    line = formatted("json", message, field=value, number=0, nothing=None)

    assert line.isascii()
    assert line.isprintable()
    decoded = json.loads(line)
    assert (decoded["event"], decoded["field"], decoded["number"]) == (message.strip(), value, 0)
    assert "nothing" not in decoded
    assert (decoded["level"], decoded["logger"]) == ("info", "headrace.test")


@pytest.mark.parametrize("form", FORMS)
def test_a_field_that_json_does_not_have_is_shown_as_python_does(form):
    cycle = {}
    cycle["again"] = cycle

    assert "(1, 2)" in formatted(form, "m", field={(1, 2): "pair"})
    assert "again" in formatted(form, "m", field=cycle)


def test_a_line_of_text_for_people():
    line = formatted("text", "request", logging.WARNING, status=200, key="team a", seconds=0.5, stream=True)

    assert HEAD.sub("", line) == 'request status=200 key="team a" seconds=0.5 stream=true'


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"key": "a b=c", "number": 1}, 'key="a b=c" number=1'),
        ({"key": "a=b", "other": "c"}, 'key="a=b" other=c'),
        ({"key": "", "other": ""}, 'key="" other=""'),
        ({"key": "a", "number": 0, "seconds": 1e-05}, "key=a number=0 seconds=1e-05"),
        ({"key": "a", "is_last": True}, "key=a is_last=true"),
        ({}, ""),
    ],
)
def test_one_field_that_is_not_plain_changes_no_other(fields, shown):
    assert HEAD.sub("", formatted("text", "m", **fields)) == f"m {shown}".strip()


def failing():
    try:
        int("a\n2026-11-29T00:00:00Z info    forged\x1b[2J" * 2)
    except ValueError as error:
        error.add_note("b\n2026-11-29T00:00:00Z info    forged\x1b[2J")
        return sys.exc_info()


def test_a_traceback_is_in_the_one_line_of_json():
    line = formatted("json", "it failed", logging.ERROR, failing())

    assert "\n" not in line
    assert json.loads(line)["exception"].startswith("Traceback (most recent call last):\n")
    assert "test_logs.py" in json.loads(line)["exception"]


def test_the_lines_of_a_traceback_in_text_are_indented():
    first, *others = formatted("text", "it failed", logging.ERROR, failing()).split("\n")

    assert HEAD.match(first)
    assert len(others) > 3
    assert all(line.startswith("    ") for line in others)
    assert not any(CONTROL.search(line) for line in others)


PROGRAM = """
import asyncio, logging, threading, warnings
from headrace.telemetry.logs import start_logging
from headrace.telemetry.settings import TelemetrySettings

start_logging(TelemetrySettings(log_format=FORMAT))
logging.getLogger("headrace.limits").info("ours")
logging.getLogger("headrace.limits").debug("too fine")
logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n", exc_info=ValueError("x"))
logging.getLogger("some.library").info("too fine for a library")
logging.getLogger("some.library").warning("a library", extra={"color_message": "\\x1b[1ma library"})
warnings.warn("old", UserWarning)

class Destroyed:
    def __del__(self):
        raise ValueError("in a destructor")

del (destroyed := [Destroyed()])[0]
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()

async def forget():
    asyncio.get_running_loop().create_future().set_exception(ValueError("never retrieved"))
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)

asyncio.run(forget())
raise SystemError("the end\\nof it")
"""


@pytest.mark.parametrize("form", FORMS)
def test_everything_that_a_process_reports_has_the_format(form):
    program = PROGRAM.replace("FORMAT", repr(form))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    lines = [line for line in done.stderr.splitlines() if not line.startswith("    ")]
    if form == "json":
        records = [json.loads(line) for line in done.stderr.splitlines()]
        events = [record["event"] for record in records]
        assert sum("exception" in record for record in records) >= 5
    else:
        events = [re.sub(r"^\S+Z \w+ +[\w.]+: ", "", line) for line in lines]
        assert all(re.match(r"\S+Z (info|warning|error|critical) +[\w.]+: ", line) for line in lines)
    assert done.returncode == 1
    assert done.stdout == ""
    assert events[:3] == ["ours", "Exception in ASGI application", "a library"]
    assert "old" in events[3]
    assert events[4:6] == ["unhandled exception"] * 2  # of the destructor and of the thread
    assert events[-1] == "unhandled exception"
    assert len(events) == 9
