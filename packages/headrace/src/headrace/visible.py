r"""Text that is not ours → text that is safe to print to a terminal.

An answer, a model's name, an error or a request may contain escape sequences that write the clipboard, forge
links or erase lines, and bidirectional controls that reorder what is shown. Each such character is replaced
by its escape in JSON, such as `\u001b`, which the terminal shows; so JSON keeps its meaning. U+200D remains,
because emoji consist of it.
"""

from typing import Final

__all__ = ["make_visible"]

_CONTROLS: Final = [*range(0x20), *range(0x7F, 0xA0)]  # C0, DEL, C1
_BIDI: Final = [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SEPARATORS: Final = [0x2028, 0x2029]  # a line break for some terminals only
_INVISIBLE: Final = [0x200B, *range(0x2060, 0x2066), *range(0x206A, 0x2070), *range(0xFFF9, 0xFFFC), 0xFEFF]
_NO_CHARACTERS: Final = [0xFFFE, 0xFFFF]  # XML forbids them
_SURROGATES: Final = range(0xD800, 0xE000)  # cannot be encoded

_ESCAPES: Final = {
    code: f"\\u{code:04x}"
    for code in (*_CONTROLS, *_BIDI, *_SEPARATORS, *_INVISIBLE, *_NO_CHARACTERS, *_SURROGATES)
}
_IN_A_LINE: Final = {**_ESCAPES, ord("\r"): "\\r", ord("\n"): "\\n", ord("\t"): "\\t"}
_IN_LINES: Final = {code: text for code, text in _IN_A_LINE.items() if code not in (ord("\n"), ord("\t"))}


def make_visible(text: str, *, lines: bool = False) -> str:
    r"""Replace control and bidirectional characters by visible escapes.

    Args:
        text: a name, a message, an answer.
        lines: keep line ends (`\r\n` as `\n`) and tabs. Without it, the result is one line.
    """
    return text.replace("\r\n", "\n").translate(_IN_LINES) if lines else text.translate(_IN_A_LINE)
