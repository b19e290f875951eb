"""examples/chat_backend.py in Chromium: a reload in mid-answer, a second reader, Stop, and a reader that leaves."""

import importlib.util
import os
import sys
from pathlib import Path

import httpx2
import pytest

from headrace.server import LocalServer, Settings
from headrace.turns import TurnSettings
from waiting import until

PROGRAM = Path(__file__).parents[2] / "examples" / "chat_backend.py"


@pytest.fixture
def settings():
    return Settings(turns=TurnSettings(linger=5))


@pytest.fixture
def backend(server, monkeypatch):
    """Serve the program, which relays the streams of the server, and return its URL."""
    monkeypatch.setenv("ZAI_BASE_URL", f"{server.url}/api/paas/v4")
    spec = importlib.util.spec_from_file_location("chat_backend", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "chat_backend", module)
    spec.loader.exec_module(module)
    with LocalServer(module.app) as local:
        yield local.url


@pytest.fixture
def page(backend, context, engine):
    """The page, with half an answer; the engine is held."""
    engine.answers["count"] = "".join(f"{number}, " for number in range(100)) + "complete"
    engine.pause_at = 40
    page = context.new_page()
    page.goto(backend)
    page.fill("#question", "count")
    page.click("text=Send")
    page.wait_for_function("document.body.innerText.includes('20, ')")
    return page


def release(engine, url):
    """Let the engine go on; requests wake the threads of both servers."""
    engine.go_on()
    httpx2.get(f"{os.environ['ZAI_BASE_URL']}/models", trust_env=False)
    httpx2.get(url, trust_env=False)


def answer(page):
    page.wait_for_function("document.body.innerText.includes('complete')")
    return page.inner_text(".assistant")


def test_a_page_that_is_reloaded_in_mid_answer_shows_each_word_once(page, backend, engine):
    page.reload()
    page.wait_for_function("document.body.innerText.includes('20, ')")
    release(engine, backend)

    assert answer(page).strip() == "".join(f"{number}, " for number in range(100)) + "complete"
    assert len(engine.generations) == 1


def test_a_second_reader_reads_the_same_answer(page, context, backend, engine):
    turn = page.evaluate("sessionStorage.turn")
    second = context.new_page()
    second.goto(backend)
    second.evaluate("turn => sessionStorage.turn = turn", turn)
    second.reload()
    second.wait_for_function("document.body.innerText.includes('20, ')")
    release(engine, backend)

    assert answer(page) == answer(second)
    assert len(engine.generations) == 1


def test_stop_stops_the_model(page, engine):
    page.click("text=Stop")
    page.wait_for_function("!sessionStorage.turn")

    until(lambda: engine.stopped)


def test_a_reader_that_leaves_stops_the_model(page, engine):
    page.close()

    until(lambda: engine.stopped)
