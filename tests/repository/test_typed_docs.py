"""The programs in the documentation type-check."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/quickstart.md", "docs/sdk.md", "packages/zai/README.md"]
PYRIGHT = ["-m", "basedpyright", "--level", "error", "--pythonpath", sys.executable]


@pytest.mark.parametrize(
    "checker", [["-m", "mypy", "--config-file="], ["-m", "mypy", "--config-file=", "--strict"], PYRIGHT]
)
def test_the_programs_in_the_documentation_type_check(checker, tmp_path):
    files = []
    for page in PAGES:
        programs = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
        assert programs, page
        # Those of the quickstart are separate programs; elsewhere, one continues the other.
        for program in programs if page == "docs/quickstart.md" else ["\n".join(programs)]:
            files.append(tmp_path / f"page{len(files)}.py")
            files[-1].write_text(program, "utf-8")

    command = [sys.executable, *checker, *map(str, files)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
