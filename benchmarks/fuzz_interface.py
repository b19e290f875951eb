"""schemathesis against `/openapi.json`: what the document allows is accepted, what it forbids is rejected.

It sends valid and invalid requests to every operation, and checks status, headers and bodies of the answers.
`make fuzz` installs it in an environment of its own.

    python benchmarks/fuzz_interface.py .venv-schemathesis/bin/schemathesis [--examples 300] [--seed 1]
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.models.names import ANY_NAME
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings

KEY = "fuzz.secret"
CONFIGURATION = """
[[operations]]  # 410: another request has deleted the turn
include-path-regex = "/(chat/completions|messages|responses)"
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 429, "5xx"]
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", help="schemathesis, or its path")
    parser.add_argument("--examples", type=int, default=300, help="of each operation")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model = Model(("m", ANY_NAME), ScriptedEngine("Hi"), FORMATS["text"], None, accepts_images=True)
    with LocalServer(App(ModelRegistry([model]), Settings(api_keys=(KEY,)))) as server:
        command = [
            *(str(Path(options.program).absolute()), "run", f"{server.url}/openapi.json"),
            *(f"--header={header}{KEY}" for header in ("Authorization: Bearer ", "x-api-key: ", "api-key: ")),
            *("--checks=all", f"--max-examples={options.examples}", f"--seed={options.seed}"),
            *("--generation-database=none", "--suppress-health-check=all", "--continue-on-failure"),
        ]
        hooks = {"SCHEMATHESIS_HOOKS": str(Path(__file__).with_name("fuzz_interface_hooks.py"))}
        with TemporaryDirectory() as place:  # for its configuration and cache
            Path(place, "schemathesis.toml").write_text(CONFIGURATION)
            return subprocess.call(command, env=os.environ | hooks, cwd=place)


if __name__ == "__main__":
    sys.exit(main())
