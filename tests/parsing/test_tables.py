from headrace.formats import FORMATS, Mode
from headrace.parsing.tables import tables_of

GLM = FORMATS["glm-4.6"]


def test_a_table_is_made_once():
    assert tables_of(GLM, calls=True) is tables_of(GLM, calls=True)


def test_a_stop_token_counts_in_every_mode_but_the_last():
    tables = tables_of(GLM, calls=True)

    assert all(tables[mode].rows["<|user|>"].step.to is Mode.END for mode in Mode if mode is not Mode.END)
    assert tables[Mode.END].rows == {}


def test_a_row_of_its_own_makes_a_stop_token_a_marker():
    assert tables_of(FORMATS["gpt-oss"], calls=True)[Mode.CALLS].rows["<|call|>"].step.to is Mode.CALLS


def test_without_calls_nothing_leads_into_one():
    tables = tables_of(GLM, calls=False)

    assert "<tool_call>" not in tables[Mode.CONTENT].rows
    assert "</think>" in tables[Mode.REASONING].rows


def test_text_leads_on_where_a_mode_has_no_meaning_for_it():
    tables = tables_of(GLM, calls=True)

    assert tables[Mode.START].rows[""].step.to is tables[Mode.START].otherwise.to is Mode.CONTENT
    assert tables[Mode.ARGUMENTS].rows[""].step.to is Mode.KEY
    assert tables[Mode.ARGUMENTS].otherwise.to is Mode.STRAY
    assert tables[Mode.CONTENT].otherwise is None
