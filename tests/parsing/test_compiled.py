from headrace.formats import FORMATS, State
from headrace.parsing import OutputParser
from headrace.parsing.compiled import compile_format, tables_of

GLM = FORMATS["glm-4.6"]


def target(tables, state, delimiter):
    """The state that a delimiter leads to."""
    (transition, _), *_ = tables[state].transitions[delimiter]
    return transition.to


def test_a_format_is_compiled_once():
    assert tables_of(GLM, calls=True) is tables_of(GLM, calls=True)


def test_a_state_is_compiled_when_it_is_entered_or_with_the_whole_format():
    tables_of.cache_clear()
    tables = tables_of(GLM, calls=True)
    parser = OutputParser(GLM, {"f": None})
    parser.feed("<think>a")
    assert set(tables) == {State.START, State.REASONING}

    compile_format(GLM)

    assert set(tables) == set(tables_of(GLM, calls=False)) == set(State)


def test_a_stop_token_is_a_delimiter_in_every_state_but_the_last():
    tables = tables_of(GLM, calls=True)

    assert {target(tables, state, "<|user|>") for state in State if state is not State.END} == {State.END}
    assert tables[State.END].transitions == {}


def test_a_format_may_use_a_stop_token_as_another_delimiter():
    tables = tables_of(FORMATS["gpt-oss"], calls=True)

    assert target(tables, State.CALLS, "<|call|>") is State.CALLS


def test_without_calls_no_transition_leads_into_one():
    tables = tables_of(GLM, calls=False)

    assert "<tool_call>" not in tables[State.CONTENT].transitions
    assert "</think>" in tables[State.REASONING].transitions


def test_text_leads_to_another_state_if_it_has_no_meaning_in_this_one():
    tables = tables_of(GLM, calls=True)

    assert target(tables, State.OPEN, "") is State.NAME
    assert tables[State.OPEN].on_text.to is State.CONTENT
    assert target(tables, State.ARGUMENTS, "") is State.KEY
    assert tables[State.ARGUMENTS].on_text.to is State.UNPARSED
    assert tables[State.CONTENT].on_text is None
