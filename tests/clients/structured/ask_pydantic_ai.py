"""pydantic-ai's outputs: native ones, and tools."""

from forms import ASK, DOCUMENTED, LIMIT, MODEL, URL, report_all
from openai import AsyncOpenAI
from pydantic_ai import Agent, NativeOutput, ToolOutput, capture_run_messages
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

client = AsyncOpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=0)
SETTINGS = {"max_tokens": LIMIT, "seed": 1, "extra_body": {"thinking": {"type": "disabled"}}}


def asker(kind):
    def ask(model):
        provider = OpenAIProvider(
            openai_client=AsyncOpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=0)
        )
        agent = Agent(
            OpenAIChatModel(MODEL, provider=provider),
            output_type=kind(model),
            model_settings=SETTINGS,
            retries=0,
        )
        with capture_run_messages() as messages:
            try:
                return agent.run_sync(ASK[0]["content"]).output
            except ModelHTTPError as error:
                return next(code for code in DOCUMENTED if code in str(error))
            except UnexpectedModelBehavior:
                last = [message for message in messages if message.kind == "response"][-1]
                if last.finish_reason != "length":
                    raise
                written = "content" if kind is NativeOutput else "args"
                return next((getattr(part, written) for part in last.parts if hasattr(part, written)), "")

    return ask


report_all(asker(NativeOutput), asker(ToolOutput), threads=1)
