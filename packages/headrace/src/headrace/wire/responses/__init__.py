"""The JSON of OpenAI's Responses API. No I/O, no engine."""

from headrace.wire.responses.errors import encode_response_error
from headrace.wire.responses.request import ResponseForm, ResponseRequest, decode_response_request, form_of

__all__ = ["ResponseForm", "ResponseRequest", "decode_response_request", "encode_response_error", "form_of"]
