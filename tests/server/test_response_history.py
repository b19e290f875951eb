"""OpenAI's Responses whose requests refer to earlier ones: `previous_response_id`, `item_reference`."""

import pytest

from headrace.engines import ScriptedEngine
from headrace.events import Content, Finish, ToolCallArguments, ToolCallEnd, ToolCallStart
from listening import GeneratedEngine
from response_client import PATH, create, stream, text_of, wait_for
from wire_client import CALL

WEATHER = {"type": "function", "name": "get_weather"}


class Prompted(GeneratedEngine):
    """Answers with its prompt."""

    async def generate(self, generation):
        yield [Content(generation.prompt)]
        yield [Finish("stop")]


def test_the_response_before_is_part_of_the_conversation(serve):
    client = serve(Prompted())
    first = create(client, input="One", instructions="Be brief.")
    second = create(client, input="Two", previous_response_id=first["id"])
    third = create(client, input="Three", previous_response_id=second["id"])

    expected = "user: One\nassistant: system: Be brief.\nuser: One\n\nuser: Two\n"
    assert text_of(second) == expected
    assert text_of(third).startswith(
        "user: One\nassistant: system: Be brief.\nuser: One\n\nuser: Two\nassistant: user: One"
    )
    assert second["previous_response_id"] == first["id"]


def test_the_result_of_a_call_of_the_response_before(serve):
    client = serve(ScriptedEngine(CALL))
    first = create(client, tools=[WEATHER])
    call_id = first["output"][-1]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "sunny"}

    second = create(client, tools=[WEATHER], input=[output], previous_response_id=first["id"])
    wrong = create(client, input=[{**output, "call_id": "x"}], previous_response_id=first["id"], status=400)

    assert second["status"] == "completed"
    assert wrong["error"]["param"] == "input[0].call_id"


@pytest.mark.parametrize("id", ["resp_1", "x"])
def test_an_unknown_response_before_is_an_error_of_the_request(serve, id):
    error = create(serve(ScriptedEngine("Hi")), previous_response_id=id, status=400)["error"]

    assert error["param"] == "previous_response_id"


def test_items_may_be_references(serve):
    client = serve(Prompted())
    first = create(client, input="One")
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    items = [{"role": "user", "content": "One"}, reference, {"role": "user", "content": "Two"}]

    assert text_of(create(client, input=items)) == "user: One\nassistant: user: One\n\nuser: Two\n"


def test_a_reference_to_an_item_that_is_gone(serve):
    client = serve(Prompted())
    user = {"role": "user", "content": "Hi"}
    reasoning, message = ({"type": "item_reference", "id": f"{kind}_123_0"} for kind in ("rs", "msg"))

    assert text_of(create(client, input=[reasoning, user])) == "user: Hi\n"
    error = create(client, input=[user, message], status=400)["error"]
    assert error["param"] == "input[1].id"


def test_the_items_of_an_input_are_listed_in_pages(serve):
    client = serve(ScriptedEngine("Hi"))
    items = [{"role": "user", "content": str(number)} for number in range(5)]
    path = f"{PATH}/{create(client, input=items)['id']}/input_items"

    def numbers(**query):
        page = client.get(path, params=query).json()
        assert page["object"] == "list"
        return [int(item["content"]) for item in page["data"]], page["has_more"], page["last_id"]

    newest, more, last = numbers(limit=2)
    assert (newest, more) == ([4, 3], True)
    assert numbers(limit=2, after=last)[:2] == ([2, 1], True)
    assert numbers(order="asc")[:2] == ([0, 1, 2, 3, 4], False)
    for wrong in (
        {"limit": 0},
        {"limit": "x"},
        {"limit": "0" * 8 + "1" * 5000},
        {"order": "up"},
        {"after": "x"},
    ):
        error = client.get(path, params=wrong).json()["error"]
        assert error["param"] == next(iter(wrong))


SEARCH = {"type": "web_search_call", "id": "ws_1", "query": "a" * 8000}  # the model does not get it


def test_a_conversation_has_the_limit_of_a_body(serve):
    client = serve(ScriptedEngine("Hi"), max_body_size=20_000)
    first = create(client, input=[SEARCH, {"role": "user", "content": "One"}])
    items = [SEARCH, {"role": "user", "content": "Two"}]
    second = create(client, input=items, previous_response_id=first["id"])
    error = create(client, input=items, previous_response_id=second["id"], status=400)["error"]

    assert "20000 bytes" in error["message"]
    assert "--max-body-size" in error["message"]


def test_many_references_to_one_item_have_the_limit_of_a_body(serve):
    client = serve(ScriptedEngine("a" * 8000), max_body_size=20_000)
    reference = {"type": "item_reference", "id": create(client)["output"][0]["id"]}
    user = {"role": "user", "content": "Two"}
    create(client, input=[reference, reference, user])
    error = create(client, input=[reference] * 9 + [user], status=400)["error"]

    assert "--max-body-size" in error["message"]


def test_every_item_of_an_input_has_an_id_and_a_type(serve):
    client = serve(ScriptedEngine("Hi"))
    items = [{"role": "user", "content": "a", "id": None, "type": None}, {"role": "user", "content": "b"}]
    listed = client.get(f"{PATH}/{create(client, input=items)['id']}/input_items").json()

    assert all(isinstance(item["id"], str) for item in listed["data"])
    assert {item["type"] for item in listed["data"]} == {"message"}
    assert len({item["id"] for item in listed["data"]}) == 2


def test_the_response_before_must_have_ended(serve):
    client = serve(ScriptedEngine(" ".join(map(str, range(500))), piece=3, delay=0.01))
    id = create(client, background=True)["id"]
    wait_for(client, id, "in_progress")
    error = create(client, previous_response_id=id, status=400)["error"]

    assert error["param"] == "previous_response_id"
    assert "has not ended yet" in error["message"]


def test_a_call_that_was_cut_off_is_not_part_of_the_conversation(serve):
    script = [
        Content("Look."),
        ToolCallStart(0, "get_weather"),
        ToolCallArguments(0, '{"lo'),
        Finish("length"),
    ]
    client = serve(ScriptedEngine(script))
    first = stream(client, tools=[WEATHER]).response
    second = create(client, input="Again", previous_response_id=first["id"])
    items = client.get(f"{PATH}/{second['id']}/input_items?order=asc").json()["data"]

    assert [item["type"] for item in first["output"]] == ["message", "function_call"]
    assert [item.get("role") for item in items] == ["user", "assistant", "user"]


def test_a_conversation_over_many_responses_keeps_calls_and_results_together(serve):
    class Calls(GeneratedEngine):
        async def generate(self, generation):
            if generation.request.messages[-1].role == "tool":
                yield [Content(f"{len(generation.request.messages)} messages")]
            else:
                yield [ToolCallStart(0, "get_weather", "", "{}"), ToolCallEnd(0)]
            yield [Finish("stop")]

    client = serve(Calls())
    last = None
    for turn in range(3):
        asked = create(client, input="Weather?", tools=[WEATHER], previous_response_id=last)
        result = {"type": "function_call_output", "call_id": asked["output"][0]["call_id"], "output": "sunny"}
        answer = create(client, input=[result], tools=[WEATHER], previous_response_id=asked["id"])
        last = answer["id"]
        assert text_of(answer) == f"{4 * turn + 3} messages"
