"""The targets between upstream and clients: nothing, nginx, Headrace with several settings, LiteLLM."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any, Final

from programs import CpuTime, Program, free_port
from tools import API_KEY, BUILD, CHAT, MESSAGES, RESPONSES, Api, Traffic, Upstream, run_load

__all__ = ["TARGETS", "Place", "Target", "UnavailableError", "create_targets"]

_LITELLM: Final = "litellm[proxy]==1.108.7"
_LITELLM_ENVIRONMENT: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_TELEMETRY": "False",
    "NO_DOCS": "True",
}
_TEMPLATES: Final = Path(__file__).parent
_CHAT_TEMPLATE: Final = """
format = "glm-4.6"
chat_template = '''
[gMASK]<sop>{% if tools %}<|system|>
# Tools
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}{% endif %}{% for m in messages %}<|{{ m.role }}|>
{{ m.content }}{% endfor %}<|assistant|>
'''
"""
_WARM_UP_EVENTS: Final = 300
_KEYS: Final = {"HEADRACE_API_KEYS": API_KEY}
_LIMITS: Final = {  # none of which is reached
    "HEADRACE_MAX_IN_FLIGHT": "10000",
    "HEADRACE_MAX_IN_FLIGHT_PER_MODEL": "10000",
    "HEADRACE_MAX_IN_FLIGHT_PER_KEY": "10000",
    "HEADRACE_REQUESTS_PER_MINUTE": "1000000",
    "HEADRACE_TOKENS_PER_5H": "1000000000000",
    "HEADRACE_CORS_ORIGIN": "https://example.com",
}


class UnavailableError(Exception):
    """A target cannot be run on this machine; the message has the reason."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a target runs.

    Args:
        folder: for its files.
        core: where it runs.
        tools_core: where its clients run.
        upstream: what it relays.
        python: interpreter that has Headrace.
    """

    folder: Path
    core: int
    tools_core: int
    upstream: Upstream
    python: str = ""

    def write(self, name: str, **values: object) -> Path:
        """Fill in a configuration file and return its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        text = Template((_TEMPLATES / name).read_text())
        path.write_text(text.substitute(values, folder=self.folder, upstream=self.upstream.port))
        return path


@dataclass(kw_only=True)
class Target:
    """A server that streams, under a name.

    Args:
        name: as the table shows it.
        place: where it runs.
        port: where it listens.
        command: what starts it; nothing starts the upstream itself.
        environment: its variables.
        api: in which clients read the streams.
        max_streams: scenarios with more streams are left out.
        keeps_turns: answers continue without their client, so that nothing is aborted.
    """

    name: str
    place: Place
    port: int = field(default_factory=free_port)
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    api: Api = CHAT
    max_streams: int = 5000
    keeps_turns: bool = False
    program: Program | None = None

    def start(self, seconds: float = 120) -> None:
        """Start the program, unless it runs, and warm it up.

        Raises:
            UnavailableError: it does not serve the request within so many seconds.
        """
        if not self.command or (self.program and not self.program.has_ended):
            return
        place = self.place
        self.program = Program(
            self.command, core=place.core, folder=place.folder, environment=self.environment
        )
        place.upstream.set_script("blocks", _WARM_UP_EVENTS)
        deadline = time.monotonic() + seconds
        one = Traffic(_WARM_UP_EVENTS)
        while run_load(self.port, one, core=place.tools_core, api=self.api, seconds=10).completed != 1:
            if self.program.has_ended or time.monotonic() > deadline:
                output = self.program.output
                self.stop()
                msg = f"{self.name} does not serve: {output}"
                raise UnavailableError(msg)
            time.sleep(0.2)
        warm_up = Traffic(_WARM_UP_EVENTS, streams=10, requests=2)
        run_load(self.port, warm_up, core=place.tools_core, api=self.api)

    def cpu(self) -> CpuTime | None:
        """Return the CPU time so far; None for the upstream itself."""
        return self.program.cpu() if self.program else None

    def resident_bytes(self) -> int:
        """Return the resident memory; 0 for the upstream itself."""
        return self.program.resident_bytes() if self.program else 0

    def stop(self) -> None:
        """Stop the program, if it runs."""
        if self.program:
            self.program.stop()
            self.program = None


def _direct(name: str, place: Place) -> Target:
    return Target(name=name, place=place, port=place.upstream.port)


def _nginx(name: str, place: Place) -> Target:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        msg = "nginx is not installed (apt install nginx-light)"
        raise UnavailableError(msg)
    target = Target(name=name, place=place)
    configuration = place.write("nginx.conf", port=target.port)
    target.command = [program, "-c", str(configuration), "-e", "stderr"]
    return target


def _headrace(
    engine: str, environment: Mapping[str, str] = MappingProxyType({}), **options: Any
) -> Callable[[str, Place], Target]:
    def create(name: str, place: Place) -> Target:
        target = Target(name=name, place=place, environment=environment, **options)
        configuration = place.write("headrace.toml", port=target.port, engine=engine)
        if engine == "completions":
            configuration.write_text(configuration.read_text() + _CHAT_TEMPLATE)
        target.command = [place.python, "-m", "headrace", "serve", "--config", str(configuration)]
        return target

    return create


def _litellm(name: str, place: Place) -> Target:
    folder = _install_litellm()
    target = Target(name=name, place=place, max_streams=50)
    configuration = place.write("litellm.yaml")
    listen = ["--host", "127.0.0.1", "--port", str(target.port), "--num_workers", "1"]
    target.command = [str(folder / "litellm"), "--config", str(configuration), *listen]
    target.environment = {**_LITELLM_ENVIRONMENT, "LITELLM_MASTER_KEY": API_KEY}
    return target


def _install_litellm() -> Path:
    """Return the folder of its programs; installed once."""
    venv = BUILD / "litellm"
    folder = venv / "bin"
    if not (folder / "litellm").exists():
        print(f"installing {_LITELLM} into {venv} …", file=sys.stderr)
        pip = [str(folder / "python"), "-m", "pip", "install", "--quiet", _LITELLM]
        try:
            for command in ([sys.executable, "-m", "venv", str(venv)], pip):
                subprocess.run(command, check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            output = getattr(error, "stderr", None) or b""
            msg = f"litellm cannot be installed: {output.decode(errors='replace')[-300:] or error}"
            raise UnavailableError(msg) from None
    return folder


_HEADRACE: Final = {
    "chat": _headrace("chat"),
    "messages": _headrace("chat", api=MESSAGES),
    "responses": _headrace("chat", api=RESPONSES),
    "completions": _headrace("completions"),
    "resume": _headrace("chat", {"HEADRACE_RESUME": "always"}, keeps_turns=True),
    "key": _headrace("chat", _KEYS),
    "limits": _headrace("chat", _KEYS | _LIMITS),
}
TARGETS: Final = {"direct": _direct, "nginx": _nginx, **_HEADRACE, "litellm": _litellm}
"""By the names that options give them."""


def create_targets(
    names: Iterable[str], checkouts: Mapping[str, str], place: Place
) -> Iterator[Target | UnavailableError]:
    """Yield each target, or the reason why it is unavailable; none is started.

    Args:
        names: of `TARGETS`.
        checkouts: interpreters that have Headrace, by what is put before the names of its targets.
        place: of all; each gets a folder in its folder.
    """
    for name in names:
        for checkout, python in checkouts.items() if name in _HEADRACE else [("", "")]:
            full_name = f"{checkout}:{name}" if checkout else name
            folder = place.folder / full_name.replace(":", "-")
            try:
                yield TARGETS[name](full_name, replace(place, folder=folder, python=python))
            except UnavailableError as error:
                yield error
