"""The blocking half of the SDK is generated from its asyncio half."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "packages" / "zai" / "generate_sync.py"


def script():
    spec = importlib.util.spec_from_file_location("generate_sync", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "target"), script().GENERATED.items(), ids=[path.name for path in script().GENERATED]
)
def test_generating_again_gives_the_committed_file(source, target):
    assert script().generate(source) == target.read_text("utf-8"), "run `make fix`"


def test_generated_code_is_blocking_and_has_no_traces_of_asyncio():
    for target in script().GENERATED.values():
        code = target.read_text("utf-8").partition("\n")[2]
        for word in ("async def", "async with", "async for", "await", "asyncio", "Async"):
            kept = code.replace("AsyncCompletion", "").replace("AsyncTaskStatus", "")
            assert word not in kept.replace("asyncCompletions", ""), (target.name, word)


def test_a_sync_comment_replaces_the_line_after_it(tmp_path):
    source = tmp_path / "async_example.py"
    source.write_text(
        "async def read(reader: AsyncReader) -> bytes:\n"
        '    """Read for asyncio."""\n'
        "    # sync: `return reader.read(1)`\n"
        "    return await reader.read(2)\n"
    )

    assert script().generate(source).partition("\n")[2] == (
        'def read(reader: Reader) -> bytes:\n    """Read."""\n    return reader.read(1)\n'
    )
