"""A run of the verifier as text and as JSON, which `--reference` reads."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from headrace.checking.verify.figures import Agreement, Figures
from headrace.checking.verify.run import VerifyRun
from headrace.errors import RequestError
from headrace.visible import make_visible

__all__ = ["decode_run", "encode_json", "encode_text"]


def encode_text(run: VerifyRun, figures: Figures, agreements: Mapping[str, Agreement]) -> str:
    """Return a line for each figure, and one for each call that violates its schema.

    Args:
        run: which one.
        figures: those of the run.
        agreements: by what the run is compared with.
    """
    rows = [*_rows(run, figures)]
    for name, agreement in agreements.items():
        rows += _agreement(name, agreement)
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {make_visible(text)}" for name, text in rows]
    for outcome in run.outcomes:
        for call in outcome.calls:
            if call.violation:
                what = f"{outcome.id}: {call.name}({call.arguments}): {call.violation}"
                lines.append(f"violation  {make_visible(what[:300])}")
    return "\n".join([*lines, ""])


def encode_json(run: VerifyRun, figures: Figures, agreements: Mapping[str, Agreement]) -> str:
    """Return the run and its figures as a JSON object, in ASCII."""
    compared = {
        name: {
            **agreement._asdict(),
            **{key: getattr(agreement, key) for key in ("precision", "recall", "f1")},
        }
        for name, agreement in agreements.items()
    }
    value: dict[str, Any] = msgspec.to_builtins(run)
    value |= {"figures": msgspec.to_builtins(figures), "agreements": compared}
    return json.dumps(value, indent=2) + "\n"


def decode_run(path: Path) -> VerifyRun:
    """Read a run from a file of `--json`.

    Raises:
        RequestError: the file cannot be read, or has no run.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=VerifyRun)
    except OSError as error:
        raise RequestError(f"--reference: cannot read {path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"--reference: {path} is not the output of --verify --json: {error}") from None


def _rows(run: VerifyRun, figures: Figures) -> Iterator[tuple[str, str]]:
    total = len(run.outcomes)
    yield "URL", run.url
    yield "model", run.model
    yield "samples", f"{total} ({run.samples})"
    yield "answered", _of(figures.answered, total)
    for reason, count in figures.failures.items():
        yield f"failed {count} times", reason
    yield "finish reasons", ", ".join(f"{name or 'none'} {n}" for name, n in figures.finish_reasons.items())
    yield "arguments obey the schema", _of(figures.obeying, figures.calls)
    yield "thinking only", _of(figures.thinking_only, figures.answered)
    yield "generated tokens", str(figures.tokens)


def _agreement(name: str, agreement: Agreement) -> Iterator[tuple[str, str]]:
    shares = {"precision": agreement.precision, "recall": agreement.recall, "F1": agreement.f1}
    text = ", ".join(f"{key} {'n/a' if value is None else f'{value:.3f}'}" for key, value in shares.items())
    yield f"a call, {name}", text
    yield f"the same tools, {name}", _of(agreement.same_tools, agreement.both)


def _of(count: int, total: int) -> str:
    return f"{count} of {total}" + (f" ({100 * count / total:.1f} %)" if total else "")
