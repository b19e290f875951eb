// An OpenAI-compatible server that streams prepared chunks as fast, or as slowly, as a scenario needs.
// One thread, epoll.
//
//     upstream PORT
//
// POST /v1/chat/completions  a stream in vLLM's shape: 30 % reasoning, 50 % content, 20 % arguments of a
//                            tool call, finish, usage, [DONE]
// POST /v1/completions       the same answer as raw text with GLM's markup
// GET  /v1/models            the one model
// GET  /script?pace=PACE&events=N&rate=R   how the streams run that start from now on:
//                            blocks    always ready, 64 KiB in one write
//                            events    always ready, one write for each event
//                            paced     R events a second, each stream in its own phase
//                            lockstep  R events a second, all streams at once, as an engine's batch steps
//                            silent    the first event, then nothing
// GET  /stats                counters as JSON

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answers.h"
#include "stamp.h"

enum {
    BLOCK_SIZE = 65536,
    OUTPUT_SIZE = BLOCK_SIZE + 8192,  // a block, the event that exceeds it, and the end of the answer
    INPUT_SIZE = 16384,               // a request with its body
    WRITES_PER_TURN = 64,             // of one stream that is always ready, then the others have their turn
    EVENTS_PER_TURN = 256,            // of all paced streams, then sockets are polled again
    PROMPT_TOKENS = 17,
};

// --- connections ----------------------------------------------------------------------------------------

static const char MODELS[] =
    "{\"object\":\"list\",\"data\":[{\"id\":\"glm-4.6\",\"object\":\"model\",\"owned_by\":\"vllm\"}]}";

typedef enum { BLOCKS, EVENTS, PACED, LOCKSTEP, SILENT, PACES } Pace;
static const char *const PACE_NAMES[PACES] = {"blocks", "events", "paced", "lockstep", "silent"};

typedef struct {
    Pace pace;
    int events;
    uint64_t period;  // ns between two events of a stream
} Script;

typedef struct Connection Connection;
struct Connection {
    int fd;
    bool is_streaming;   // an answer has begun and is not written yet
    bool is_complete;    // all of it is in `output`
    bool is_closed;      // freed at the end of the turn, as epoll may still have events of it
    bool awaits_room;    // its socket was full
    char input[INPUT_SIZE + 1];
    size_t received;
    char output[OUTPUT_SIZE];
    size_t filled, sent;
    const Endpoint *endpoint;
    Script script;
    int next;            // number of the next delta
    uint64_t due;        // when it is sent; 0 if the stream is not in the timetable
    Connection *before, *after;
};

static Script script = {BLOCKS, 1000, 20000000};
static struct {
    long live, aborted;
    uint64_t last_abort_ns, bytes, events;
} stats;
static int poller;
static Connection *closed_connections;

// The timetable: streams in the order in which they are due, around a sentinel.
static Connection timetable = {.before = &timetable, .after = &timetable};

static void schedule(Connection *c, uint64_t due)
{
    Connection *before = timetable.before;
    while (before != &timetable && before->due > due)
        before = before->before;
    c->due = due;
    c->before = before;
    c->after = before->after;
    before->after->before = c;
    before->after = c;
}

static void unschedule(Connection *c)
{
    if (!c->due)
        return;
    c->before->after = c->after;
    c->after->before = c->before;
    c->due = 0;
}

static void close_connection(Connection *c)
{
    if (c->is_streaming && !c->is_complete) {
        stats.aborted++;
        stats.last_abort_ns = now_ns();
    }
    unschedule(c);
    close(c->fd);
    stats.live--;
    c->is_closed = true;
    c->after = closed_connections;
    closed_connections = c;
}

static void await_room(Connection *c, bool awaits)
{
    if (c->awaits_room == awaits)
        return;
    c->awaits_room = awaits;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (awaits ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

// Write what there is. True once everything is written, false if the socket is full or closed.
static bool flush(Connection *c)
{
    while (c->sent < c->filled) {
        ssize_t count = send(c->fd, c->output + c->sent, c->filled - c->sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
            await_room(c, true);
            return false;
        }
        if (count < 0) {
            close_connection(c);
            return false;
        }
        c->sent += count;
        stats.bytes += count;
    }
    c->filled = c->sent = 0;
    return true;
}

// --- streams --------------------------------------------------------------------------------------------

static void append(Connection *c, const char *bytes, int length)
{
    memcpy(c->output + c->filled, bytes, length);
    c->filled += length;
}

static void write_digits(char *at, uint64_t value, int digits)
{
    while (digits--) {
        at[digits] = '0' + value % 10;
        value /= 10;
    }
}

static void append_ending(Connection *c)
{
    Frame ending = {.length = 0};
    int events = c->script.events;
    append_event(&ending, "%s", c->endpoint->finish);
    append_event(&ending, c->endpoint->usage, PROMPT_TOKENS, PROMPT_TOKENS + events, events);
    append_event(&ending, "data: [DONE]\n\n");
    append(c, ending.bytes, ending.length);
    append(c, "0\r\n\r\n", 5);
    c->is_complete = true;
}

// The next delta, and after the last one the end of the answer.
static void append_delta(Connection *c, uint64_t now)
{
    int begins[SECTIONS + 1] = {0, c->script.events * 3 / 10, c->script.events * 8 / 10, c->script.events};
    int section = c->next < begins[CONTENT] ? REASONING : c->next < begins[ARGUMENTS] ? CONTENT : ARGUMENTS;
    bool is_first = c->next == begins[section];
    const Frame *frame = is_first ? &c->endpoint->first[section] : &c->endpoint->delta[section];
    char *stamp = c->output + c->filled + frame->stamp;
    append(c, frame->bytes, frame->length);
    write_digits(stamp + TIME_AT, now, TIME_DIGITS);
    write_digits(stamp + NUMBER_AT, c->next, NUMBER_DIGITS);
    stats.events++;
    if (++c->next == c->script.events)
        append_ending(c);
}

static void handle_request(Connection *c);

static void end_stream(Connection *c)
{
    await_room(c, false);
    c->is_streaming = false;
    handle_request(c);  // if the next one is here already
}

// Write until the socket is full, or the turn is over.
static void flood(Connection *c)
{
    size_t write_size = c->script.pace == BLOCKS ? BLOCK_SIZE : 1;
    for (int writes = 0; writes < WRITES_PER_TURN; writes++) {
        if (!flush(c))
            return;
        if (c->is_complete) {
            end_stream(c);
            return;
        }
        uint64_t now = now_ns();
        while (!c->is_complete && c->filled < write_size)
            append_delta(c, now);
    }
    await_room(c, true);
}

static void send_due(Connection *c, uint64_t now)
{
    uint64_t due = c->due + c->script.period;
    bool is_hopelessly_late = due + 5 * c->script.period < now;
    unschedule(c);
    if (c->filled < BLOCK_SIZE)  // a client that does not read misses its events
        append_delta(c, now);
    if (!c->is_complete)
        schedule(c, is_hopelessly_late ? now : due);
    if (flush(c) && c->is_complete)
        end_stream(c);
}

static void start_stream(Connection *c, const Endpoint *endpoint)
{
    c->is_streaming = true;
    c->is_complete = false;
    c->endpoint = endpoint;
    c->script = script;
    c->next = 0;
    append(c, HEAD, sizeof HEAD - 1);
    append(c, endpoint->opening.bytes, endpoint->opening.length);
    uint64_t now = now_ns(), period = script.period;
    if (script.pace == SILENT)
        append_delta(c, now);
    else if (script.pace == PACED)
        schedule(c, now + (uint64_t)(drand48() * period));
    else if (script.pace == LOCKSTEP)
        schedule(c, now / period * period + period);
    if (script.pace == BLOCKS || script.pace == EVENTS)
        flood(c);
    else
        flush(c);
}

// Continue what a full socket had interrupted.
static void resume(Connection *c)
{
    if (c->script.pace == BLOCKS || c->script.pace == EVENTS) {
        flood(c);
    } else if (flush(c)) {
        await_room(c, false);
        if (c->is_complete)
            end_stream(c);
    }
}

// --- requests -------------------------------------------------------------------------------------------

static void reply(Connection *c, const char *status, const char *json)
{
    const char *format = "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s";
    c->filled = sprintf(c->output, format, status, strlen(json), json);
    flush(c);
}

static void reply_stats(Connection *c)
{
    char json[512];
    const char *format = "{\"live\":%ld,\"aborted\":%ld,\"last_abort_ns\":%lu,\"bytes\":%lu,\"events\":%lu}";
    sprintf(json, format, stats.live, stats.aborted, stats.last_abort_ns, stats.bytes, stats.events);
    reply(c, "200 OK", json);
}

static void set_script(Connection *c, const char *target)
{
    char name[16];
    int events;
    double rate;
    if (sscanf(target, "/script?pace=%15[a-z]&events=%d&rate=%lf", name, &events, &rate) == 3)
        for (Pace pace = 0; pace < PACES; pace++)
            if (!strcmp(name, PACE_NAMES[pace]) && events > 0 && rate > 0) {
                script = (Script){pace, events, NS_PER_SECOND / rate};
                reply(c, "200 OK", "{}");
                return;
            }
    reply(c, "400 Bad Request", "{\"error\":{\"message\":\"/script?pace=PACE&events=N&rate=R\"}}");
}

static void answer(Connection *c, const char *method, const char *target)
{
    if (!strcmp(method, "GET") && !strcmp(target, "/stats"))
        reply_stats(c);
    else if (!strcmp(method, "GET") && !strncmp(target, "/script", 7))
        set_script(c, target);
    else if (!strcmp(method, "GET") && !strcmp(target, "/v1/models"))
        reply(c, "200 OK", MODELS);
    else if (!strcmp(method, "POST") && !strcmp(target, chat.path))
        start_stream(c, &chat);
    else if (!strcmp(method, "POST") && !strcmp(target, completions.path))
        start_stream(c, &completions);
    else
        reply(c, "404 Not Found", "{\"error\":{\"message\":\"no such endpoint\"}}");
}

// Answer the request in `input` once all of it is there. A body needs a Content-Length and is ignored.
static void handle_request(Connection *c)
{
    c->input[c->received] = '\0';
    char *head_end = strstr(c->input, "\r\n\r\n");
    if (!head_end)
        return;
    *head_end = '\0';
    const char *length = strcasestr(c->input, "\r\ncontent-length:");
    size_t size = head_end + 4 - c->input + (length ? strtoul(length + 17, NULL, 10) : 0);
    char method[8] = "", target[256] = "";
    sscanf(c->input, "%7s %255s", method, target);
    *head_end = '\r';
    if (c->received < size)
        return;
    c->received -= size;
    memmove(c->input, c->input + size, c->received);
    answer(c, method, target);
}

static void receive(Connection *c)
{
    ssize_t count = recv(c->fd, c->input + c->received, INPUT_SIZE - c->received, 0);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {  // the client has closed, or its request is too large
        close_connection(c);
        return;
    }
    c->received += count;
    if (!c->is_streaming)
        handle_request(c);
}

// --- the loop -------------------------------------------------------------------------------------------

static int listen_on(int port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("upstream: listen");
        exit(1);
    }
    return listener;
}

static void accept_all(int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        stats.live++;
    }
}

static void handle(Connection *c, uint32_t events)
{
    if (!c->is_closed && events & (EPOLLERR | EPOLLHUP))
        close_connection(c);
    if (!c->is_closed && events & (EPOLLIN | EPOLLRDHUP))
        receive(c);
    if (!c->is_closed && events & EPOLLOUT)
        resume(c);
}

static void wait_for_events(int listener)
{
    struct epoll_event events[1024];
    struct timespec wait, *limit = NULL;
    if (timetable.after != &timetable) {
        uint64_t now = now_ns(), due = timetable.after->due, left = due > now ? due - now : 0;
        wait = (struct timespec){left / NS_PER_SECOND, left % NS_PER_SECOND};
        limit = &wait;
    }
    int count = epoll_pwait2(poller, events, 1024, limit, NULL);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr)
            handle(events[i].data.ptr, events[i].events);
        else
            accept_all(listener);
    }
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: upstream PORT\n");
        return 2;
    }
    prepare_frames();
    int listener = listen_on(atoi(arguments[1]));
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        wait_for_events(listener);
        uint64_t now = now_ns();
        for (int i = 0; i < EVENTS_PER_TURN && timetable.after->due && timetable.after->due <= now; i++) {
            send_due(timetable.after, now);
            now = now_ns();
        }
        while (closed_connections) {
            Connection *c = closed_connections;
            closed_connections = c->after;
            free(c);
        }
    }
}
