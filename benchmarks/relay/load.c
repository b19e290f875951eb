// Opens streams, reads them, checks that every delta arrives in order and END, such as [DONE], after the last.
//
//     load -p PORT [-c STREAMS] [-r REQUESTS] [-n EVENTS] [-w SKIP] [-i MICROSECONDS] [-t SECONDS] [-e END] [-R] < REQUEST
//
//     -c  streams at once                   -w  first deltas of a stream whose latency does not count
//     -r  requests of each, in turn         -i  time between two streams' first requests
//     -n  deltas that each answer has       -t  limit for everything
//     -R  an API that repeats deltas later, in longer texts
//
// REQUEST is a complete HTTP request; each is sent on a new connection. Prints one line of JSON. Latency is the
// time from the stamp that upstream.c wrote into a delta until its arrival here. One thread, epoll.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stamp.h"

enum {
    READ_SIZE = 65536,
    HEAD_SIZE = 4096,
    TAIL_SIZE = STAMP_LENGTH,  // what a read may have cut is shorter
};

// --- options and results --------------------------------------------------------------------------------

static int port, streams = 1, requests = 1, events = 1000, skipped = 0;
static double interval_us = 0, limit = 60;
static char request[READ_SIZE];
static size_t request_length, done_length;
static const char *done = "[DONE]";
static bool may_repeat = false;

typedef struct {
    float *values;
    size_t count, room;
} Samples;

static Samples first_byte_ms, latency_us;
static long completed, errors, arrived, open_streams, started_streams;
static uint64_t first_data, last_data;
static char first_error[256];

static void add_sample(Samples *samples, double value)
{
    if (samples->count == samples->room) {
        samples->room = samples->room ? 2 * samples->room : 65536;
        samples->values = realloc(samples->values, samples->room * sizeof *samples->values);
    }
    samples->values[samples->count++] = value;
}

static int compare(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

// A sample's value below which the share lies; the samples are sorted. 0 if there are none.
static double percentile(const Samples *samples, double share)
{
    return samples->count ? samples->values[(size_t)(share * (samples->count - 1) + 0.5)] : 0;
}

// --- streams --------------------------------------------------------------------------------------------

typedef enum { HEAD, CHUNK_SIZE, CHUNK, CHUNK_END, BODY_END } State;

typedef struct {
    int fd;
    int requests_left;
    uint64_t opened;
    State state;
    char head[HEAD_SIZE + 1];
    size_t head_length;
    size_t chunk_left;      // bytes of the HTTP chunk that are still to come
    char tail[TAIL_SIZE];   // the end of the text so far, which may be the beginning of a stamp
    size_t tail_length;
    int next;               // number of the next delta
    bool has_begun, is_done;
} Stream;

static int poller;

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

// Connect and send the request. On the loopback interface neither waits for the server.
static void open_stream(Stream *s)
{
    int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *s = (Stream){.requests_left = s->requests_left - 1, .opened = now_ns()};
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&address, sizeof address))
        die("connect");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (send(s->fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
        die("send");
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event);
    open_streams++;
}

static void close_stream(Stream *s)
{
    close(s->fd);
    s->fd = -1;
    open_streams--;
    if (s->requests_left)
        open_stream(s);
}

static void fail(Stream *s, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    if (!errors++)
        vsnprintf(first_error, sizeof first_error, format, values);
    va_end(values);
    close_stream(s);
}

static uint64_t read_digits(const char *at, int digits)
{
    uint64_t value = 0;
    while (digits--)
        value = 10 * value + (*at++ - '0');
    return value;
}

static bool is_stamp(const char *at)
{
    return at[NUMBER_AT - 1] == '.' && at[STAMP_LENGTH - 1] == '~';
}

// Count the deltas in the text. False if one is missing or out of order.
static bool count_deltas(Stream *s, const char *text, size_t length, uint64_t now)
{
    const char *end = text + length, *at = text, *mark;
    while ((mark = memchr(at, '~', end - at)) && end - mark >= STAMP_LENGTH) {
        at = mark + 1;
        if (!is_stamp(mark))
            continue;
        uint64_t number = read_digits(mark + NUMBER_AT, NUMBER_DIGITS);
        if (may_repeat && number < (uint64_t)s->next)
            continue;
        if (number != (uint64_t)s->next)
            return false;
        uint64_t sent = read_digits(mark + TIME_AT, TIME_DIGITS);
        if (s->next++ >= skipped)
            add_sample(&latency_us, (now % TIME_RANGE - sent) / 1e3);
        arrived++;
        at = mark + STAMP_LENGTH;
    }
    if (s->next == events && memmem(text, length, done, done_length))
        s->is_done = true;
    // What may be the beginning of a stamp, or of END, is read again with what follows.
    size_t left = end - at;
    const char *kept = mark ? mark : end - (left < done_length ? left : done_length - 1);
    s->tail_length = end - kept;
    memcpy(s->tail, kept, s->tail_length);
    return true;
}

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    character |= 0x20;
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

// Copy the chunks' contents to `text`; their length.
static size_t decode_chunks(Stream *s, const char *data, size_t length, char *text)
{
    const char *end = data + length;
    char *out = text;
    while (data < end && s->state != BODY_END) {
        if (s->state == CHUNK) {
            size_t left = end - data, count = left < s->chunk_left ? left : s->chunk_left;
            memcpy(out, data, count);
            out += count;
            data += count;
            s->chunk_left -= count;
            if (!s->chunk_left)
                s->state = CHUNK_END;
            continue;
        }
        char character = *data++;
        int digit = hex_digit(character);
        if (s->state == CHUNK_SIZE && digit >= 0)
            s->chunk_left = 16 * s->chunk_left + digit;
        else if (s->state == CHUNK_SIZE && character == '\n')
            s->state = s->chunk_left ? CHUNK : BODY_END;
        else if (s->state == CHUNK_END && character == '\n')
            s->state = CHUNK_SIZE;
    }
    return out - text;
}

// Read the head. The number of bytes that belong to it, or -1 if the stream has failed.
static ssize_t read_head(Stream *s, const char *data, size_t length)
{
    size_t before = s->head_length, room = HEAD_SIZE - before, count = length < room ? length : room;
    memcpy(s->head + before, data, count);
    s->head_length += count;
    s->head[s->head_length] = '\0';
    const char *end = strstr(s->head, "\r\n\r\n");
    if (!end && s->head_length < HEAD_SIZE)
        return count;
    bool is_ok = !strncmp(s->head, "HTTP/1.1 200", 12);
    if (!end || !is_ok || !strcasestr(s->head, "\r\ntransfer-encoding: chunked")) {
        fail(s, "not a stream: %.200s", s->head);
        return -1;
    }
    s->state = CHUNK_SIZE;
    return end + 4 - s->head - before;
}

static void receive(Stream *s)
{
    static char data[READ_SIZE], text[TAIL_SIZE + READ_SIZE];
    ssize_t length = recv(s->fd, data, sizeof data, 0), head = 0;
    uint64_t now = now_ns();
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0) {
        fail(s, "%s after %d deltas", length ? strerror(errno) : "closed", s->next);
        return;
    }
    if (!first_data)
        first_data = now;
    last_data = now;
    if (s->state == HEAD && (head = read_head(s, data, length)) < 0)
        return;
    memcpy(text, s->tail, s->tail_length);
    size_t decoded = decode_chunks(s, data + head, length - head, text + s->tail_length);
    if (decoded && !s->has_begun) {
        s->has_begun = true;
        add_sample(&first_byte_ms, (now - s->opened) / 1e6);
    }
    if (!count_deltas(s, text, s->tail_length + decoded, now)) {
        fail(s, "another delta than number %d", s->next);
    } else if (s->state == BODY_END && s->is_done) {
        completed++;
        close_stream(s);
    } else if (s->state == BODY_END) {
        if (s->next == events)
            fail(s, "ended after %d of %d deltas, without %s", s->next, events, done);
        else
            fail(s, "ended after %d of %d deltas", s->next, events);
    }
}

// --- the loop -------------------------------------------------------------------------------------------

static void read_options(int count, char **arguments)
{
    int option;
    while ((option = getopt(count, arguments, "p:c:r:n:w:i:t:e:R")) > 0)
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'c': streams = atoi(optarg); break;
        case 'r': requests = atoi(optarg); break;
        case 'n': events = atoi(optarg); break;
        case 'w': skipped = atoi(optarg); break;
        case 'i': interval_us = atof(optarg); break;
        case 't': limit = atof(optarg); break;
        case 'e': done = optarg; break;
        case 'R': may_repeat = true; break;
        default: exit(2);
        }
    done_length = strlen(done);
    request_length = fread(request, 1, sizeof request, stdin);
}

static void run_streams(void)
{
    Stream *all = calloc(streams, sizeof *all);
    struct epoll_event ready[1024];
    uint64_t started = now_ns(), next_start = started;
    while (now_ns() - started < limit * NS_PER_SECOND && (started_streams < streams || open_streams)) {
        while (started_streams < streams && now_ns() >= next_start) {
            all[started_streams].requests_left = requests;
            open_stream(&all[started_streams++]);
            next_start += interval_us * 1e3;
        }
        int count = epoll_wait(poller, ready, 1024, started_streams < streams ? 1 : 50);
        for (int i = 0; i < count; i++)
            receive(ready[i].data.ptr);
    }
    free(all);
}

static void print_results(void)
{
    double seconds = (last_data - first_data) / (double)NS_PER_SECOND;
    for (char *at = first_error; *at; at++)
        if (*at < ' ' || *at == '"' || *at == '\\')
            *at = ' ';
    qsort(latency_us.values, latency_us.count, sizeof(float), compare);
    qsort(first_byte_ms.values, first_byte_ms.count, sizeof(float), compare);
    long unfinished = (long)streams * requests - completed - errors;
    printf("{\"completed\":%ld,\"errors\":%ld,\"unfinished\":%ld,\"events\":%ld,\"seconds\":%.4f,"
           "\"first_byte_p50_ms\":%.3f,\"first_byte_p99_ms\":%.3f,"
           "\"latency_p50_us\":%.1f,\"latency_p99_us\":%.1f,\"latency_max_us\":%.1f,"
           "\"first_error\":\"%s\"}\n",
           completed, errors, unfinished, arrived, seconds, percentile(&first_byte_ms, 0.5),
           percentile(&first_byte_ms, 0.99), percentile(&latency_us, 0.5), percentile(&latency_us, 0.99),
           percentile(&latency_us, 1), first_error);
}

int main(int count, char **arguments)
{
    read_options(count, arguments);
    poller = epoll_create1(0);
    run_streams();
    print_results();
}
