"""The options of the server and its models, from flags, environment variables and headrace.toml.

`settings.py` describes the options of the server; those of turns and models are described beside what they
configure (`turns/settings.py`, `models/settings.py`). `groups.py` lists all of them.
"""

from headrace.configuration.configure import Configuration, configure, configure_turns
from headrace.configuration.settings import Settings
from headrace.configuration.table import ModelOptions

__all__ = ["Configuration", "ModelOptions", "Settings", "configure", "configure_turns"]
