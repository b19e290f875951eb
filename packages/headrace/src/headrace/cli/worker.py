"""A worker of `headrace serve --workers`. Its supervisor starts it as `python -m headrace.cli.worker`."""

import sys

from headrace.cli import streams
from headrace.cli.loading import load
from headrace.errors import HeadraceError
from headrace.server.workers.worker import Worker
from headrace.telemetry.logs import start_logging

__all__ = ["main"]


def main() -> int:
    """Serve until the supervisor ends this process; return the exit status."""
    worker = Worker([int(descriptor) for descriptor in sys.argv[1:]])
    try:
        start = worker.start()
        start_logging(start.configuration.settings.telemetry)
        served = load(start.configuration, start.url)
    except EOFError:  # the supervisor has died
        return 1
    except HeadraceError as error:
        worker.fail(error.message)
        return 1
    worker.serve(served.app, start, served.banner)
    return 0


if __name__ == "__main__":
    sys.exit(streams.run(main))
