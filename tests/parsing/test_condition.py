import pytest

from headrace.formats import MAX_SPACE, Lookahead
from headrace.parsing.condition import ConditionMatcher

CALL = (
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.LINE_END),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "<k>"),
    (Lookahead.ANY_NAME, Lookahead.SPACE, "<k>"),
)
NAMES = ("get", "get_weather", "获取天气")


def follows(condition, text, *, at_end=False, in_string=False, names=NAMES):
    return ConditionMatcher(condition, ["<|user|>", "<|end|>"]).follows(
        "<m>" + text, 3, names, at_end=at_end, in_string=in_string
    )


@pytest.mark.parametrize(
    "text",
    ["get\n", " \n get\t\n", "get<k>", "get_weather \n <k>", "获取天气<k>", "unknown<k>", "un-known.1 <k>"],
)
def test_what_is_asked_for_is_seen(text):
    assert follows(CALL, text) is True


@pytest.mark.parametrize("text", ["", " ", "g", "get", "get ", "get<", "get_", "unknown", "unknown <", "获"])
def test_while_more_text_can_decide_nothing_is_decided(text):
    assert follows(CALL, text) is None


@pytest.mark.parametrize("text", ["<", ".get x", "get x", "get_x\nx", " and <k", "unknown<x", "unknown\n\nx"])
def test_what_is_not_asked_for_is_refused_as_soon_as_it_is_certain(text):
    assert follows(CALL, text) is False


def test_a_name_that_begins_with_another_is_not_taken_for_it():
    assert follows(((Lookahead.KNOWN_NAME, "_x"),), "get_x") is False
    assert follows(((Lookahead.KNOWN_NAME, "<k>"),), "get_weather<k>") is True


@pytest.mark.parametrize("text", ["", "\n", "get_wea", "get_weather", "get <", "unknown <"])
def test_at_the_end_a_beginning_is_enough(text):
    assert follows(CALL, text, at_end=True) is True


@pytest.mark.parametrize("text", ["unknown", "gets", "."])
def test_at_the_end_a_word_that_is_no_tools_name_is_text(text):
    assert follows(CALL, text, at_end=True) is False


def test_without_tools_no_name_is_known():
    assert follows(((Lookahead.SPACE, Lookahead.KNOWN_NAME),), " g", names=()) is False


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", None),
        (" \n", None),
        ("<|us", None),
        ("<|user|>", None),
        ("<|user|>\n", None),
        ("<|user|>x", False),
        ("x", False),
    ],
)
def test_the_end_is_uncertain_until_it_is_there(text, verdict):
    end = ((Lookahead.SPACE, Lookahead.END),)

    assert follows(end, text) is verdict
    assert follows(end, text, at_end=True) is (verdict is None)


def test_white_space_without_end_is_no_protocol():
    condition = ((Lookahead.SPACE, "<k>"),)

    assert follows(condition, " " * MAX_SPACE) is None
    assert follows(condition, " " * MAX_SPACE + "<k>") is True
    assert follows(condition, " " * (MAX_SPACE + 1)) is False


def test_a_name_without_end_is_none():
    assert follows(CALL, "x" * 128) is None
    assert follows(CALL, "x" * 129) is False


def test_outside_of_the_strings_of_json_nothing_more_is_asked():
    condition = ((Lookahead.NO_STRING,), (Lookahead.SPACE, "<k>"))

    assert follows(condition, "x") is True
    assert follows(condition, "x", in_string=True) is False
    assert follows(condition, " <k>", in_string=True) is True


def test_where_no_string_may_be_a_marker_never_counts_inside_one():
    assert follows(((Lookahead.NO_STRING,),), "", in_string=True, at_end=True) is False


@pytest.mark.parametrize(
    "text", ["get \n", " \n获取天气 <k>", "unknown\n<k>", "get x", "", "<|end|> ", "x<|user|>"]
)
@pytest.mark.parametrize("condition", [CALL, ((Lookahead.SPACE, Lookahead.END), (Lookahead.SPACE, "get"))])
def test_what_was_decided_stays_decided_when_more_text_comes(condition, text):
    verdicts = [follows(condition, text[:size]) for size in range(len(text) + 1)]
    decided = [verdict for verdict in verdicts if verdict is not None]

    assert verdicts == [None] * (len(verdicts) - len(decided)) + decided
    assert len(set(decided)) <= 1
