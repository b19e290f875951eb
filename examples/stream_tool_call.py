"""Stream the arguments of a tool call. The program runs with PyPI's zai-sdk, too.

ZAI_BASE_URL=http://127.0.0.1:8000/api/paas/v4 ZAI_API_KEY=… .venv/bin/python examples/stream_tool_call.py
"""

from zai import ZhipuAiClient

client = ZhipuAiClient()

response = client.chat.completions.create(
    model="glm-4.6",
    messages=[{"role": "user", "content": "北京天气怎么样"}],
    tools=[
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "获取指定地点当前的天气情况",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "location": {"type": "string", "description": "城市,例如:北京、上海"},
                        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                    },
                    "required": ["location"],
                },
            },
        }
    ],
    stream=True,
    tool_stream=True,
)

reasoning_content = ""
content = ""
final_tool_calls = {}
reasoning_started = False
content_started = False

for chunk in response:
    if not chunk.choices:
        continue
    delta = chunk.choices[0].delta

    if hasattr(delta, "reasoning_content") and delta.reasoning_content:
        if not reasoning_started and delta.reasoning_content.strip():
            print("\n🧠 思考过程:")
            reasoning_started = True
        reasoning_content += delta.reasoning_content
        print(delta.reasoning_content, end="", flush=True)

    if hasattr(delta, "content") and delta.content:
        if not content_started and delta.content.strip():
            print("\n\n💬 回答内容:")
            content_started = True
        content += delta.content
        print(delta.content, end="", flush=True)

    if delta.tool_calls:
        for tool_call in delta.tool_calls:
            index = tool_call.index
            if index not in final_tool_calls:
                final_tool_calls[index] = tool_call
                final_tool_calls[index].function.arguments = tool_call.function.arguments
            else:
                final_tool_calls[index].function.arguments += tool_call.function.arguments

if final_tool_calls:
    print("\n📋 命中 Function Calls :")
    for index, tool_call in final_tool_calls.items():
        print(f"  {index}: 函数名: {tool_call.function.name}, 参数: {tool_call.function.arguments}")
