"""Grammars are compiled in a process that can be ended."""

import os
import signal
import threading

import pytest

from headrace.engines.schemas.validator import GrammarValidator


@pytest.fixture
def validator():
    validator = GrammarValidator()
    yield validator
    validator.close()


def grammar(body):
    return f"%llguidance {{}}\nstart: {body}\n"


def test_a_grammar_is_valid_or_there_is_an_error(validator):
    assert validator.error(grammar('"a"')) == ""
    assert "unknown name" in validator.error(grammar("b"))
    assert validator.error(grammar('%json {"type": "strin"}')) == "Invalid type: strin"
    assert validator.error("") != ""
    assert validator.error(grammar('"ü\\n" %json {"const": "\\u2028"}')) == ""


def test_a_token_of_any_vocabulary_may_be_named(validator):
    assert validator.error(grammar("<[151667]> /(?s:.*)/ <[5]>")) == ""


def test_a_grammar_that_needs_too_much_memory_is_an_error_and_the_next_one_is_not(validator):
    assert "memory" in validator.error(grammar('%json {"type": "array", "items": {}, "maxItems": 100000000}'))
    assert validator.error(grammar('"a"')) == ""


def test_a_grammar_that_needs_too_much_cpu_time_is_an_error_and_the_next_one_is_not(validator):
    assert validator.error(grammar('"a"')) == ""
    os.kill(validator._process.pid, signal.SIGSTOP)  # time in which the process does not run does not count
    threading.Timer(1.2, os.kill, (validator._process.pid, signal.SIGCONT)).start()
    assert validator.error(grammar('"b"')) == ""
    assert "too long" in validator.error(grammar(" ".join(['("a" | "b")?'] * 12_000)))
    assert validator.error(grammar('"a"')) == ""


def test_the_process_may_die(validator):
    assert validator.error(grammar('"a"')) == ""
    process = validator._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    assert validator.error(grammar('"a"')) == ""


def test_closing_twice_is_harmless(validator):
    validator.error(grammar('"a"'))
    validator.close()
    validator.close()
