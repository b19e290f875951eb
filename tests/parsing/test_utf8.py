from hypothesis import given
from hypothesis import strategies as st

from headrace.parsing import Utf8Decoder
from strategies import cut


def decoded(pieces):
    decoder = Utf8Decoder()
    return "".join([*map(decoder.feed, pieces), decoder.finish()])


@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_a_character_that_was_cut_is_held_not_replaced(text, data):
    encoded = text.encode()

    assert decoded([encoded[place : place + 1] for place in range(len(encoded))]) == text
    assert decoded(data.draw(cut(encoded))) == text


def test_a_character_leaves_with_its_last_byte():
    decoder = Utf8Decoder()

    assert [decoder.feed(b"%c" % byte) for byte in "é🌟".encode()] == ["", "é", "", "", "", "🌟"]


def test_what_is_no_utf8_is_replaced():
    assert decoded([b"a\xff", b"b"]) == "a\ufffdb"


def test_a_character_that_never_ends_is_replaced_at_the_end():
    assert decoded(["你".encode()[:2]]) == "\ufffd"


@given(st.binary(max_size=40), st.data())
def test_no_cut_changes_the_text(data, choices):
    assert decoded(choices.draw(cut(data))) == decoded([data]) == data.decode("utf-8", "replace")
