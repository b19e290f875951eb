"""The message for an unreadable file has its path, its role and a remedy."""

from pathlib import Path

import pytest

from headrace.errors import EngineError, RequestError
from headrace.foreign_errors import reading


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (FileNotFoundError(2, "No such file"), "no such file or directory; correct the path"),
        (IsADirectoryError(21, "Is a directory"), "it is a directory; set the path of a file"),
        (PermissionError(13, "Permission denied"), "permission denied; make it readable"),
        (
            OSError(40, "Too many levels of symbolic links"),
            "Too many levels of symbolic links; correct the path",
        ),
    ],
)
def test_the_message_for_an_unreadable_file_names_it_and_the_remedy(error, remedy):
    with pytest.raises(EngineError, match=f"cannot read the model file a/b.gguf: {remedy}"):
        with reading("the model file", Path("a/b.gguf")):
            raise error


def test_the_type_of_the_error_can_be_set():
    with pytest.raises(RequestError, match="cannot read --tools nowhere"):
        with reading("--tools", Path("nowhere"), RequestError):
            Path("nowhere").read_bytes()
