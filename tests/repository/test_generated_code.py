"""The blocking half of the SDK is generated from its asyncio half, and tables of the docs from the code."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "packages" / "zai" / "generate_sync.py"


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


def test_drawing_the_docs_again_gives_the_committed_pages():
    check = subprocess.run([sys.executable, ROOT / "docs" / "draw.py", "--check"], check=False)

    assert check.returncode == 0, "run `make fix`"


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
