#!/usr/bin/env python3
"""Run the demo and the tests that depend on the interpreter on every CPython from 3.11 on but that of .venv.

The newest of each minor version on this machine is used. If none of a minor version works, that is an error:
no version is left out silently.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

OLDEST = 11
TESTS = "tests/cli tests/models tests/server tests/zai"
PROBE = (
    "import ensurepip, platform as p, sys as s; print(s.implementation.name + s.abiflags, p.python_version())"
)
SEARCHED = ["/opt", "/home", "/root", str(Path.home())]


def main() -> None:
    """Print the interpreters and run the tests on each; pytest's summary is printed last."""
    chosen = choose(find())
    tested = subprocess.check_output([".venv/bin/python", "-c", PROBE], text=True).split()[1]
    print(
        "Testing on Python", ", ".join(f"{version} ({path})" for version, path in chosen.values()), flush=True
    )
    if len(chosen) == 1 and (others := list(search(chosen))):
        sys.exit(f"only one version of Python was found, but there are more: {', '.join(others)}")
    for version, path in chosen.values():
        if version == tested:
            print(f"\n== Python {version}: tested by `make check`", flush=True)
            continue
        print(f"\n== Python {version}", flush=True)
        with tempfile.TemporaryDirectory(prefix="headrace-") as directory:
            made = ["make", f"VENV={directory}/venv", f"PYTHON={path}", f"TESTS={TESTS}", "demo", "test"]
            if subprocess.run(made, check=False).returncode != 0:
                sys.exit(f"failed on Python {version} ({path})")


def find() -> Iterator[Path]:
    """Yield the interpreters on the PATH, of the system and of pyenv, each once."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    if shutil.which("pyenv"):
        pyenv = Path(subprocess.check_output(["pyenv", "root"], text=True).strip())
    directories = [*map(Path, os.get_exec_path()), Path("/usr/bin"), Path("/usr/local/bin")]
    directories += sorted(pyenv.glob("versions/*/bin"))
    seen = set()
    for directory in directories:
        for path in sorted(directory.glob("python3.*")):
            if minor_of(path) >= OLDEST and path.parent.name != "shims" and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def minor_of(path: Path) -> int:
    """Return 12 for `python3.12`; 0 for anything else, such as `python3.12-config`."""
    name = re.fullmatch(r"python3\.(\d+)", path.name)
    return int(name[1]) if name else 0


def choose(paths: Iterable[Path]) -> dict[int, tuple[str, Path]]:
    """Return the newest of each minor version; exit if there is a minor version that cannot be used."""
    chosen: dict[int, tuple[str, Path]] = {}
    broken: dict[int, str] = {}
    for path in paths:
        minor = minor_of(path)
        probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            broken[minor] = f"{path}: {probe.stderr.strip().rpartition(chr(10))[2]}"
            continue
        build, version = probe.stdout.split()
        if build != "cpython":
            print(f"Not tested: {path} is {build} {version}")
        elif minor not in chosen or number(version) > number(chosen[minor][0]):
            chosen[minor] = version, path
    if unusable := [reason for minor, reason in broken.items() if minor not in chosen]:
        sys.exit("cannot be used: " + "; ".join(unusable))
    return dict(sorted(chosen.items()))


def number(version: str) -> list[int]:
    """Return [3, 12, 1] for "3.12.1"."""
    return [int(part) for part in re.findall(r"\d+", version)]


def search(chosen: Iterable[int]) -> Iterator[str]:
    """Yield the interpreters of other minor versions, wherever someone may have installed them."""
    command = ["find", *SEARCHED, "-xdev", "-type", "f", "-executable", "-path", "*/bin/python3.[1-9][0-9]"]
    for line in subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines():
        if minor_of(Path(line)) >= OLDEST and minor_of(Path(line)) not in chosen:
            yield line


if __name__ == "__main__":
    main()
