/* A panic within the border, and every kind of error across it. */
#include "hooks.h"
#include "check.h"

#include <pthread.h>

static void panics(void)
{
    pk_error *error = NULL;
    REFUSED(PK_INTERNAL, pk_test_panic(&error));
    SAME(pk_error_message(error), "internal error: a panic: injected");
    EXPECT(pk_error_port(error) == 0 && pk_error_pid(error) == 0 && pk_error_project(error) == NULL);
    pk_error_free(error);
    EXPECT(pk_test_panic(NULL) == PK_INTERNAL);
    EXPECT(pk_test_panic_answer(-7) == -7);
}

static void *panics_in_a_thread(void *unused)
{
    panics();
    return unused;
}

int main(void)
{
    pk_keeper *keeper = NULL;
    pk_error *error = NULL;
    pk_result *rows = NULL;
    pthread_t thread;
    pk_open_options options = PK_OPEN_OPTIONS_INIT;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;

    panics();
    EXPECT(pthread_create(&thread, NULL, panics_in_a_thread, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);

    /* The library works on after it. */
    options.flags = PK_OPEN_IN_MEMORY;
    OK(pk_keeper_open(NULL, &options, &keeper, &error));
    OK(pk_keeper_list(keeper, NULL, &rows, &error));
    pk_result_free(rows);

    /* And so does a keeper in whose operation it was, which is undone. */
    REFUSED(PK_INTERNAL, pk_test_panic_in_import(keeper, &error));
    SAME(pk_error_message(error), "internal error: a panic: injected");
    pk_error_free(error);
    OK(pk_keeper_get(keeper, 23998, &rows, &error));
    EXPECT(pk_result_count(rows) == 0);
    pk_result_free(rows);
    claim.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 23998, "blog", &claim, NULL, &error));
    pk_keeper_free(keeper);

    for (pk_code code = PK_PORT_INVALID; code <= PK_CANCELLED; code++)
        FAILS(code, pk_test_fail(code, &error));
    OK(pk_test_fail(PK_OK, &error));
    OK(pk_test_fail(PK_CANCELLED + 1, &error));
    printf("hooks passed\n");
    return 0;
}
