"""The path of the errors in PyPI's zai-sdk."""

from zai.errors import *  # noqa: F403
from zai.errors import __all__  # noqa: F401
