"""Compiles Jinja with the extensions of transformers, and finds the variables that a template reads."""

from datetime import datetime
from typing import Final, NamedTuple

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser

from headrace.errors import EngineError
from headrace.prompts.budget import budget
from headrace.prompts.operations import check_format
from headrace.prompts.sandbox import BoundedEnvironment

__all__ = ["CompiledTemplate", "Rejection", "compile_template", "environment", "reason_of"]

_MAX_SOURCE: Final = 128 * 1024  # characters; those of real templates have up to 40,000
_UNITS: Final = 2_000_000  # some 20 ms
_SHOWN: Final = 300  # characters of a template's error message


class Rejection(jinja2.TemplateError):
    """What `raise_exception` of a template raises."""


class CompiledTemplate(NamedTuple):
    """A template and its variables.

    Args:
        template: to render within a `budget`.
        variables: all that it reads.
        required: those that it reads without testing whether they are defined.
        literals: the texts in its source.
    """

    template: jinja2.Template
    variables: frozenset[str]
    required: frozenset[str]
    literals: str


def compile_template(source: str) -> CompiledTemplate:
    """Compile a template.

    Raises:
        EngineError: it is too long or not valid Jinja.
    """
    if len(source) > _MAX_SOURCE:
        msg = f"the chat template has {len(source)} characters; at most {_MAX_SOURCE} are supported"
        raise EngineError(msg)
    jinja = environment()
    try:
        with budget(_UNITS):
            tree = jinja.parse(source)
            variables = frozenset(find_undeclared_variables(tree) - jinja.globals.keys())
            required = variables - _guarded(tree)
            return CompiledTemplate(jinja.from_source(source), variables, required, _literals(tree))
    except jinja2.TemplateSyntaxError as error:
        msg = f"the chat template is not valid Jinja: line {error.lineno}: {error.message}"
        raise EngineError(msg) from None
    except Exception as error:  # noqa: BLE001 - third-party code, which Jinja partly runs already
        msg = f"the chat template cannot be compiled: {reason_of(error)}"
        raise EngineError(msg) from None


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


def environment() -> BoundedEnvironment:
    """Create an environment with the extensions of transformers."""
    jinja = BoundedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", GenerationTag]
    )
    jinja.globals["raise_exception"] = _raise
    jinja.globals["strftime_now"] = _now
    return jinja


def reason_of(error: Exception) -> str:
    """Describe any exception; some, such as `MemoryError`, have no text."""
    text = str(error) or type(error).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _guarded(tree: nodes.Template) -> set[str]:
    """Return the variables that are tested with `is defined`, or have a default."""
    tests = [node.node for node in tree.find_all(nodes.Test) if node.name in ("defined", "undefined")]
    defaults = [node.node for node in tree.find_all(nodes.Filter) if node.name in ("default", "d")]
    return {node.name for node in (*tests, *defaults) if isinstance(node, nodes.Name)}


def _literals(tree: nodes.Template) -> str:
    """Return the texts in the source of a template."""
    written = (node.data for node in tree.find_all(nodes.TemplateData))
    constants = (node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str))
    return "\n".join([*written, *constants])


def _now(layout: str) -> str:
    check_format(layout)
    return datetime.now().astimezone().strftime(layout)


def _raise(message: str) -> None:
    raise Rejection(message)
