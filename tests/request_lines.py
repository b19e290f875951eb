"""Fixtures that read the lines of requests in the server log, whose fields docs/observability.md lists."""

import logging
import re
import time
from pathlib import Path

import pytest

__all__ = ["line", "lines"]

PAGE = Path(__file__).parents[1] / "docs" / "observability.md"
STANDARD = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"taskName", "message", "asctime"}
DOCUMENTED = set(
    re.findall(
        r"`(\w+)`",
        "".join(
            re.findall(r"^\| (`[^|]*) \|", PAGE.read_text("utf-8").partition("## Traces")[0], re.MULTILINE)
        ),
    )
)


@pytest.fixture
def lines(caplog):
    """Returns the lines so far as (level, event, fields), once there are `count` of them."""
    caplog.set_level(logging.DEBUG, "headrace.requests")

    def read(count=1):
        deadline = time.monotonic() + 30
        while True:
            records = [record for record in caplog.records if record.name == "headrace.requests"]
            if len(records) >= count or time.monotonic() > deadline:
                break
            time.sleep(0.005)
        fields = [
            {k: v for k, v in vars(record).items() if k not in STANDARD and v is not None}
            for record in records
        ]
        assert set().union(*fields) <= DOCUMENTED
        return [
            (record.levelname, record.message, each) for record, each in zip(records, fields, strict=True)
        ]

    return read


@pytest.fixture
def line(lines):
    """Returns the fields of the only line."""

    def read():
        ((_, event, fields),) = lines()
        assert event == "request"
        assert fields.pop("client") == "127.0.0.1"
        assert 0 <= fields.pop("seconds", 0) < 60
        assert re.fullmatch("[0-9a-f]{16}", fields.pop("request_id", "0" * 16))
        return fields

    return read
