// The worker in C; the protocol is in program.rs.
#include <inttypes.h>
#include <portkeeper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pk_keeper *keeper;
static pk_lease *leases[65536];

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Obeys, and writes what is to be told into `value`.
static pk_code obey(char **words, char *value, size_t room, pk_error **error)
{
    pk_request_options options = PK_REQUEST_OPTIONS_INIT;
    pk_code code;
    if (strcmp(words[0], "reserve") == 0) {
        pk_reserve_options reserve = PK_RESERVE_OPTIONS_INIT;
        reserve.description = words[3];
        reserve.flags = PK_RESERVE_ADOPT;
        return pk_keeper_reserve(keeper, atoi(words[1]), words[2], &reserve, NULL, error);
    }
    if (strcmp(words[0], "release") == 0)
        return pk_keeper_release(keeper, atoi(words[1]), words[2], NULL, error);
    if (strcmp(words[0], "drop") == 0)
        return pk_lease_release(leases[atoi(words[1])], error);
    if (strcmp(words[0], "get") == 0) {
        pk_result *row = NULL;
        code = pk_keeper_get(keeper, atoi(words[1]), &row, error);
        const char *status = pk_result_text(row, 0, "status");
        if (code == PK_OK && status != NULL && strcmp(status, "free") != 0)
            snprintf(value, room, "%s", pk_result_text(row, 0, "projectName"));
        pk_result_free(row);
        return code;
    }
    options.range_first = atoi(words[1]);
    options.range_last = atoi(words[2]);
    options.description = words[4];
    uint16_t port = 0;
    if (strcmp(words[0], "request") == 0) {
        code = pk_keeper_request(keeper, words[3], &options, &port, error);
    } else {
        pk_lease *lease = NULL;
        code = pk_keeper_lease(keeper, words[3], &options, &lease, error);
        port = pk_lease_port(lease, 0);
        leases[port] = lease;
    }
    if (code == PK_OK)
        snprintf(value, room, "%u", port);
    return code;
}

int main(int count, char **arguments)
{
    pk_open_options options = PK_OPEN_OPTIONS_INIT;
    pk_error *error = NULL;
    char line[512];
    if (count != 5)
        return 2;
    options.actor = arguments[2];
    options.durability = arguments[3];
    if (pk_keeper_open(arguments[1], &options, &keeper, &error) != PK_OK) {
        fprintf(stderr, "%s\n", pk_error_message(error));
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("> ready\n");
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *words[5] = { "", "", "", "", "" };
        char value[512] = "-";
        size_t word = 0;
        for (char *next = strtok(line, " \n"); next != NULL && word < 5; next = strtok(NULL, " \n"))
            words[word++] = next;
        int64_t begin = now();
        pk_code code = obey(words, value, sizeof value, &error);
        int64_t end = now();
        if (code != PK_OK && pk_error_project(error) != NULL)
            snprintf(value, sizeof value, "%s", pk_error_project(error));
        printf("> %" PRId64 " %" PRId64 " %s %s\n", begin, end, code == PK_OK ? "ok" : pk_error_name(error),
               value);
        pk_error_free(error);
        error = NULL;
    }
    return 0;
}
