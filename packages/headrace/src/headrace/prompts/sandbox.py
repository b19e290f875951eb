"""Jinja for third-party templates: a sandbox that counts work, so that every template ends soon.

A thread cannot be stopped, and a single expression (`9**9**9`, `"a" * 10**10`) can take hours or all memory.
So whatever a template does costs units of a budget: an iteration, a call, each character or item that an
operation reads or builds. The syntax tree is rewritten where Jinja has no hook. Filters and methods whose
cost is not linear, and that chat templates do not use, are not available.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial, wraps
from typing import Any, Final

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

from headrace.prompts import operations
from headrace.prompts.budget import CALL, ITEM, ITERATION, charge, charge_deep, spend

__all__ = ["BoundedEnvironment"]

_UNAVAILABLE_FILTERS: Final = "pprint striptags urlize wordwrap xmlattr"
_CONSTANT_FILTERS: Final = "attr count d default first last length random"
"""Filters whose cost does not depend on their operand."""

_SHALLOW_FILTERS: Final = "items list map reject rejectattr reverse select selectattr"
"""Filters that do not look into the items of their operand, or only by way of other filters and tests."""

_DEEP_TESTS: Final = "!= < <= == > >= eq equalto ge greaterthan gt in le lessthan lower lt ne upper"
"""Tests that compare, or look at a whole text."""

_STRING_METHODS: Final = """
capitalize casefold count endswith find format format_map index isalnum isalpha isascii isdecimal isdigit
isidentifier islower isnumeric isprintable isspace istitle isupper join lower lstrip partition removeprefix
removesuffix replace rfind rindex rpartition rsplit rstrip split splitlines startswith strip swapcase title
upper
"""
_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset(_STRING_METHODS.split()),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
}
"""The available methods of plain values."""

_OWN: Final = (Macro, LoopContext, type)  # their bodies are charged, or they take constant time
_SCOPES: Final = ("_loop_vars", "_block_vars")
"""Jinja's own arguments of a call in a loop or block; no function receives them."""

_STEP: Final = "(step)"
_CHARGED: Final = "(charged)"
_CHARGED_DEEP: Final = "(charged deep)"
_CONCATENATED: Final = "(concatenated)"


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """An environment whose templates are compiled and rendered within a `budget`."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, **options: Any) -> None:
        super().__init__(finalize=_charged_deep, **options)
        del self.globals["lipsum"]
        for name in _UNAVAILABLE_FILTERS.split():
            del self.filters[name]
        self.filters.update(operations.FILTERS)
        for name in {*self.filters} - {*_CONSTANT_FILTERS.split()}:
            is_shallow = name in _SHALLOW_FILTERS.split()
            self.filters[name] = _counted(self.filters[name], charge if is_shallow else charge_deep)
        for name in _DEEP_TESTS.split():
            self.tests[name] = _counted(self.tests[name], charge_deep)
        # A template cannot write these names.
        self.filters[_STEP] = _step
        self.filters[_CHARGED] = _charged
        self.filters[_CHARGED_DEEP] = _charged_deep
        self.filters[_CONCATENATED] = operations.join

    def from_source(self, source: str) -> Template:
        """Compile a template."""
        tree = _Rewriter().visit(self.parse(source))
        return self.from_string(tree.set_environment(self))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063
        """Charge a call's arguments and its result."""
        spend(CALL)
        values = (*args, *(value for name, value in kwargs.items() if name not in _SCOPES))
        is_own = isinstance(__obj, _OWN)
        for value in values:
            (charge if is_own else charge_deep)(value)
        result = super().call(__context, _bounded(__obj, values), *args, **kwargs)
        charge(result)
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Charge an operation before it runs."""
        operations.calculate(operator, left, right)
        return super().call_binop(context, operator, left, right)


def _bounded(function: Any, values: tuple[Any, ...]) -> Any:
    """Check and charge a method of a plain value; return what to call in its place."""
    owner = getattr(getattr(function, "__wrapped__", function), "__self__", None)  # Jinja wraps `format`
    if owner is None or type(owner).__module__ not in ("builtins", "markupsafe"):
        return function
    name = function.__name__
    for kind, names in _METHODS.items():
        if isinstance(owner, kind) and name in names:
            break
    else:
        msg = f"the method {name} is not available to chat templates"
        raise SecurityError(msg)
    (charge if isinstance(owner, dict) else charge_deep)(owner)
    if name in ("format", "format_map"):
        operations.check_format(str(owner), *values)
    elif name in operations.METHODS:
        return partial(operations.METHODS[name], owner)
    return function


def _counted(function: Any, charge_operand: Callable[[Any], int]) -> Callable[..., Any]:
    """Charge a filter's or a test's operands and its result, each item of an iterator when it is taken."""
    skipped = int(hasattr(function, "jinja_pass_arg"))  # Jinja's own argument

    @wraps(function)  # copies the marks of `pass_environment` and the like, too
    def counted(*args: Any, **kwargs: Any) -> Any:
        spend(CALL)
        for value in (*args[skipped:], *kwargs.values()):
            charge_operand(value)
        result = function(*args, **kwargs)
        charge(result)
        return _metered(result) if isinstance(result, Iterator) else result

    return counted


def _metered(items: Iterator[Any]) -> Iterator[Any]:
    for item in items:
        spend(CALL)
        yield item


@pass_context  # so that it is not evaluated when the template is compiled
def _step(_: Context, units: int) -> bool:
    spend(units)
    return True


def _charged(value: Any) -> Any:
    charge(value)
    return value


def _charged_deep(value: Any) -> Any:
    charge_deep(value)
    return value


class _Rewriter(NodeTransformer):
    """Adds charges for what Jinja compiles to plain Python: loops, macros, `~`, comparisons, slices."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        step = _step_of(node)
        self.generic_visit(node)
        if node.test is None:
            node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        else:
            node.test = nodes.And(step, node.test, lineno=node.lineno)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:  # noqa: N802
        step = _step_of(node)
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        return node

    visit_CallBlock = visit_Macro  # noqa: N815

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), _CONCATENATED)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        self.generic_visit(node)
        first, *more = node.ops
        has_constant = isinstance(node.expr, nodes.Const) or isinstance(first.expr, nodes.Const)
        if has_constant and not more and first.op not in ("in", "notin"):
            return node  # costs no more than the constant's length, which its step includes
        node.expr = _filtered(node.expr, _CHARGED_DEEP)
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, _CHARGED_DEEP)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Getitem:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _filtered(node.node, _CHARGED)
        return node


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _step_of(node: nodes.Node) -> nodes.Filter:
    """Build the charge for a run of the body: for each of its nodes, and for the texts that it writes."""
    texts = node.find_all((nodes.TemplateData, nodes.Const))
    units = ITERATION + ITEM * sum(1 for _ in node.find_all(nodes.Node))
    units += sum(len(str(getattr(text, "data", getattr(text, "value", "")))) for text in texts)
    return _filtered(nodes.Const(units, lineno=node.lineno), _STEP)
