"""Chromium shows the page of a server whose engine answers by the question. `make page` runs these tests."""

import os
import shutil

import pytest

from answering import AnsweringEngine
from headrace.server import App, LocalServer, ModelRegistry, Settings
from page_screen import Screen
from page_server import model_of

collect_ignore_glob = [] if os.environ.get("HEADRACE_PAGE") else ["test_*_page.py"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP lan.test 127.0.0.1"],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def engine():
    return AnsweringEngine()


@pytest.fixture
def settings():
    return Settings()


@pytest.fixture
def models(engine):
    return [model_of(engine)]


@pytest.fixture
def server(models, engine, settings):
    with LocalServer(App(ModelRegistry(models), settings), settings) as server:
        yield server
        engine.go_on()  # the server waits for running turns


@pytest.fixture
def context(browser):
    context = browser.new_context(locale="en-US", viewport={"width": 1100, "height": 760})
    yield context
    context.close()


@pytest.fixture
def screen(server, context):
    screen = Screen(context, server.url)
    yield screen
    assert screen.errors == []


@pytest.fixture
def another(server, context):
    """Opens another tab of the page."""
    return lambda address="": Screen(context, server.url + address)
