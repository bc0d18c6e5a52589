/* Times pk_keeper_check() from here and Keeper::check() from Rust in turn; prints both medians in nanoseconds. */
#include "check.h"
#include "hooks.h"

#include <time.h>

enum { ROUNDS = 4001, CALLS = 10, PORT = 23456 };

static uint64_t ours[ROUNDS], theirs[ROUNDS];

static uint64_t now(void)
{
    struct timespec time;
    EXPECT(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t from_here(const pk_keeper *keeper)
{
    uint64_t start = now();
    for (int call = 0; call < CALLS; call++) {
        pk_error *error = NULL;
        pk_verdict verdict = -1;
        if (pk_keeper_check(keeper, PORT, &verdict, NULL, &error) != PK_OK || verdict != PK_VERDICT_FREE)
            exit(1);
    }
    return now() - start;
}

static int by_size(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

static double median(uint64_t *times)
{
    qsort(times, ROUNDS, sizeof *times, by_size);
    return (double)times[ROUNDS / 2] / CALLS;
}

int main(int count, char **arguments)
{
    pk_keeper *keeper = NULL;
    pk_error *error = NULL;
    EXPECT(count == 2);
    OK(pk_keeper_open(arguments[1], NULL, &keeper, &error));
    for (int round = 0; round < ROUNDS; round++) {
        /* Whoever comes first may find a cold cache. */
        if (round % 2 == 0) {
            ours[round] = from_here(keeper);
            theirs[round] = pk_test_time_checks(keeper, PORT, CALLS);
        } else {
            theirs[round] = pk_test_time_checks(keeper, PORT, CALLS);
            ours[round] = from_here(keeper);
        }
        EXPECT(theirs[round] != UINT64_MAX);
    }
    printf("%.1f %.1f\n", median(ours), median(theirs));
    pk_keeper_free(keeper);
    return 0;
}
