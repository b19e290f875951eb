"""What the operating system refuses is told with the file, its role and a remedy."""

from pathlib import Path

import pytest

from headrace.errors import EngineError, RequestError
from headrace.files import reading


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        (FileNotFoundError(2, "No such file"), "no such file or directory; correct the path"),
        (IsADirectoryError(21, "Is a directory"), "it is a directory; name the file"),
        (PermissionError(13, "Permission denied"), "permission denied; make it readable"),
        (
            OSError(40, "Too many levels of symbolic links"),
            "Too many levels of symbolic links; correct the path",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_a_remedy(refusal, remedy):
    with pytest.raises(EngineError, match=f"cannot read the model file a/b.gguf: {remedy}"):
        with reading("the model file", Path("a/b.gguf")):
            raise refusal


def test_whose_fault_it_is_can_be_chosen():
    with pytest.raises(RequestError, match="cannot read --tools nowhere"):
        with reading("--tools", Path("nowhere"), RequestError):
            Path("nowhere").read_bytes()
