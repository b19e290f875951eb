"""Several conversations and tabs, and servers that fail."""

import json

import pytest

from headrace.errors import EngineError
from page_screen import Screen
from waiting import until


def test_eight_conversations_run_in_three_tabs(screen, engine, another):
    engine.pause_at = 40
    engine.answers.update({f"question {number}": f"Answer {number}: " + "word " * 60 for number in range(8)})
    tabs = [screen, another(), another()]
    for number in range(8):
        tab = tabs[number % 3]
        tab.tab.bring_to_front()
        tab.tab.click(".new")
        tab.ask(f"question {number}")
        tab.tab.wait_for_selector(f".markdown:has-text('Answer {number}')")
    fourth = another()
    fourth.tab.wait_for_selector("#sidebar li.running >> nth=7")
    fourth.shoot("running")
    fourth.tab.click("#sidebar li:has-text('question 7') .icon.stop")
    fourth.tab.wait_for_selector("#sidebar li:not(.running):has-text('question 7')")
    engine.go_on()
    fourth.wait("() => !document.querySelector('#sidebar li.running')")

    for number in range(8):
        fourth.tab.click(f"#sidebar a:has-text('question {number}')")
        fourth.tab.wait_for_selector(f".bubble:has-text('question {number}')")
        fourth.wait_for_end()
        expected = engine.answers[f"question {number}"].strip()
        assert expected == fourth.answer if number != 7 else expected.startswith(fourth.answer.strip())
    assert len(engine.generations) == 8


def test_two_tabs_write_to_one_conversation_and_another_deletes(screen, engine, another):
    screen.ask("one")
    screen.wait_for_end()
    address = screen.tab.evaluate("'/' + location.hash")
    second = another(address)
    second.wait_for_end()
    engine.pause_at = 2
    screen.ask("from the first tab")
    second.ask("from the second tab")
    second.tab.wait_for_selector(".user >> nth=1")
    third = another()
    third.ask("to be deleted")
    third.tab.wait_for_selector("#sidebar li.running:has-text('to be deleted')")
    third.tab.hover("#sidebar li:has-text('to be deleted')")
    third.tab.click("#sidebar [title='Delete: to be deleted']")
    third.tab.click("#sidebar [title='Delete: to be deleted']")
    third.tab.wait_for_selector("#sidebar li:has-text('to be deleted')", state="detached")
    engine.go_on()
    screen.wait("() => !document.querySelector('#sidebar li.running')")
    screen.tab.reload()
    screen.wait_for_end(2)

    stored = screen.tab.evaluate("""() => new Promise(resolve => {
        indexedDB.open("headrace").onsuccess = ({target: {result}}) =>
            result.transaction("messages").objectStore("messages").getAll().onsuccess = event => resolve(event.target.result);
    })""")
    assert sorted(each["text"] for each in stored if each["role"] == "user") == [
        "from the first tab",
        "from the second tab",
        "one",
    ]
    assert [(each["state"], each.get("error")) for each in stored if each["role"] == "assistant"] == [
        ("done", None)
    ] * 3
    assert screen.tab.locator(".branches").first.inner_text().endswith("/ 2")


def test_an_error_is_a_sentence_and_keeps_what_was_received(screen, engine):
    engine.answers["fails"] = ["Half of ", "an answer", EngineError("the GPU is gone")]
    engine.answers["never"] = [EngineError("the GPU is gone")]
    screen.ask("fails")
    screen.tab.wait_for_selector(".note.error:has-text('The answer is incomplete')")
    screen.shoot("error")
    screen.tab.reload()
    screen.tab.wait_for_selector(".note.error:has-text('The answer is incomplete')")
    assert screen.answer == "Half of an answer"
    screen.tab.click(".new")
    screen.ask("never")
    screen.tab.wait_for_selector(".note.error")
    assert screen.tab.locator(".bubble").inner_text() == "never"
    screen.errors.clear()  # the status 500


@pytest.mark.parametrize("status", [401, 429, 502])
def test_a_refused_request_is_a_sentence(screen, status):
    body = {
        401: {"error": {"message": "the key is wrong", "code": "1002"}},
        429: {"error": {"message": "too many", "code": "1302"}},
    }
    screen.tab.route(
        "**/chat/completions",
        lambda route: route.fulfill(
            status=status,
            headers={"retry-after": "90"} if status == 429 else {},
            content_type="application/json" if status in body else "text/html",
            body=json.dumps(body[status])
            if status in body
            else "<html><title>502 Bad Gateway</title><h1>nginx</h1></html>",
        ),
    )
    screen.ask("hello")
    screen.tab.wait_for_selector(".note.error")
    note = screen.tab.locator(".note.error").inner_text()
    screen.errors.clear()

    assert {401: "needs an API key", 429: "in 90 s", 502: "502 Bad Gateway"}[status] in note
    if status == 401:
        screen.tab.click(".note.error button")
        screen.tab.wait_for_selector("dialog [type=password]:focus")


def test_a_full_quota_is_reported_and_the_answer_goes_on(screen, engine):
    screen.ask("kept")
    screen.wait_for_end()
    screen.tab.click(".new")
    engine.pause_at = 20
    screen.ask("poem")
    screen.tab.wait_for_selector(".markdown:has-text('Soft')")
    screen.tab.evaluate(NO_ROOM)
    engine.go_on()
    screen.tab.wait_for_selector(".banner:has-text('QuotaExceededError')")
    screen.wait_for_end()
    assert "daffodils" in screen.answer
    screen.tab.reload()
    screen.wait_for_end()

    assert "daffodils" in screen.answer  # from the server's log
    screen.tab.click("#sidebar a:has-text('kept')")
    screen.tab.wait_for_selector(".bubble:has-text('kept')")
    assert screen.answer == "This is the answer."


NO_ROOM = """() => {
    IDBObjectStore.prototype.put = () => { throw new DOMException("no room", "QuotaExceededError"); };
}"""


def test_an_answer_that_could_not_be_stored_is_found_after_a_reload_and_only_by_its_browser(
    screen, engine, server, browser
):
    engine.pause_at = 20
    screen.tab.evaluate(NO_ROOM)
    screen.ask("poem")
    screen.tab.wait_for_selector(".banner:has-text('QuotaExceededError')")
    screen.tab.wait_for_selector(".markdown:has-text('Soft')")
    screen.tab.reload()
    screen.tab.wait_for_selector("#sidebar li.running:has-text('Recovered answer')")
    other = Screen(browser.new_context(locale="en-US"), server.url)  # with the same key: none
    with other.tab.expect_response("**status=running") as response:
        other.tab.reload()
    assert len(response.value.json()["data"]) == 1
    screen.tab.click("#sidebar a:has-text('Recovered answer')")
    screen.tab.wait_for_selector(".markdown:has-text('Soft')")
    engine.go_on()
    screen.tab.wait_for_selector("#sidebar li:not(.running)")
    screen.tab.reload()
    screen.tab.wait_for_selector(".markdown:has-text('Nothing is so beautiful as Spring')")

    assert screen.tab.locator("#sidebar li").count() == 1
    assert other.tab.locator("#sidebar li").count() == 0
    assert len(engine.generations) == 1
    other.tab.context.close()


def test_what_is_deleted_is_generated_no_further(screen, engine):
    engine.pause_at = 20
    screen.ask("poem")
    screen.tab.wait_for_selector(".markdown:has-text('Soft')")
    screen.tab.hover(".user")
    for _ in range(2):
        screen.tab.click(".user [title=Delete]")
    screen.tab.wait_for_selector("#sidebar li:not(.running)")
    until(lambda: engine.stopped == 1)
    assert screen.tab.locator(".message").count() == 0
    screen.ask("poem")
    screen.tab.wait_for_selector(".markdown:has-text('Soft')")
    screen.tab.hover("#sidebar li")
    for _ in range(2):
        screen.tab.click("#sidebar [title='Delete: poem']")
    screen.tab.wait_for_selector("#sidebar li", state="detached")
    until(lambda: engine.stopped == 2)
    screen.tab.reload()
    screen.tab.wait_for_selector(".hello:visible")
    assert screen.tab.locator("#sidebar li").count() == 0


def test_old_conversations_open_without_the_server(screen, engine):
    screen.ask("poem")
    screen.wait_for_end()
    screen.tab.route("**/api/**", lambda route: route.abort())
    screen.tab.reload()
    screen.wait_for_end()
    screen.tab.wait_for_selector(".banner:has-text('cannot be reached')")
    screen.errors.clear()

    assert "daffodils" in screen.answer


def test_another_conversation_may_be_opened_at_once(screen, engine):
    """A question belongs to its conversation, not to what is on the screen when it has been stored."""
    screen.ask("kept")
    screen.wait_for_end()
    screen.tab.click(".new")
    screen.tab.fill("#question", "poem")
    screen.tab.evaluate("""() => {
        document.querySelector(".composer").requestSubmit();
        document.querySelector("#sidebar a").click();
    }""")
    screen.tab.wait_for_selector("#sidebar a:has-text('poem')")
    screen.wait("() => !document.querySelector('#sidebar li.running')")
    screen.tab.click("#sidebar a:has-text('poem')")
    screen.tab.wait_for_selector(".bubble:has-text('poem')")
    screen.wait_for_end()

    assert "daffodils" in screen.answer
    assert [each.request.messages[-1].content for each in engine.generations] == ["kept", "poem"]


IMPORT = """chosen => {
    const input = document.querySelector("input[type=file]");
    const files = new DataTransfer();
    files.items.add(new File(chosen.repeat ? Array(chosen.repeat).fill(new Uint8Array(1e6)) : [chosen.text], "chats.json"));
    input.files = files.files;
    input.dispatchEvent(new Event("change"));
}"""
CHAT = """{"conversation": {"title": "Imported", "__proto__": {"leaf": "x"}}, "messages": [
    {"id": "__proto__", "role": "user", "text": "a question", "__proto__": {"polluted": 1}},
    {"id": "constructor", "role": "assistant", "parent": "__proto__", "completion": {"content": "an <b>answer</b>", "toolCalls": 5,
     "__proto__": {"polluted": 2}}, "state": "running", "running": 1}]}"""


def test_an_import_is_a_sentence_if_it_is_too_large_or_of_another_kind_and_hostile_names_are_names(screen):
    screen.ask("kept")
    screen.wait_for_end()
    screen.tab.click(".open-settings")
    note = screen.tab.locator("dialog .note")
    for chosen, sentence in (
        ({"repeat": 200}, "The file has 200 MB; at most 50 MB can be imported. Export single chats instead."),
        ({"text": "<html>"}, "The file is not an export of this page: it is not JSON."),
        ({"text": '{"__proto__": {"format": "headrace-chats-1", "chats": []}}'}, 'The file is not an export of this page: "format" is not'),
        ({"text": f'{{"format": "headrace-chats-1", "__proto__": {{"polluted": 3}}, "chats": [{CHAT}, {CHAT}]}}'}, "2 chats imported."),
    ):  # fmt: skip
        screen.tab.evaluate(IMPORT, chosen)
        note.filter(has_text=sentence).wait_for()
    screen.tab.click("dialog .primary")
    assert screen.tab.evaluate("[{}.polluted, [].polluted, {}.leaf]") == [None, None, None]
    screen.tab.wait_for_selector("#sidebar li >> nth=2")
    screen.tab.click("#sidebar a:has-text('Imported') >> nth=0")
    screen.tab.wait_for_selector(".bubble:has-text('a question')")
    screen.tab.wait_for_selector(".note:has-text('Stopped.')")
    assert screen.answer == "an <b>answer</b>"
