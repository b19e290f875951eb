"""Keys, languages, sizes, hosts, and a server that is killed."""

import signal
import socket
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from headrace.errors import EngineError
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import Model, Settings
from page_screen import AXE, DEMO_TOOLS, Screen
from page_server import TEMPLATE, model_of

SERVER = Path(__file__).parents[1] / "page_server.py"


def test_an_enter_of_an_input_method_sends_nothing(screen, engine, context):
    devtools = context.new_cdp_session(screen.tab)
    screen.tab.focus("#question")
    devtools.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    for kind in ("keyDown", "keyUp"):
        devtools.send(
            "Input.dispatchKeyEvent",
            {"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229},
        )
    screen.tab.evaluate("""() => document.querySelector("#question").dispatchEvent(
        new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))""")
    assert screen.tab.input_value("#question") == "nihao"
    devtools.send("Input.insertText", {"text": "你好"})
    assert screen.tab.locator(".message").count() == 0
    screen.tab.keyboard.press("Enter")
    screen.wait_for_end()

    assert [each.request.messages[0].content for each in engine.generations] == ["你好"]
    screen.tab.hover("#sidebar li")
    screen.tab.click("#sidebar [title^=Rename]")
    screen.tab.locator("#sidebar li input").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    assert screen.tab.locator("#sidebar li input").count() == 1


EFFORT = "{% if reasoning_effort in ['low', 'high', 'max'] %}<{{ reasoning_effort }}>{% elif reasoning_effort %}{{ raise_exception('no such level') }}{% endif %}"


@pytest.fixture
def models(engine):
    """Without a switch for thinking, and with levels of it."""
    one, two = (
        Model(("plain",), engine, FORMATS["glm-4.6"], ChatTemplate("{{ messages[0].content }}")),
        Model(("levels",), engine, FORMATS["glm-4.6"], ChatTemplate(EFFORT + TEMPLATE)),
    )
    return [model_of(engine), one, two]


def test_the_switch_beside_the_send_button_offers_what_the_model_can_do(screen, engine):
    switch = screen.tab.locator(".composer select")

    def answered(thinking):
        screen.tab.click(".new")
        switch.select_option(thinking)
        screen.ask("hello")
        screen.wait_for_end()
        request = engine.generations[-1].request
        return request.thinking.type, request.reasoning_effort

    assert switch.locator("option").all_text_contents() == ["Thinking off", "Thinking on"]
    assert answered("Thinking off") == ("disabled", None)
    screen.tab.select_option("header.bar select", "levels")
    levels = switch.locator("option").all_text_contents()
    assert levels == ["Thinking off", "Thinking on", "Thinking: low", "Thinking: high", "Thinking: max"]
    assert answered("Thinking: low") == ("enabled", "low")
    assert answered("Thinking: max") == ("enabled", "max")
    assert answered("Thinking on") == ("enabled", None)
    assert answered("Thinking off") == ("disabled", None)
    switch.select_option("Thinking: low")
    screen.tab.select_option("header.bar select", "glm-4.6")
    assert switch.locator("option:checked").inner_text() == "Thinking on"
    screen.tab.select_option("header.bar select", "plain")
    assert not switch.is_visible()


@pytest.mark.parametrize("settings", [Settings(api_keys=("id.secret",))], ids=["key"])
def test_plain_http_in_a_network_with_a_key(server, context, engine):
    """A page under such a name is no secure context: no clipboard, no randomUUID, no locks."""
    engine.answers["code"] = "```python\nx = 1\n```"
    screen = Screen(context, server.url.replace("127.0.0.1", "lan.test"), has_models=False)
    screen.tab.click(".banner:has-text('API key') button")
    screen.tab.fill("dialog [type=password]", "id.secret")
    screen.tab.click("dialog .primary")
    screen.tab.wait_for_selector("option[value='glm-4.6']", state="attached")
    screen.errors.clear()  # the status 401
    assert screen.tab.evaluate("[isSecureContext, navigator.clipboard === undefined]") == [False, True]
    screen.ask("code")
    screen.wait_for_end()
    for button, copied in (
        ("pre .copy-code", "x = 1\n"),
        (".assistant .actions [title=Copy]", "```python\nx = 1\n```"),
    ):
        screen.tab.evaluate(
            "document.addEventListener('copy', () => window.copied = document.activeElement.value, {once: true})"
        )
        screen.tab.click(button)
        assert screen.tab.evaluate("copied") == copied
    second = Screen(context, screen.tab.url)
    second.wait_for_end()
    second.tab.click(".new")
    second.ask("another")
    second.wait_for_end()

    assert screen.errors == second.errors == []


@pytest.mark.parametrize("look", [*product(["en", "zh"], ["light", "dark"], [360, 1100])])
def test_every_language_scheme_and_size(browser, server, engine, look):
    """Nothing is wider than the screen, and axe finds nothing serious."""
    language, scheme, width = look
    example = (Path(__file__).parent / f"example.{language}.md").read_text("utf-8")
    question = {"en": "How does quicksort work?", "zh": "快速排序是怎么工作的？"}[language]
    engine.answers[question], engine.piece = example, 50
    context = browser.new_context(
        locale={"en": "en-US", "zh": "zh-CN"}[language],
        color_scheme=scheme,
        viewport={"width": width, "height": 760},
    )
    screen = Screen(context, server.url)
    name = "-".join(map(str, look))
    screen.shoot(f"{name}-empty")
    screen.ask(question)
    screen.wait_for_end()
    screen.tab.wait_for_selector(".math[data-rendered] math")
    screen.wait("() => document.querySelector('[class^=code-]')")
    screen.shoot(f"{name}-end")
    screen.tab.locator(".scroll").evaluate("element => { element.scrollTop = 0; }")
    screen.shoot(f"{name}-start")
    assert screen.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert screen.tab.locator(".log").evaluate("element => element.scrollWidth <= element.clientWidth")
    assert serious(screen) == []
    if width < 800:
        screen.tab.click(".bar .icon")
    screen.tab.click(".open-settings")
    screen.tab.wait_for_selector("dialog[open]")
    screen.shoot(f"{name}-settings")
    assert serious(screen) == []
    assert screen.errors == []
    context.close()


@pytest.mark.parametrize("look", [*product(["en-US", "zh-CN"], ["light", "dark"])], ids="-".join)
def test_every_view_is_accessible(browser, server, engine, look):
    """Chats that run, found ones, an error, a call that waits for its result, a question that is edited."""
    locale, scheme = look
    engine.answers["fails"] = ["Half of ", EngineError("the GPU is gone")]
    engine.answers["runs"], engine.pause_at = ["It runs", " on"], 1
    size = {"width": 1100, "height": 760}
    context = browser.new_context(locale=locale, color_scheme=scheme, viewport=size)
    context.add_init_script(DEMO_TOOLS)
    screen = Screen(context, server.url)
    screen.ask("runs")
    screen.tab.wait_for_selector(".markdown:has-text('It runs')")
    screen.tab.click(".new")
    engine.pause_at = None
    screen.ask("fails")
    screen.tab.wait_for_selector(".note.error")
    screen.shoot(f"{locale}-{scheme}-error")
    assert serious(screen) == []
    screen.ask("weather")
    screen.tab.wait_for_selector(".call .result textarea")
    screen.tab.click(".thinking summary:visible")
    screen.tab.hover(".user >> nth=0")
    screen.tab.click(".user .actions button >> nth=1")
    screen.tab.fill("[type=search]", "runs")
    screen.tab.wait_for_selector("#sidebar li.running >> nth=0")
    screen.shoot(f"{locale}-{scheme}-views")
    assert serious(screen) == []
    assert screen.errors == []
    context.close()


def serious(screen):
    if not AXE.exists():
        return []
    screen.tab.evaluate(AXE.read_text("utf-8"))
    results = screen.tab.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        (found["id"], [node["html"][:200] for node in found["nodes"]])
        for found in results["violations"]
        if found["impact"] in ("serious", "critical")
    ]


def test_a_block_has_the_direction_of_its_text(screen, engine):
    engine.answers["rtl"] = (
        "مرحبا `code` بالعالم\n\n- أولا\n- ثانيا\n\n1. واحد\n\n2. اثنان\n\n| أ | ب |\n|---|---|\n| ج | د |\n\nEnglish text\n\n"
        "`npm run` يشغل البرنامج\n\n```\nx = 1\n```\n"
    )
    screen.ask("rtl")
    screen.wait_for_end()
    screen.shoot("rtl")
    directions = screen.tab.evaluate("""() => [...document.querySelectorAll(
        ".markdown > div > :is(p, ul, ol, .table), .markdown li, .markdown code")].map(each => [each.localName, getComputedStyle(each).direction])""")

    assert directions == [
        ["p", "rtl"], ["code", "ltr"], ["ul", "rtl"], ["li", "rtl"], ["li", "rtl"], ["ol", "rtl"], ["li", "rtl"], ["li", "rtl"],
        ["div", "rtl"], ["p", "ltr"], ["p", "rtl"], ["code", "ltr"], ["code", "ltr"],
    ]  # fmt: skip


def test_the_page_is_small(browser, server):
    context = browser.new_context(locale="en-US")
    tab = context.new_page()
    devtools = context.new_cdp_session(tab)
    devtools.send("Network.enable")
    sizes = []
    devtools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    tab.goto(server.url)
    tab.wait_for_selector("option[value='glm-4.6']", state="attached")
    context.close()

    assert 20_000 < sum(sizes) < 300_000


def test_a_killed_server_continues_the_answer(browser, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, SERVER, str(port), f"sqlite:{tmp_path / 'turns.db'}", "20"]
    context = browser.new_context(locale="en-US")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        screen = Screen(context, first.stdout.readline().decode().strip())
        screen.ask("poem")
        screen.tab.wait_for_selector(".markdown:has-text('taps')")
        first.send_signal(signal.SIGKILL)
    screen.tab.wait_for_selector(".note:has-text('The connection was lost')")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as second:
        second.stdout.readline()
        screen.tab.wait_for_selector(".markdown:has-text('Nothing is so beautiful as Spring')")
        screen.wait_for_end()
        assert screen.answer.count("taps") == screen.answer.count("daffodils") == 1
        second.terminate()
    context.close()
