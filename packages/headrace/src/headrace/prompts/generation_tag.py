"""The tag `generation` of transformers."""

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

__all__ = ["GenerationTag"]


class GenerationTag(Extension):
    """`{% generation %}…{% endgeneration %}` marks the text on which a model is trained; it renders it.

    As in transformers, variables that are set inside are not visible outside.
    """

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse the block."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)
