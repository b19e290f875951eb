from headrace.formats import FORMATS, State
from headrace.parsing.tables import tables_of

GLM = FORMATS["glm-4.6"]


def test_a_table_is_made_once():
    assert tables_of(GLM, calls=True) is tables_of(GLM, calls=True)


def test_a_stop_token_counts_in_every_mode_but_the_last():
    tables = tables_of(GLM, calls=True)

    assert all(
        tables[state].rows["<|user|>"].transition.to is State.END for state in State if state is not State.END
    )
    assert tables[State.END].rows == {}


def test_a_row_of_its_own_makes_a_stop_token_a_marker():
    assert (
        tables_of(FORMATS["gpt-oss"], calls=True)[State.CALLS].rows["<|call|>"].transition.to is State.CALLS
    )


def test_without_calls_nothing_leads_into_one():
    tables = tables_of(GLM, calls=False)

    assert "<tool_call>" not in tables[State.CONTENT].rows
    assert "</think>" in tables[State.REASONING].rows


def test_text_leads_on_where_a_mode_has_no_meaning_for_it():
    tables = tables_of(GLM, calls=True)

    assert tables[State.START].rows[""].transition.to is tables[State.START].otherwise.to is State.CONTENT
    assert tables[State.ARGUMENTS].rows[""].transition.to is State.KEY
    assert tables[State.ARGUMENTS].otherwise.to is State.STRAY
    assert tables[State.CONTENT].otherwise is None
