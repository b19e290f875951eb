// The answer that upstream.c streams: reasoning, content and a tool call, in the shape of vLLM's two endpoints.
// Each SSE event is an HTTP chunk of its own, as uvicorn sends it.

#ifndef ANSWERS_H
#define ANSWERS_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stamp.h"

// Bytes that are ready to be sent.
typedef struct {
    char bytes[2048];
    int length;
    int stamp;  // where the stamp is
} Frame;

enum { REASONING, CONTENT, ARGUMENTS, SECTIONS };

// One endpoint: the events of its answers. The first delta of a section has the section's markup.
typedef struct {
    const char *path;
    Frame opening;
    Frame first[SECTIONS];
    Frame delta[SECTIONS];
    const char *finish;
    const char *usage;
} Endpoint;

#define HEAD \
    "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\n" \
    "content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
#define META(id, object) \
    "\"id\":\"" id "\",\"object\":\"" object "\",\"created\":1760000000,\"model\":\"glm-4.6\","
#define USAGE "\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d,\"completion_tokens\":%d}"

#define CHAT_META META("chatcmpl-7f3c1e5b9a2d4c68b0e1f2a3b4c5d6e7", "chat.completion.chunk")
#define CHAT(delta, finish) \
    "data: {" CHAT_META "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"logprobs\":null," \
    "\"finish_reason\":" finish ",\"token_ids\":null}]}\n\n"
#define CHAT_ARGUMENTS(text) "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"" text "\"}}]"
#define CHAT_CALL \
    "\"tool_calls\":[{\"id\":\"call_0123456789abcdef\",\"type\":\"function\",\"index\":0," \
    "\"function\":{\"name\":\"get_weather\",\"arguments\":\"{\\\"location\\\": \\\"\"}}]"

#define TEXT_META META("cmpl-7f3c1e5b9a2d4c68b0e1f2a3b4c5d6e7", "text_completion")
#define TEXT(text, finish) \
    "data: {" TEXT_META "\"choices\":[{\"index\":0,\"text\":\"" text "\",\"logprobs\":null," \
    "\"finish_reason\":" finish ",\"stop_reason\":null,\"prompt_token_ids\":null,\"token_ids\":[3040]}]," \
    "\"usage\":null}\n\n"
#define TEXT_CALL "\\n<tool_call>get_weather\\n<arg_key>location</arg_key>\\n<arg_value>"

static Endpoint chat = {
    .path = "/v1/chat/completions",
    .finish = CHAT(CHAT_ARGUMENTS("\\\"}"), "\"tool_calls\""),
    .usage = "data: {" CHAT_META "\"choices\":[]," USAGE "}\n\n",
};
static Endpoint completions = {
    .path = "/v1/completions",
    .finish = TEXT("</arg_value>\\n</tool_call><|observation|>", "\"stop\""),
    .usage = "data: {" TEXT_META "\"choices\":[]," USAGE "}\n\n",
};

static void append_event(Frame *frame, const char *format, ...)
{
    char event[1024];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(event, sizeof event, format, values);
    va_end(values);
    frame->length += sprintf(frame->bytes + frame->length, "%x\r\n%s\r\n", length, event);
    char *stamp = strstr(frame->bytes, STAMP);
    frame->stamp = stamp ? stamp - frame->bytes : -1;
}

static void prepare_frames(void)
{
    append_event(&chat.opening, CHAT("\"role\":\"assistant\",\"content\":\"\"", "null"));
    append_event(&chat.delta[REASONING], CHAT("\"reasoning_content\":\" think" STAMP "\"", "null"));
    append_event(&chat.delta[CONTENT], CHAT("\"content\":\" word" STAMP "\"", "null"));
    append_event(&chat.delta[ARGUMENTS], CHAT(CHAT_ARGUMENTS(" arg" STAMP), "null"));
    chat.first[REASONING] = chat.delta[REASONING];
    chat.first[CONTENT] = chat.delta[CONTENT];
    append_event(&chat.first[ARGUMENTS], CHAT(CHAT_CALL, "null"));
    append_event(&chat.first[ARGUMENTS], CHAT(CHAT_ARGUMENTS(" arg" STAMP), "null"));

    append_event(&completions.opening, TEXT("<think>", "null"));
    append_event(&completions.delta[REASONING], TEXT(" think" STAMP, "null"));
    append_event(&completions.delta[CONTENT], TEXT(" word" STAMP, "null"));
    append_event(&completions.delta[ARGUMENTS], TEXT(" arg" STAMP, "null"));
    completions.first[REASONING] = completions.delta[REASONING];
    append_event(&completions.first[CONTENT], TEXT("</think>\\n word" STAMP, "null"));
    append_event(&completions.first[ARGUMENTS], TEXT(TEXT_CALL " arg" STAMP, "null"));
}

#endif
