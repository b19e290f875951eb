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
    return ConditionMatcher(condition, ["<|user|>", "<|end|>"], ["<a>", "<b>"]).follows(
        "<m>" + text, 3, names, at_end=at_end, in_string=in_string
    )


@pytest.mark.parametrize(
    "text",
    ["get\n", " \n get\t\n", "get<k>", "get_weather \n <k>", "获取天气<k>", "unknown<k>", "un-known.1 <k>"],
)
def test_a_condition_holds_if_one_of_its_sequences_follows(text):
    assert follows(CALL, text) is True


@pytest.mark.parametrize("text", ["", " ", "g", "get", "get ", "get<", "get_", "unknown", "unknown <", "获"])
def test_a_condition_is_undecided_while_more_text_could_decide_it(text):
    assert follows(CALL, text) is None


@pytest.mark.parametrize("text", ["<", ".get x", "get x", "get_x\nx", " and <k", "unknown<x", "unknown\n\nx"])
def test_a_condition_fails_as_soon_as_no_sequence_can_follow(text):
    assert follows(CALL, text) is False


def test_a_name_is_matched_as_a_whole():
    assert follows(((Lookahead.KNOWN_NAME, "_x"),), "get_x") is False
    assert follows(((Lookahead.KNOWN_NAME, "<k>"),), "get_weather<k>") is True


@pytest.mark.parametrize("text", ["", "\n", "get_wea", "get_weather", "get <", "unknown <"])
def test_at_the_end_of_the_output_the_beginning_of_a_sequence_suffices(text):
    assert follows(CALL, text, at_end=True) is True


@pytest.mark.parametrize("text", ["unknown", "gets", "."])
def test_at_the_end_of_the_output_a_partial_name_must_begin_that_of_a_tool(text):
    assert follows(CALL, text, at_end=True) is False


@pytest.mark.parametrize("text", ["", "ke", "key", "key:", "get", "key: "])
def test_at_the_end_of_the_output_any_partial_key_suffices(text):
    assert follows(((Lookahead.KEY, ": "),), text, at_end=True) is True


def test_a_key_is_a_name():
    assert follows(((Lookahead.KEY, ":"),), "two words:") is False
    assert follows(((Lookahead.KEY, ":"),), "two words:", at_end=True) is False
    assert follows(((Lookahead.KEY, ":"),), "ke") is None


def test_without_tools_there_are_no_known_names():
    assert follows(((Lookahead.SPACE, Lookahead.KNOWN_NAME),), " g", names=()) is False


@pytest.mark.parametrize(
    ("text", "result"),
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
def test_the_end_is_undecided_until_the_output_ends(text, result):
    end = ((Lookahead.SPACE, Lookahead.END),)

    assert follows(end, text) is result
    assert follows(end, text, at_end=True) is (result is None)


def test_white_space_is_bounded():
    condition = ((Lookahead.SPACE, "<k>"),)

    assert follows(condition, " " * MAX_SPACE) is None
    assert follows(condition, " " * MAX_SPACE + "<k>") is True
    assert follows(condition, " " * (MAX_SPACE + 1)) is False


def test_names_are_bounded():
    assert follows(CALL, "x" * 128) is None
    assert follows(CALL, "x" * 129) is False


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("get{", True),
        ("<a> <b>\nget{", True),
        ("<a><a><a><a>get{", True),
        ("<a><a><a><a><a>get{", False),
        ("<a><", None),
        ("<a>ge", None),
        ("<c>get{", False),
        ("<a>unknown{", False),
    ],
)
def test_tags_may_precede_a_name(text, result):
    assert follows(((Lookahead.TAGS, Lookahead.KNOWN_NAME, "{"),), text) is result


def test_a_table_without_tags_has_white_space_only():
    matcher = ConditionMatcher(((Lookahead.TAGS, "x"),), [])

    assert matcher.follows(" x", 0, (), at_end=False, in_string=False) is True


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("getkey:", True),
        ("get_weatherkey:", True),
        ("getke", None),
        ("ge", None),
        ("x", False),
        ("xkey:", False),
    ],
)
def test_a_name_may_have_a_key_stuck_to_it(text, result):
    assert follows(((Lookahead.NAME_AND_KEY, ":"),), text) is result


def test_at_the_end_of_the_output_only_the_beginning_of_a_name_counts_before_a_key():
    condition = ((Lookahead.NAME_AND_KEY, ":"),)

    assert follows(condition, "get_wea", at_end=True) is True
    assert follows(condition, "getke", at_end=True) is False


@pytest.mark.parametrize(("text", "result"), [("?? a b<c>", True), ("?? a", None), ("a\nb<c>", False)])
def test_words_are_on_one_line(text, result):
    assert follows(((Lookahead.WORDS, "<c>"),), text) is result


def test_outside_of_strings_nothing_needs_to_follow():
    condition = ((Lookahead.OUTSIDE_STRING,), (Lookahead.SPACE, "<k>"))

    assert follows(condition, "x") is True
    assert follows(condition, "x", in_string=True) is False
    assert follows(condition, " <k>", in_string=True) is True


def test_a_delimiter_that_counts_outside_of_strings_only_fails_inside_one():
    assert follows(((Lookahead.OUTSIDE_STRING,),), "", in_string=True, at_end=True) is False


@pytest.mark.parametrize(
    "text", ["get \n", " \n获取天气 <k>", "unknown\n<k>", "get x", "", "<|end|> ", "x<|user|>"]
)
@pytest.mark.parametrize("condition", [CALL, ((Lookahead.SPACE, Lookahead.END), (Lookahead.SPACE, "get"))])
def test_more_text_never_changes_a_decision(condition, text):
    results = [follows(condition, text[:size]) for size in range(len(text) + 1)]
    decided = [result for result in results if result is not None]

    assert results == [None] * (len(results) - len(decided)) + decided
    assert len(set(decided)) <= 1
