"""Options set by flags and environment variables."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headrace.configuration.groups import OPTION_GROUPS, CommandLine
from headrace.configuration.table import OptionTable
from headrace.errors import RequestError
from headrace.options import options_of

__all__ = ["WORKERS_DIR", "WORKER_SLOT", "Overrides"]

WORKERS_DIR: Final = "HEADRACE_WORKERS_DIR"
"""The variable by which a supervisor gives its workers a directory that they share."""
WORKER_SLOT: Final = "HEADRACE_WORKER_SLOT"
"""The variable by which it gives each its number, from 0."""

_VARIABLE_NAMES: Final = [
    option.name for options in OPTION_GROUPS.values() for option in options if "variable" in option.sources
]
# Kubernetes and Docker set these for a service named `headrace`, among them HEADRACE_PORT=tcp://10.0.0.1:8000.
_SERVICE_LINK: Final = re.compile(
    r"\w+_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))(_\w+)?=.*|\w+_PORT=(tcp|udp|sctp)://.*"
)


class Overrides:
    """Options set by flags and environment variables."""

    def __init__(self, flags: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._flags = {option: value for option, value in flags.items() if value is not None}
        self._environment = {
            variable: value
            for variable, value in environment.items()
            if variable.startswith("HEADRACE_")
            and variable not in (WORKERS_DIR, WORKER_SLOT)
            and not _SERVICE_LINK.fullmatch(f"{variable}={value}")
        }
        self._used = set(CommandLine.__struct_fields__)

    def get(self, option: str) -> tuple[Any, str]:
        """Return the value of an option and where it was set; None if it was not."""
        if option in self._flags:
            return self._flags[option], f"--{option.replace('_', '-')}"
        variable = f"HEADRACE_{option.upper()}"
        return self._environment.get(variable) or None, variable

    def apply(self, table: OptionTable, kind: type[msgspec.Struct]) -> OptionTable:
        """Override the options of a table."""
        for option in options_of(kind).values():
            value, origin = self.get(option.name)
            if value is not None and "variable" in option.sources:
                table.put(option.name, value, origin)
                self._used.add(option.name)
        return table

    def check_flags(self) -> None:
        """Reject flags that have no effect."""
        for option in self._flags:
            if option not in self._used:
                msg = f"--{option.replace('_', '-')}: none of the served models has this option"
                raise RequestError(msg)

    def unused_variables(self) -> Iterator[tuple[str, str]]:
        """Yield variables that have no effect, each with a warning.

        These are not errors, because other programs may share the environment.
        """
        for variable, value in self._environment.items():
            name = variable.removeprefix("HEADRACE_").lower()
            if name not in _VARIABLE_NAMES:
                close = difflib.get_close_matches(name, _VARIABLE_NAMES, 1)
                hint = (
                    f"did you mean HEADRACE_{close[0].upper()}?"
                    if close
                    else "docs/configuration.md lists all"
                )
                yield variable, f"{variable} is not a variable of Headrace; {hint}"
            elif value and name not in self._used:
                yield variable, f"{variable} has no effect: none of the served models has this option"
