import subprocess
import sys

PROGRAM = """
import urllib.request
from headrace.server import App, Catalogue, LocalServer, Settings
with LocalServer(App(Catalogue([]), Settings())) as server:
    assert urllib.request.urlopen(f"{server.url}/health").status == 200
"""


def test_an_application_is_served_though_the_standard_output_is_closed():
    command = ["bash", "-c", '"$0" -c "$1" >&-', sys.executable, PROGRAM]

    assert subprocess.run(command, stderr=subprocess.PIPE, timeout=60, check=True).stderr == b""
