"""Records of the server log are those of `logging`, as far as a line or another program's handler shows them."""

import logging
import pickle

import pytest

from headrace.telemetry.records import Record

FORMAT = (
    "%(asctime)s %(relativeCreated)d %(name)s %(levelname)s %(levelno)d %(pathname)s %(filename)s %(module)s"
    " %(funcName)s:%(lineno)d %(process)s %(processName)s %(thread)s %(threadName)s %(message)s"
)


@pytest.mark.parametrize(
    ("message", "args"),
    [("plain", ()), ("100 %", ()), ("%s and %d", ("a", 2)), ("%(a)s", ({"a": 1},)), ("%s", ({},)), (7, ())],
)
def test_a_message_is_that_of_the_standard_class(message, args):
    standard = logging.LogRecord("headrace", logging.INFO, "", 0, message, args, None)
    record = Record("headrace", logging.INFO, "", 0, message, args, None)

    assert record.getMessage() == standard.getMessage()
    assert (record.name, record.levelno, record.levelname) == ("headrace", logging.INFO, "INFO")


def test_every_format_of_a_handler_can_be_shown():
    record = Record("headrace", logging.WARNING, "", 0, "a %s", ("b",), None)
    line = logging.Formatter(FORMAT).format(record)

    assert line.endswith(" a b")
    assert logging.Formatter(FORMAT).format(pickle.loads(pickle.dumps(record))) == line


def test_a_record_is_made_of_its_attributes(monkeypatch):
    monkeypatch.setattr(logging, "_logRecordFactory", Record)
    record = logging.makeLogRecord({"name": "n", "levelno": 20, "levelname": "INFO", "msg": "m", "field": 1})

    assert type(record) is Record
    assert (record.name, record.levelname, record.getMessage(), record.field) == ("n", "INFO", "m", 1)
