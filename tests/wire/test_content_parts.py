"""Images in messages: decoded in their order, in every spelling of their URL."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire import decode_request, encode_request
from headrace.wire.request import ImagePart, ImageUrl, TextPart

STARTS = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff\xe0",
    "gif": b"GIF89a",
    "webp": b"RIFF\x24\x00\x00\x00WEBP",
}
URLS = ["https://example.com/cat.png", "HTTP://example.com/a?b#c", "data:image/png;base64,iVBORw0KGgo="]


def decode(content, role="user"):
    messages = [{"role": "user", "content": "Look"}, {"role": role, "content": content}]
    return decode_request(json.dumps({"model": "m", "messages": messages}).encode())


def image(url, **fields):
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def url_of(content):
    return decode([content]).messages[1].content[0].image_url.url


parts_lists = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(st.characters(exclude_categories=["Cs"])))
    | st.builds(image, st.sampled_from(URLS))
    | st.builds(lambda url: image(url, detail="low"), st.sampled_from(URLS))
)


@given(parts_lists, st.sampled_from(["user", "tool"]))
def test_parts_keep_their_order_and_number(parts, role):
    request = decode(parts, role)
    message = request.messages[1]

    assert json.loads(encode_request(request))["messages"][1]["content"] == parts
    assert message.text == "".join(part.get("text", "") for part in parts)
    assert list(message.images) == [at for at, part in enumerate(parts) if "image_url" in part]


@pytest.mark.parametrize("url", URLS)
def test_a_url_stays_as_it_is(url):
    assert url_of(image(url)) == url_of({"type": "image_url", "image_url": url}) == url


@pytest.mark.parametrize(("kind", "start"), STARTS.items())
@pytest.mark.parametrize("size", range(3))
def test_base64_alone_gets_the_type_that_its_first_bytes_show(kind, start, size):
    encoded = base64.b64encode(start + bytes(size)).decode()

    assert url_of(image(encoded)) == f"data:image/{kind};base64,{encoded}"


def test_a_part_without_a_type_is_a_text():
    assert decode([{"text": "a"}, {"type": None, "text": "b"}]).messages[1].content == [
        TextPart("a"),
        TextPart("b"),
    ]


def test_the_detail_of_an_image_is_kept_and_other_fields_are_not():
    part = {**image(URLS[0], detail="high", format="x"), "cache_control": {"type": "ephemeral"}}

    assert decode([part]).messages[1].content == [ImagePart(ImageUrl(URLS[0], "high"))]


WRONG = [
    ({"type": "video_url", "video_url": {"url": URLS[0]}}, "1210", ".type", '"video_url"'),
    ({"type": "file_url", "file_url": {"url": URLS[0]}}, "1210", ".type", '"file_url"'),
    ({"type": "input_audio"}, "1210", ".type", "text or image_url"),
    ({"type": ["text"]}, "1210", ".type", '["text"]'),
    ({"type": "image_url"}, "1213", ".image_url", "missing"),
    ({"type": "image_url", "image_url": {}}, "1213", ".image_url.url", "missing"),
    ({"type": "image_url", "image_url": 5}, "1214", ".image_url", "an object"),
    (image(5), "1214", ".image_url.url", "a string"),
    (image(URLS[0], detail=1), "1214", ".image_url.detail", "1"),
    ({"type": "text"}, "1213", ".text", "missing"),
    ({"type": "text", "text": 1}, "1214", ".text", "a string"),
    ("x", "1214", "", "it must be an object"),
    *[
        (image(url), "1214", ".image_url.url", "base64")
        for url in (
            "",
            "cat.png",
            "ftp://example.com/a.png",
            "file:///etc/passwd",
            "data:text/html,x",
            "AAAA",
        )
    ],
]


@pytest.mark.parametrize(("part", "code", "field", "named"), WRONG)
def test_an_invalid_part_is_named(part, code, field, named):
    with pytest.raises(RequestError) as caught:
        decode([{"type": "text", "text": "a"}, part])

    assert caught.value.code == code
    assert caught.value.message.startswith(f"messages[1].content[1]{field} is")
    assert named in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_only_users_and_tools_send_images(role):
    with pytest.raises(
        RequestError, match=r"messages\[1\].content\[0\].type is .*; it must be text$"
    ) as caught:
        decode([image(URLS[0])], role)

    assert caught.value.code == "1210"
