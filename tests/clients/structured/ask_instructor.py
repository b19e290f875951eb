"""instructor's modes JSON_SCHEMA and TOOLS."""

import instructor
from forms import ASK, DOCUMENTED, LIMIT, MODEL, OFF, URL, report_all
from instructor.core import IncompleteOutputException
from openai import OpenAI

client = OpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=0)
OPTIONS = {
    "model": MODEL,
    "messages": ASK,
    "max_tokens": LIMIT,
    "seed": 1,
    "extra_body": OFF,
    "max_retries": 0,
}


def asker(mode):
    patched = instructor.from_openai(client, mode=mode)

    def ask(model):
        try:
            return patched.chat.completions.create(**OPTIONS, response_model=model)
        except IncompleteOutputException as error:
            message = error.last_completion.choices[0].message
            if mode is instructor.Mode.JSON_SCHEMA:
                return message.content
            return message.tool_calls[0].function.arguments if message.tool_calls else ""
        except Exception as error:
            code = next((code for code in DOCUMENTED if code in str(error)), None)
            if code is None:
                raise
            return code

    return ask


report_all(asker(instructor.Mode.JSON_SCHEMA), asker(instructor.Mode.TOOLS))
