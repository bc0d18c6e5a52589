/* The C side of the comparison: reads lines `name argument`, does each once, answers with the nanoseconds that it
   took and what came out: how many listeners, whose the port is, which port is free. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <portkeeper.h>

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static pk_code run(const pk_keeper *keeper, const char *name, const char *argument, pk_error **error)
{
    pk_request_options leased = PK_REQUEST_OPTIONS_INIT;
    leased.flags = PK_REQUEST_AUTO_RELEASE;
    pk_result *rows = NULL;
    pk_verdict verdict = PK_VERDICT_FREE;
    uint16_t port = 0;
    pk_code code = PK_INVALID_INPUT;
    int64_t begin = now();
    if (strcmp(name, "portkeeper.scan") == 0)
        code = pk_keeper_scan(keeper, &rows, error);
    else if (strcmp(name, "portkeeper.listeners") == 0)
        code = pk_keeper_listeners(keeper, &rows, error);
    else if (strcmp(name, "portkeeper.check") == 0)
        code = pk_keeper_check(keeper, atoi(argument), &verdict, &rows, error);
    else if (strcmp(name, "portkeeper.request") == 0)
        code = pk_keeper_request(keeper, "bench", &leased, &port, error);
    else if (strcmp(name, "portkeeper.claim") == 0)
        code = pk_keeper_request(keeper, "bench", NULL, &port, error);
    int64_t time = now() - begin;
    int64_t answer = port;
    if (verdict == PK_VERDICT_LISTENING)
        answer = pk_result_int(rows, 0, "listeners.0.processes.0.pid");
    else if (strcmp(name, "portkeeper.scan") == 0)
        answer = (int64_t)pk_result_length(rows, 0, "listeners");
    else if (rows)
        answer = (int64_t)pk_result_count(rows);
    pk_result_free(rows);
    if (code == PK_OK)
        printf("%" PRId64 " %" PRId64 "\n", time, answer);
    return code;
}

int main(void)
{
    pk_keeper *keeper = NULL;
    pk_error *error = NULL;
    pk_code code = pk_keeper_open(NULL, NULL, &keeper, &error);
    char line[256];
    while (code == PK_OK && fgets(line, sizeof line, stdin)) {
        char *name = strtok(line, " \n");
        char *argument = strtok(NULL, " \n");
        code = run(keeper, name, argument ? argument : "", &error);
        fflush(stdout);
    }
    if (code != PK_OK)
        fprintf(stderr, "%s\n", error ? pk_error_message(error) : "unknown request");
    pk_error_free(error);
    pk_keeper_free(keeper);
    return code != PK_OK;
}
