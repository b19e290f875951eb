"""A client of the Responses endpoints, for tests: plain HTTP, and streams that are checked as they are read."""

from response_contract import decode, read_stream, texts_of
from waiting import until

__all__ = ["PATH", "create", "read", "stream", "text_of", "wait_for"]

PATH = "/v1/responses"


def create(client, path=PATH, *, status=200, headers=(), **fields):
    """Request a response, not streamed."""
    body = {"model": "glm-4.6", "input": "Hello", **fields}
    response = client.post(path, json=body, headers=dict(headers))
    assert response.status_code == status, response.text
    return response.json()


def stream(client, path=PATH, *, headers=(), **fields):
    """Request a stream, and read it with every check."""
    body = {"model": "glm-4.6", "input": "Hello", "stream": True, **fields}
    response = client.post(path, json=body, headers=dict(headers))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return read_stream(response.content)


def read(client, id, after=None, *, path=PATH):
    """Return the events of a stored response after one of them."""
    query = {"stream": "true"} if after is None else {"stream": "true", "starting_after": after}
    response = client.get(f"{path}/{id}", params=query)
    assert response.status_code == 200, response.text
    return decode(response.content)


def wait_for(client, id, *statuses):
    """Poll a response until it has one of these states."""

    def found():
        response = client.get(f"{PATH}/{id}").json()
        return response if response["status"] in statuses else None

    return until(found)


def text_of(response):
    """Return the text of the messages."""
    return "".join(texts_of(item) for item in response["output"] if item["type"] == "message")
