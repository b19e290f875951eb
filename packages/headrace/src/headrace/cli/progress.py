"""The progress of a benchmark on the terminal of standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headrace.benchmarking import Progress

__all__ = ["show_progress"]


@contextmanager
def show_progress() -> Iterator[Callable[[Progress], None]]:
    """Show a bar and live figures, which disappear at the end; nothing without a terminal or without rich."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as Bar
    except ModuleNotFoundError:
        yield lambda _: None
        return
    console = Console(file=sys.stderr)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
    is_disabled = not console.is_terminal or console.is_dumb_terminal
    # Without `auto_refresh`, no thread competes with the event loop for the GIL.
    with Bar(*columns, console=console, transient=True, auto_refresh=False, disable=is_disabled) as bar:
        task = bar.add_task("", total=1.0)

        def observe(progress: Progress) -> None:
            bar.update(task, completed=progress.done, description=_describe(progress), refresh=True)

        yield observe


def _describe(progress: Progress) -> str:
    delta = "n/a" if progress.first_delta is None else f"{progress.first_delta:.3f} s"
    counts = f"{progress.running} running, {progress.ended} ended, {progress.failed} failed"
    return f"{progress.load}: {counts}; first delta {delta}"
