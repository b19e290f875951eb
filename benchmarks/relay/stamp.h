// What upstream.c writes into the text of every delta and load.c looks for: ~<time>.<number>~, where time
// is CLOCK_MONOTONIC in nanoseconds (its last 16 digits) and number counts the stream's deltas from 0.

#ifndef STAMP_H
#define STAMP_H

#include <stdint.h>
#include <time.h>

#define STAMP "~0000000000000000.0000000~"

enum {
    TIME_DIGITS = 16,
    NUMBER_DIGITS = 7,
    TIME_AT = 1,
    NUMBER_AT = TIME_AT + TIME_DIGITS + 1,
    STAMP_LENGTH = sizeof STAMP - 1,
};

static const uint64_t TIME_RANGE = 10000000000000000ull;
static const uint64_t NS_PER_SECOND = 1000000000ull;

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

#endif
