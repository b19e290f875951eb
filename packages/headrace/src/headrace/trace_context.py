"""The trace of a request: the headers `traceparent` and `tracestate` (W3C Trace Context, level 2).

Without tracing, a server passes them on to the model's server unchanged, so that the spans of a client and
of an upstream are one trace. What is not valid is dropped, as the specification requires.

A service mesh has further headers by which it recognizes a request: `x-request-id` of Envoy, and those of
Kubernetes' Gateway API Inference Extension, such as `x-gateway-inference-objective`.
"""

import re
from collections.abc import Iterable
from operator import itemgetter
from typing import Final, Self

import msgspec

__all__ = ["TraceContext"]

_PARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,400})?"
)
_MEMBER: Final = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_HEADER: Final = re.compile(rb"trace(parent|state)\Z|x-(request-id|gateway-inference-)")
_MESH: Final = re.compile(rb"x-request-id|x-gateway-inference-[a-z0-9-]{1,64}")
_MESH_VALUE: Final = re.compile(rb"[!-~]([ -~]{0,254}[!-~])?")
_NAME: Final = itemgetter(0)
_MAX_MEMBERS: Final = 32
_MAX_STATE: Final = 512  # characters


class TraceContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """A span of another program, which the spans of this one belong to.

    Args:
        parent: its `traceparent`; "" if the request has none.
        state: its `tracestate`; "" if there is none.
        mesh: the headers of a service mesh, each with its name.
    """

    parent: str = ""
    state: str = ""
    mesh: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_headers(cls, headers: Iterable[tuple[bytes, bytes]]) -> Self | None:
        """Return the context in a request's headers, whose names are in lower case; None if it has none."""
        headers = tuple(headers)
        if not any(map(_HEADER.match, map(_NAME, headers))):  # as usual
            return None
        parents, states = [], []
        mesh: dict[str, str] = {}
        for name, value in headers:
            if name == b"traceparent":
                parents.append(value.decode("latin-1"))
            elif name == b"tracestate":
                states.append(value.decode("latin-1"))
            elif name.startswith(b"x-") and _MESH.fullmatch(name) and _MESH_VALUE.fullmatch(value):
                mesh.setdefault(name.decode(), value.decode())
        if len(parents) == 1 and _is_parent(parents[0]):
            return cls(parents[0], _joined(states), tuple(mesh.items()))
        return cls(mesh=tuple(mesh.items())) if mesh else None

    @property
    def trace_id(self) -> str:
        """The id of the trace, 32 hexadecimal digits; "" without one."""
        return self.parent[3:35]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of a request to another server, without those of a mesh."""
        if not self.parent:
            return []
        state = [(b"tracestate", self.state.encode())] if self.state else []
        return [(b"traceparent", self.parent.encode()), *state]

    @property
    def mesh_headers(self) -> list[tuple[bytes, bytes]]:
        """Those of a mesh."""
        return [(name.encode(), value.encode()) for name, value in self.mesh]


def _is_parent(value: str) -> bool:
    """Return whether a value is valid; a later version may have more after another hyphen."""
    found = _PARENT.fullmatch(value)
    return found is not None and (found[1] is None or not value.startswith("00"))


def _joined(states: Iterable[str]) -> str:
    """Join the members of all lines; "" if they are not valid."""
    members = [member.strip(" \t") for state in states for member in state.split(",")]
    members = [member for member in members if member]
    joined = ",".join(members)
    is_valid = len(members) <= _MAX_MEMBERS and all(map(_MEMBER.fullmatch, members))
    return joined if is_valid and len(joined) <= _MAX_STATE else ""
