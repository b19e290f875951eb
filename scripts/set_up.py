"""Bring a virtual environment up to date.

    python scripts/set_up.py VENV REQUIREMENT…

Each requirement is one argument of `pip install`. If all are installed already, nothing happens. An
environment is recreated if its creation was interrupted, if it was moved, or if another Python created it.
The syntax is that of Python 3.6, so that this program can reject an older Python with a clear message.
"""

import contextlib
import fcntl
import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "Python {}.{}".format(*sys.version_info)


def main(name, *wanted):
    """Create the environment if necessary, and install what is missing or has changed."""
    if name.startswith("-"):
        sys.exit(f"{name} is not the name of an environment; --help shows the usage")
    check_python()
    venv = ROOT / name
    with Path(__file__).open() as lock:
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        installed = read_installed(venv)
        if installed is not None and set(wanted) <= set(installed) and not has_changed(venv):
            return
        print(f"Setting up {name} with {PYTHON}, about a minute ", end="", flush=True)
        if installed is None:
            run(sys.executable, "-m", "venv", "--clear", venv)
            write_installed(venv)
        installed = dict.fromkeys([*(installed or ()), *wanted])
        run(venv / "bin/python", "-m", "pip", "install", "--no-input", *installed)
        write_installed(venv, *installed)
        print()


def check_python():
    """Exit with the reason if this Python is too old, or cannot create an environment."""
    if sys.version_info < (3, 11):
        sys.exit(
            f"Headrace needs Python 3.11 or later; {sys.executable} is {PYTHON}."
            " To name another: make demo PYTHON=python3.12"
        )
    if importlib.util.find_spec("ensurepip") is None:
        package = PYTHON.lower().replace(" ", "") + "-venv"
        sys.exit(
            f"{sys.executable} cannot create an environment. On Debian and Ubuntu: apt install {package}"
        )


def record_of(venv):
    """Return the path of the record: the origin of the environment, then the requirements, one a line."""
    return venv / "installed"


def origin_of(venv):
    """Return the Python and the directory, without which an environment does not work."""
    return f"{PYTHON} of {sys.base_prefix} in {venv}"


def read_installed(venv):
    """Return the installed requirements; None if this Python cannot use the environment."""
    try:
        origin, *installed = record_of(venv).read_text().splitlines()
    except (OSError, ValueError):
        return None
    return installed if origin == origin_of(venv) and (venv / "bin/python").exists() else None


def write_installed(venv, *installed):
    """Record the installed requirements."""
    record_of(venv).write_text("\n".join([origin_of(venv), *installed]))


def has_changed(venv):
    """Return whether a version or a dependency has changed since the last installation."""
    sources = [ROOT / "constraints.txt", *ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("tests/*.txt")]
    return max(source.stat().st_mtime for source in sources) > record_of(venv).stat().st_mtime


def run(*command):
    """Run a program and print a dot every two seconds; exit with its output if it fails."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "universal_newlines": True}
    with subprocess.Popen([str(word) for word in command], cwd=str(ROOT), **options) as process:
        output = None
        while output is None:
            try:
                output, _ = process.communicate(timeout=2)
            except subprocess.TimeoutExpired:
                print(".", end="", flush=True)
    if process.returncode != 0:
        sys.exit("\n" + output)


if __name__ == "__main__":
    if not sys.argv[1:] or any(word in ("-h", "--help") for word in sys.argv[1:]):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] else 2)
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
