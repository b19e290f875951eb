"""A request as Codex 0.171.0 sends it in the middle of a session, with every kind of item and tool."""

__all__ = ["CODEX"]

TOOL = {"type": "function", "name": "add", "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CODEX = {
    "model": "glm-4.6",
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199",
    "client_metadata": {"x-codex-installation-id": "1", "x-codex-turn-metadata": "{}"},
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "reasoning": {"summary": "auto", "effort": "xhigh"},
    "text": {"verbosity": "low", "format": {"type": "json_schema", "strict": True, "name": "o", "schema": SCHEMA}},
    "tools": [
        {**TOOL, "strict": False},
        {"type": "namespace", "name": "multi_agent_v1", "description": "Agents", "tools": [{**TOOL, "name": "spawn"}]},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "web_search", "external_web_access": True},
        {"type": "tool_search", "execution": "client"},
    ],
    "input": [
        {"id": "m1", "type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Codex"}]},
        {"id": "m2", "type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Rules"}] * 3},
        {"id": "m3", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "<env>"}]},
        {"id": "m4", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Edit"}]},
        {"id": "r1", "type": "reasoning", "summary": [], "content": None, "encrypted_content": None},
        {
            "id": "m5",
            "type": "message",
            "role": "assistant",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "Ok", "annotations": [], "logprobs": []}],
        },
        {
            "id": "f1",
            "type": "function_call",
            "name": "spawn",
            "namespace": "multi_agent_v1",
            "arguments": "{}",
            "call_id": "c1",
            "status": "completed",
        },
        {"id": "f2", "type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin", "call_id": "c2"},
        {"id": "o1", "type": "function_call_output", "call_id": "c1", "output": "agent 1"},
        {"id": "o2", "type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "Done"}]},
        {"id": "r2", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Well"}], "content": None},
    ],
}  # fmt: skip
