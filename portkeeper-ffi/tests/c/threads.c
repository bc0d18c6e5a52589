/* Eight threads on one keeper: all operations that change something, at once. */
#include "check.h"

#include <pthread.h>
#include <unistd.h>

enum { THREADS = 8 };

static pk_keeper *shared;
static pk_result *shared_result;
static int rounds = 25;

static void *work(void *number)
{
    pk_error *error = NULL;
    char project[32];
    snprintf(project, sizeof project, "thread-%d", *(const int *)number);
    for (int round = 0; round < rounds; round++) {
        pk_request_options options = random_ports();
        pk_result *result = NULL;
        pk_lease *lease = NULL;
        pk_bound *bound = NULL;
        pk_hold *hold = NULL;
        pk_verdict verdict = -1;
        uint16_t ports[3] = { 0, 0, 0 };

        OK(pk_keeper_request_many(shared, project, &options, 3, ports, &result, &error));
        EXPECT(pk_result_int(result, 2, "number") == ports[2]);
        pk_result_free(result);
        OK(pk_keeper_check(shared, ports[0], &verdict, &result, &error));
        SAME(pk_result_text(result, 0, "project"), project);
        pk_result_free(result);
        REFUSED(PK_PORT_RESERVED, pk_keeper_reserve(shared, ports[1], "nobody", NULL, NULL, &error));
        SAME(pk_error_project(error), project);
        pk_error_free(error);
        OK(pk_keeper_hold(shared, ports[2], &hold, &error));
        pk_hold_free(hold);
        OK(pk_keeper_lease(shared, project, &options, &lease, &error));
        OK(pk_keeper_bind(shared, project, &options, &bound, &error));
        EXPECT(pk_lease_port(lease, 0) != pk_bound_port(bound));
        OK(pk_lease_release(lease, &error));
        pk_lease_free(lease);
        pk_bound_free(bound);
        if (round % 8 == 0) {
            OK(pk_keeper_scan(shared, NULL, &error));
            OK(pk_keeper_list(shared, NULL, &result, &error));
            EXPECT(pk_result_count(result) >= 3);
            pk_result_free(result);
        }
        /* The same result, read by all of them. */
        SAME(pk_result_text(shared_result, 0, "status"), "reserved");
        EXPECT(pk_result_int(shared_result, 0, "number") == 24500 && pk_result_json(shared_result)[0] == '[');
        OK(pk_keeper_release_project(shared, project, &result, &error));
        EXPECT(pk_result_count(result) == 3);
        pk_result_free(result);
    }
    return NULL;
}

void test_threads(void)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    const char *wanted = getenv("PORTKEEPER_C_ROUNDS");

    if (wanted != NULL)
        rounds = atoi(wanted);
    shared = new_keeper("threads.db");
    claim.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(shared, 24500, "shared", &claim, NULL, &error));
    OK(pk_keeper_list(shared, NULL, &shared_result, &error));
    for (int thread = 0; thread < THREADS; thread++) {
        numbers[thread] = thread;
        EXPECT(pthread_create(&threads[thread], NULL, work, &numbers[thread]) == 0);
    }
    for (int thread = 0; thread < THREADS; thread++)
        EXPECT(pthread_join(threads[thread], NULL) == 0);
    pk_result_free(shared_result);
    OK(pk_keeper_verify(shared, NULL, NULL, &result, &error));
    EXPECT(pk_result_count(result) == 0);
    pk_result_free(result);
    pk_keeper_free(shared);
}
