"""The headers of W3C Trace Context, as clients send them and upstreams get them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.trace_context import TraceContext

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def context(parent, *states):
    fields = [(b"host", b"x"), (b"traceparent", parent.encode("latin-1"))]
    return TraceContext.of_headers([*fields, *((b"tracestate", state.encode()) for state in states)])


def test_a_context_is_passed_on_unchanged():
    read = context(PARENT, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")

    assert read.trace_id == TRACE
    assert read.headers == [
        (b"traceparent", PARENT.encode()),
        (b"tracestate", b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
    ]
    assert TraceContext.of_headers(read.headers) == read


def test_the_lines_of_a_tracestate_are_joined():
    assert context(PARENT, "a=1 , b=2", "", "t@v=3").state == "a=1,b=2,t@v=3"
    assert context(PARENT).headers == [(b"traceparent", PARENT.encode())]


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}-more",
        f"{PARENT}\n",
        f"{PARENT} ",
        PARENT[:-1],
        PARENT.replace("b7-", "bg-"),
    ],
)
def test_an_invalid_parent_is_dropped_with_its_state(parent):
    assert context(parent, "a=1") is None


def test_two_parents_are_none():
    assert TraceContext.of_headers([(b"traceparent", PARENT.encode())] * 2) is None


def test_a_later_version_may_have_more():
    later = f"cc-{PARENT[3:]}-what-the-future-will-be-like"
    assert context(later).parent == later
    assert context(f"{later}\u00e9") is None


@pytest.mark.parametrize(
    "state", ["a", "A=1", "a=\x07", "=1", "a=1,b", "a=" + "x" * 600, ",".join(["a=1"] * 33)]
)
def test_an_invalid_state_is_dropped_alone(state):
    assert context(PARENT, state) == TraceContext(PARENT)


MESH = {
    "x-request-id": "5b3c 1",
    "x-gateway-inference-objective": "sheddable",
    "x-gateway-inference-fairness-id": "tenant-1",
}


@pytest.mark.parametrize("parent", [PARENT, "", None])
def test_the_headers_of_a_mesh_are_kept_with_and_without_a_trace(parent):
    others = {
        "authorization": "Bearer my-id.my-secret",
        "cookie": "a=1",
        "x-api-key": "1",
        "x-gateway-inference-": "1",
    }
    fields = {**others, **MESH, **({} if parent is None else {"traceparent": parent})}
    read = TraceContext.of_headers((name.encode(), value.encode()) for name, value in fields.items())

    assert dict(read.mesh_headers) == {name.encode(): value.encode() for name, value in MESH.items()}
    assert read.headers == ([(b"traceparent", PARENT.encode())] if parent else [])
    assert bool(read.trace_id) == bool(parent)


@given(
    st.lists(st.tuples(st.sampled_from([*MESH, "x-gateway-inference-x", "x-other"]), st.binary(max_size=300)))
)
def test_a_header_of_a_mesh_can_add_no_other_one(fields):
    read = TraceContext.of_headers((name.encode(), value) for name, value in fields)
    for name, value in read.mesh_headers if read else ():
        assert value.decode("ascii").isprintable()
        assert (name.decode(), value) in fields
        assert name != b"x-other"
        assert len(value) <= 256


@given(st.text(max_size=80), st.text(st.characters(max_codepoint=255), max_size=80))
def test_no_header_can_add_another_one(parent, state):
    for value in (parent, f"{PARENT}{parent}"):
        fields = [
            (b"traceparent", value.encode("utf-8", "replace")),
            (b"tracestate", state.encode("latin-1")),
        ]
        read = TraceContext.of_headers(fields)
        for _, header in read.headers if read else ():
            assert header.decode("ascii").isprintable()
