"""Two servers that share a store, behind a proxy with its configuration of deploy/."""

from contextlib import ExitStack

import httpx2
import pytest

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.turns import TurnSettings
from proxies import PROXIES, find_program

SCRIPT = "0123456789abcdefghij"


class Deployment:
    """The servers, their engines, the proxy and a client of the proxy."""

    def __init__(self, servers, engines, proxy, client):
        self.servers = servers
        self.engines = engines
        self.proxy = proxy
        self.client = client

    def running(self):
        """The numbers of the servers that generate."""
        return [number for number, engine in enumerate(self.engines) if engine.running]

    def asked(self):
        """How many generations the servers have started."""
        return sum(len(engine.asked) for engine in self.engines)

    def go_on(self, until=None, server=None):
        """Let the engine of one or all servers continue, to the end or until that many pieces."""
        for number in range(2) if server is None else [server]:
            loop = self.servers[number]._server._loop
            loop.call_soon_threadsafe(self.engines[number].go_on, until)


def end(servers):
    """Shut the servers down without their delays."""
    for server in servers * 2:
        if server._thread.is_alive():
            server.signal()


@pytest.fixture(params=PROXIES)
def proxy_kind(request):
    pytest.importorskip("trustme")
    if find_program(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return PROXIES[request.param]


@pytest.fixture
def deploy(proxy_kind, tmp_path, monkeypatch):
    """Starts everything. The engines pause after some pieces, and the settings are those of both servers."""
    with ExitStack() as stack:

        def start(*, pause_after=None, replaced=None, turns=None, **settings):
            engines = [ContinuingEngine(SCRIPT) for _ in range(2)]
            servers = []
            for engine in engines:
                if pause_after is not None:
                    engine.pause_after(pause_after)
                store = TurnSettings(store=f"sqlite:{tmp_path}/turns.db", lease=60, **(turns or {}))
                model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate("x" + ASSISTANT))
                chosen = Settings(turns=store, **{"shutdown_timeout": 20.0, **settings})
                server = LocalServer(App(ModelRegistry([model]), chosen), chosen)
                servers.append(stack.enter_context(server))
            stack.callback(end, servers)
            ports = [int(server.url.rpartition(":")[2]) for server in servers]
            proxy = stack.enter_context(proxy_kind(tmp_path, ports, (replaced or {}).get(proxy_kind.name)))
            monkeypatch.setenv("SSL_CERT_FILE", str(proxy.authority))
            client = httpx2.Client(base_url=proxy.url, verify=proxy.context(), trust_env=False, timeout=20)
            return Deployment(servers, engines, proxy, stack.enter_context(client))

        yield start
