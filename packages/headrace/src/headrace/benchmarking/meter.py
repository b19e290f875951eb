"""A response, as it arrives → what is measured of it.

Nothing waits for the end of a stream: streams that begin together end together, and decoding them then would
hold the event loop for all their deltas at once. Nothing of the stream is kept but times and counts.
"""

from collections.abc import Mapping
from typing import Any, Final

from headrace.benchmarking.apis import APIS
from headrace.benchmarking.sample import Outcome, Sample
from headrace.checking.answer import Inflater, decode_json
from headrace.checking.endpoint import Response
from headrace.sse import DONE, SseDecoder

__all__ = ["Meter"]

_FAILED: Final = ("error", "network_error", "abort")  # finish reasons of Z.ai, SGLang and gateways
_MAX_SHOWN: Final = 200  # bytes
_MAX_ERROR: Final = 16 * 1024  # bytes of a body that may contain the code of an error
_MAX_CODE: Final = 50  # characters
_MAX_COUNT: Final = 2**53  # a larger integer is not exact as a number of JSON (RFC 8259, 6)
_COUNTS: Final = ("prompt_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


class Meter:
    """Measures the response to one request.

    Args:
        api: the API of the request, a key of `APIS`.
    """

    def __init__(self, api: str) -> None:
        self._read_event = APIS[api].read
        self._inflater = Inflater("")
        self._sse = SseDecoder()
        self._body = b""  # its beginning
        self._has_events = False
        self._firsts: dict[str, float] = {}
        self._deliveries: list[float] = []
        self._size = 0  # characters
        self._weighted = 0.0  # the sum of their times of arrival
        self._finish = ""
        self._counts: dict[str, Any] = {}
        self._error: list[Any] = []  # the first one
        self._is_ended = False

    def feed(self, response: Response, at: float, data: bytes) -> None:
        """Read a piece of the body, which arrived `at` seconds after the request was sent.

        Raises:
            DecodeError: the body is not of its encoding, or an event is too long.
        """
        if not self._firsts:
            self._firsts["byte"] = at
            self._inflater = Inflater(response.headers.get("content-encoding", ""))
        data = self._inflater.feed(data)
        is_stream = response.status == 200
        if (room := (_MAX_SHOWN if is_stream else _MAX_ERROR) - len(self._body)) > 0:
            self._body += data[:room]
        if is_stream:
            for event in self._sse.feed(data):
                self._note(at, event.data)

    def finish(
        self,
        response: Response,
        planned: float = 0.0,
        started: float = 0.0,
        delay: float = 0.0,
        retried: tuple[int, ...] = (),
    ) -> Sample:
        """Return what was measured.

        Args:
            response: the response, at its end.
            planned: the planned start of the request, in seconds after the start of the run.
            started: seconds from the planned start until the client began to send it.
            delay: seconds from the planned start until it was sent, for the last time.
            retried: the statuses of earlier attempts.
        """
        self._sse.finish()
        outcome, detail = self._classify(response)
        is_left = outcome == "cancelled" and response.left is not None
        return Sample(
            planned=planned,
            started=started,
            outcome=outcome,
            detail=detail,
            body="" if outcome == "success" else self._body[:_MAX_SHOWN].decode("utf-8", "replace"),
            status=response.status,
            retry_after=response.headers.get("retry-after", ""),
            retried=retried,
            firsts={kind: delay + at for kind, at in self._firsts.items()},
            deliveries=tuple(delay + at for at in self._deliveries),
            mean_text=delay + self._weighted / self._size if self._size else None,
            end=delay + response.seconds,
            cancel_latency=response.seconds - (response.left or 0.0) if is_left else None,
            **{name: _count(self._counts, name) for name in _COUNTS},
        )

    def _note(self, at: float, data: bytes) -> None:
        """Note what an event contains."""
        self._has_events = True
        event = decode_json(data)
        if not isinstance(event, dict):
            self._is_ended |= data == DONE
            return
        kinds, size, finish, counts, error, is_end = self._read_event(event)
        if kinds:
            for kind in kinds:
                if kind not in self._firsts:
                    self._firsts[kind] = at
            self._size += size
            self._weighted += at * size
            if not self._deliveries or self._deliveries[-1] != at:
                self._deliveries.append(at)
        if finish and not self._finish:
            self._finish = finish
        if counts:
            self._counts.update(counts)
        if is_end:
            self._is_ended = True
        if (error or "error" in event) and not self._error:
            self._error.append(error)

    def _classify(self, response: Response) -> tuple[Outcome, str]:
        if response.cause == "client":
            return "client", response.failure
        if not response.status:
            return "error", f"{response.cause}: {response.failure}"
        if response.status != 200:
            value = decode_json(self._body)
            error = value.get("error") if isinstance(value, dict) else None
            return "error", f"status {response.status}{_code(error)}"
        if response.left is not None:
            return "cancelled", "by the client, as requested"
        if self._error:
            return "error", f"within the stream{_code(self._error[0])}"
        if self._finish in _FAILED:
            return "error", f"finish reason {self._finish}"
        if response.failure:
            return "truncated", response.failure
        if self._sse.has_unparsed and not self._has_events:
            return "error", "not a stream"
        if not self._has_events or (not self._deliveries and self._finish):
            return "empty", "no output"
        if not self._finish:
            return "truncated", "no finish reason"
        if not self._is_ended:
            return "truncated", "no end mark, such as [DONE]"
        return "success", ""


def _code(error: Any) -> str:
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None
    return f", code {str(code)[:_MAX_CODE]}" if isinstance(code, str | int) else ""


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if type(value) is int and 0 <= value <= _MAX_COUNT else None
