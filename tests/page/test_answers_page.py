"""What a user sees of an answer, and what is left of it after a reload."""

import re

import pytest

from headrace.events import Progress
from headrace.limits import LimitSettings
from headrace.server import Settings
from page_screen import DEMO_TOOLS, Screen
from waiting import until


def test_an_answer_streams_with_thinking_and_its_figures(screen, engine):
    engine.pause_at = 8
    screen.ask("poem")
    screen.tab.wait_for_selector(".thinking[open] .thoughts:has-text('spring')")
    screen.shoot("thinking")
    engine.go_on()
    screen.wait_for_end()

    assert screen.tab.locator(".thinking").get_attribute("open") is None
    assert screen.tab.locator(".markdown h2").text_content() == "Spring"
    assert "all at once\nthe garden" in screen.answer  # line ends are kept
    assert screen.tab.locator(".markdown li code").text_content() == "#ffd700"
    assert re.search(r"\d+ tokens · \d.* tokens/s · first after", screen.tab.locator(".figures").inner_text())
    assert screen.tab.locator(".gaps").get_attribute("aria-label").startswith("Gaps between")
    screen.shoot("answer")


@pytest.fixture
def prompt_comments(monkeypatch):
    """Comments with the progress come soon."""
    for name in ("FIRST_BYTES", "PROGRESS_INTERVAL"):
        monkeypatch.setattr(f"headrace.server.stream.{name}", 0.02)


@pytest.mark.usefixtures("prompt_comments")
@pytest.mark.parametrize("settings", [Settings(limits=LimitSettings(max_in_flight=1))], ids=["limit"])
def test_the_position_in_the_queue_and_the_progress_of_the_prompt_are_shown(screen, engine):
    engine.answers["runs"] = ["It runs.", " Its end."]
    engine.answers["waits"] = [Progress(512, 2048), "An answer."]
    engine.pause_at = 1
    screen.ask("runs")
    screen.tab.wait_for_selector(".markdown:has-text('It runs.')")
    screen.tab.click(".new")
    screen.ask("waits")
    screen.tab.wait_for_selector(".note:has-text('Waiting in the queue, position 1')")
    screen.shoot("queued")
    assert screen.tab.locator("[role=status]").inner_text() == "Waiting in the queue"
    screen.tab.reload()
    screen.tab.wait_for_selector(".note:has-text('Waiting in the queue, position 1')")
    engine.step()
    screen.tab.wait_for_selector(".note:has-text('Reading the prompt, 512 of 2048 tokens')")
    screen.shoot("prompt")
    engine.go_on()
    screen.wait_for_end()

    assert screen.answer == "An answer."
    assert not screen.tab.locator(".assistant .note").is_visible()


def test_a_reload_in_mid_answer_continues_with_the_same_text(screen, engine):
    screen.ask("poem")
    screen.wait_for_end()
    whole = screen.answer
    screen.tab.click(".new")

    engine.pause_at = 30
    screen.ask("poem")
    screen.tab.wait_for_selector(".markdown:has-text('taps')")
    screen.tab.reload()
    screen.tab.wait_for_selector(".markdown:has-text('taps')")
    engine.go_on()
    screen.wait_for_end()

    assert screen.answer == whole
    assert len(engine.generations) == 2
    assert screen.tab.locator(".user").count() == 1


def test_stop_ends_the_turn_also_after_a_reload(screen, engine):
    engine.pause_at = 30
    screen.ask("poem")
    screen.tab.wait_for_selector(".markdown:has-text('taps')")
    screen.tab.reload()
    screen.tab.wait_for_selector(".markdown:has-text('taps')")
    screen.tab.click(".send.running")
    screen.tab.wait_for_selector(".note:has-text('Stopped.')")
    screen.wait("() => !document.querySelector('.send.running')")

    assert "taps" in screen.answer
    until(lambda: engine.stopped == 1)
    screen.tab.reload()
    screen.tab.wait_for_selector(".note:has-text('Stopped.')")


def test_a_second_tab_reads_the_same_turn(screen, engine, another):
    engine.pause_at = 30
    screen.ask("poem")
    screen.tab.wait_for_selector(".markdown:has-text('taps')")
    second = another(screen.tab.evaluate("'/' + location.hash"))
    second.tab.wait_for_selector(".markdown:has-text('taps')")
    engine.go_on()
    screen.wait_for_end()
    second.wait_for_end()

    assert second.answer == screen.answer
    assert len(engine.generations) == 1


def test_leaving_the_page_and_coming_back_stops_nothing(screen, engine):
    engine.pause_at = 30
    screen.ask("poem")
    screen.tab.wait_for_selector(".markdown:has-text('taps')")
    screen.tab.goto("about:blank")
    screen.tab.go_back()
    screen.tab.wait_for_selector(".markdown:has-text('taps')")
    engine.go_on()
    screen.wait_for_end()

    assert "daffodils" in screen.answer
    assert engine.stopped == 0


def test_a_tool_call_builds_up_and_is_answered_by_hand(screen, engine):
    engine.pause_at = 32
    screen.tab.click(".open-settings")
    screen.tab.check("text=Offer demo tools")
    screen.tab.uncheck("text=Run them without asking")
    screen.tab.click("dialog .primary")
    screen.ask("weather")
    screen.tab.wait_for_selector(".call.building dd:has-text('wind')")
    screen.shoot("call")
    engine.go_on()
    screen.tab.wait_for_selector(".call .result textarea")
    screen.tab.fill(".call .result textarea", "Storm")
    screen.tab.keyboard.press("Enter")
    screen.wait_for_end(2)

    assert [message.role for message in engine.generations[1].request.messages] == [
        "user",
        "assistant",
        "tool",
    ]
    assert engine.generations[1].request.messages[2].content == "Storm"
    assert screen.answer == "The tool has answered."


def test_a_tab_that_is_killed_loses_nothing(screen, engine, another):
    engine.pause_at = 30
    screen.ask("poem")
    screen.tab.wait_for_selector(".markdown:has-text('taps')")
    address = screen.tab.evaluate("'/' + location.hash")
    with screen.tab.expect_event("crash"), pytest.raises(Exception, match="crash"):
        screen.tab.goto("chrome://crash")
    second = another(address)
    engine.go_on()
    second.wait_for_end()

    assert "taps" in second.answer
    assert "daffodils" in second.answer
    assert second.tab.locator(".bubble").all_inner_texts() == ["poem"]
    assert len(engine.generations) == 1


def test_a_call_with_a_long_argument_and_long_names_fits_on_a_phone(browser, server, engine):
    long = "line of a file\n" * 2000
    engine.answers["write"] = (
        f"<tool_call>get_weather\n<arg_key>{'path_' * 40}</arg_key>\n<arg_value>a</arg_value>\n"
        f"<arg_key>text</arg_key>\n<arg_value>{long}</arg_value>\n</tool_call>"
    )
    engine.piece = 100
    context = browser.new_context(locale="en-US", viewport={"width": 360, "height": 760})
    context.add_init_script(DEMO_TOOLS)
    screen = Screen(context, server.url)
    screen.ask("write")
    screen.tab.wait_for_selector(".call:not(.building)")
    screen.wait_for_end()

    shown = "() => [...document.querySelectorAll('.call dd:last-of-type > div')].map(each => each.textContent).join('\\n')"
    assert screen.tab.evaluate(shown).strip() == long.strip()
    assert screen.tab.locator(".log").evaluate("element => element.scrollWidth <= element.clientWidth")
    assert screen.errors == []
    context.close()


def test_a_demo_tool_answers_by_itself(screen, engine):
    screen.tab.click(".open-settings")
    screen.tab.check("text=Offer demo tools")
    screen.tab.click("dialog .primary")
    screen.ask("weather")
    screen.wait_for_end(2)

    assert '"location":"Reykjavík"' in engine.generations[1].request.messages[2].content


def test_a_question_is_edited_and_an_answer_generated_again_in_branches(screen, engine):
    screen.ask("one")
    screen.wait_for_end()
    screen.tab.click(".assistant [title='Generate again']")
    screen.tab.wait_for_selector(".assistant .branches:has-text('2 / 2')")
    screen.wait_for_end()
    screen.tab.hover(".user")
    screen.tab.click(".user [title=Edit]")
    screen.tab.fill(".edit textarea", "two")
    screen.tab.keyboard.press("Enter")
    screen.tab.wait_for_selector(".user .branches:has-text('2 / 2')")
    screen.wait_for_end()
    screen.tab.hover(".user")
    screen.tab.click(".user [title='Previous version']")

    screen.tab.wait_for_selector(".bubble:has-text('one')")
    assert [each.request.messages[0].content for each in engine.generations] == ["one", "one", "two"]
    screen.tab.reload()
    screen.tab.wait_for_selector(".bubble:has-text('one')")


def test_the_answer_is_announced_a_few_times(screen):
    screen.tab.evaluate("""() => {
        window.announced = [];
        const note = () => announced.push(document.querySelector('[role=status]').textContent);
        new MutationObserver(note).observe(document.querySelector('[role=status]'), {childList: true, characterData: true, subtree: true});
    }""")
    screen.ask("poem")
    screen.wait_for_end()

    announced = screen.tab.evaluate("announced")
    assert announced[:2] == ["Thinking", "Answering"]
    assert announced[2].startswith("Answer complete, ")
    assert len(announced) == 3
    assert screen.tab.locator("[aria-live], [role=log], [role=alert]:visible").count() == 0


LINES = "".join(f"Paragraph {number} of the answer.\n\n" for number in range(300))
AT_END = "() => { const {scrollHeight, scrollTop, clientHeight} = document.querySelector('.scroll'); return scrollHeight - scrollTop - clientHeight < 2; }"
TOP_OF = "() => document.querySelector('p.read').getBoundingClientRect().top"


def test_the_end_stays_in_sight_unless_the_user_reads_further_up(screen, engine):
    engine.answers["lines"], engine.piece, engine.pause_at = LINES, 60, 100
    screen.ask("lines")
    screen.tab.wait_for_selector(".markdown p:has-text('Paragraph 190 ')")
    screen.wait(AT_END)
    screen.tab.locator(".scroll").evaluate("element => { element.scrollTop -= 1500; }")
    screen.tab.wait_for_selector(".to-bottom:visible")
    screen.tab.evaluate("""() => {
        const shown = [...document.querySelectorAll(".markdown p")];
        shown.find(each => each.getBoundingClientRect().top > 200).className = "read";
    }""")
    before = screen.tab.evaluate(TOP_OF)
    engine.go_on()
    screen.wait_for_end()
    assert screen.tab.evaluate(TOP_OF) == pytest.approx(before, abs=1)
    screen.tab.click(".to-bottom")
    screen.wait(AT_END)
    screen.tab.reload()
    screen.wait_for_end()
    screen.wait(AT_END)
    assert screen.answer == LINES.strip()
