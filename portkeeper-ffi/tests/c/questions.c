/* What the registry and the machine answer, and how answers are read. */
#include "check.h"

#include <unistd.h>

void test_queries(void)
{
    pk_keeper *keeper = new_keeper("queries.db");
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    pk_list_options filter = PK_LIST_OPTIONS_INIT;
    pk_history_options query = PK_HISTORY_OPTIONS_INIT;
    const char *tags[] = { "front" };
    char *time;
    int64_t id;

    claim.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 22001, "blog", &claim, NULL, &error));
    claim.tags = tags;
    claim.tags_count = 1;
    OK(pk_keeper_reserve(keeper, 22000, "shop", &claim, NULL, &error));
    OK(pk_keeper_release(keeper, 22001, NULL, NULL, &error));

    OK(pk_keeper_list(keeper, NULL, &result, &error));
    EXPECT(pk_result_count(result) == 1 && pk_result_int(result, 0, "number") == 22000);
    EXPECT(pk_result_json(result)[0] == '[');
    pk_result_free(result);
    filter.status = "free";
    OK(pk_keeper_list(keeper, &filter, &result, &error));
    EXPECT(pk_result_count(result) == 1 && pk_result_int(result, 0, "number") == 22001);
    pk_result_free(result);
    filter.status = NULL;
    filter.project = "shop";
    filter.tag = "front";
    filter.range_first = 1;
    filter.range_last = 65535;
    OK(pk_keeper_list(keeper, &filter, &result, &error));
    EXPECT(pk_result_count(result) == 1);
    pk_result_free(result);

    OK(pk_keeper_history(keeper, PK_ALL_PORTS, NULL, &result, &error));
    EXPECT(pk_result_count(result) == 3);
    SAME(pk_result_text(result, 0, "action"), "released");
    SAME(pk_result_text(result, 0, "performedBy"), "c tests");
    SAME(pk_result_text(result, 0, "details.reason"), "requested");
    time = strdup(pk_result_text(result, 0, "performedAt"));
    id = pk_result_int(result, 0, "id");
    pk_result_free(result);
    query.before_time = time;
    query.before_id = id;
    query.limit = 1;
    OK(pk_keeper_history(keeper, PK_ALL_PORTS, &query, &result, &error));
    EXPECT(pk_result_count(result) == 1 && pk_result_int(result, 0, "id") == id - 1);
    pk_result_free(result);
    free(time);
    query.before_time = NULL;
    REFUSED(PK_INVALID_INPUT, pk_keeper_history(keeper, PK_ALL_PORTS, &query, &result, &error));
    EXPECT(strstr(pk_error_message(error), "is given without before_time") != NULL);
    pk_error_free(error);
    error = NULL;
    query.before_id = 0;
    query.limit = 0;
    query.action = "reserved";
    query.project = "blog";
    query.since = "2000-01-01T00:00:00Z";
    query.until = "2100-01-01T00:00:00+02:00";
    OK(pk_keeper_history(keeper, 22001, &query, &result, &error));
    EXPECT(pk_result_count(result) == 1);
    pk_result_free(result);

    OK(pk_keeper_holder_at(keeper, 22000, "2100-01-01T00:00:00Z", &result, &error));
    SAME(pk_result_text(result, 0, "projectName"), "shop");
    SAME(pk_result_text(result, 0, "entry.action"), "reserved");
    pk_result_free(result);
    OK(pk_keeper_holder_at(keeper, 22000, "2000-01-01T00:00:00Z", &result, &error));
    EXPECT(pk_result_count(result) == 0);
    pk_result_free(result);

    OK(pk_keeper_stale(keeper, UINT64_MAX, &result, &error));
    EXPECT(pk_result_count(result) == 0);
    pk_result_free(result);
    OK(pk_keeper_summary(keeper, &result, &error));
    EXPECT(pk_result_int(result, 0, "reserved_count") == 1 && pk_result_int(result, 0, "total_count") == 2);
    EXPECT(pk_result_json(result)[0] == '{');
    pk_result_free(result);
    OK(pk_keeper_projects(keeper, &result, &error));
    SAME(pk_result_text(result, 0, "projectName"), "shop");
    EXPECT(pk_result_int(result, 0, "ports.0") == 22000);
    pk_result_free(result);
    pk_keeper_free(keeper);
}

static int32_t stop_at_once(void *asked)
{
    *(int *)asked += 1;
    return 1;
}

void test_machine(void)
{
    pk_keeper *keeper = new_keeper("machine.db"), *impatient = NULL;
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_request_options options = random_ports();
    uint16_t port = 0;
    long stranger;
    int listener, control = -1, asked = 0;
    bool found = false;

    OK(pk_keeper_request(keeper, "shop", &options, &port, &error));
    FAILS(PK_TIMEOUT, pk_keeper_wait_ready(keeper, port, 0, 0, &result, &error));
    OK(pk_keeper_interruptible(keeper, stop_at_once, &asked, &impatient, &error));
    FAILS(PK_CANCELLED, pk_keeper_wait_ready(impatient, port, 0, 60000, NULL, &error));
    EXPECT(asked == 1);

    listener = listen_on(port);
    OK(pk_keeper_listeners(keeper, &result, &error));
    for (size_t row = 0; row < pk_result_count(result); row++)
        found = found || pk_result_int(result, row, "port") == port;
    EXPECT(found);
    pk_result_free(result);
    OK(pk_keeper_scan(keeper, &result, &error));
    SAME(pk_result_text(result, 0, "changes.0.to"), "in-use");
    EXPECT(pk_result_int(result, 0, "changes.0.process.pid") == getpid());
    pk_result_free(result);
    OK(pk_keeper_scan(keeper, NULL, &error));
    OK(pk_keeper_wait_ready(keeper, port, getpid(), 30000, &result, &error));
    EXPECT(pk_result_int(result, 0, "processes.0.pid") == getpid());
    pk_result_free(result);
    close_listener(listener);

    stranger = stranger_on(port, &control);
    REFUSED(PK_WRONG_LISTENER, pk_keeper_wait_ready(keeper, port, 0, 30000, NULL, &error));
    EXPECT(pk_error_port(error) == port && pk_error_pid(error) == stranger);
    pk_error_free(error);
    if (has_pidfds()) {
        OK(pk_keeper_kill(keeper, port, 30000, &result, &error));
        EXPECT(pk_result_int(result, 0, "killed.0.pid") == stranger);
        EXPECT(pk_result_int(result, 0, "killed.0.forced") == 0);
        SAME(pk_result_text(result, 0, "reservation.projectName"), "shop");
        pk_result_free(result);
        close(control);
    } else {
        FAILS(PK_UNSUPPORTED, pk_keeper_kill(keeper, port, 30000, &result, &error));
        close(control);
        /* It ends by itself; the port is free when nobody answers any more. */
        becomes(keeper, port, PK_VERDICT_RESERVED);
    }
    OK(pk_keeper_kill(keeper, port, PK_KILL_GRACE_MS, NULL, &error));
    pk_keeper_free(impatient);
    pk_keeper_free(keeper);
}

static void fields_of_metadata(const pk_result *result)
{
    size_t found = 0, count = pk_result_length(result, 0, "metadata");
    for (size_t field = 0; field < count; field++) {
        const char *name = pk_result_name(result, 0, "metadata", field);
        EXPECT(name != NULL);
        found += strcmp(name, "a.b") == 0 || strcmp(name, "a") == 0 || strcmp(name, "s") == 0;
    }
    EXPECT(found == 3 && pk_result_name(result, 0, "metadata", count) == NULL);
    SAME(pk_result_name(result, 0, "metadata.a", 0), "b.c");
}

void test_results(void)
{
    pk_keeper *keeper = new_keeper("results.db");
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    const char *first, *name;
    size_t fields = 0;

    EXPECT(pk_abi_version() == PK_ABI_VERSION);
    EXPECT(pk_abi_supports(PK_ABI_VERSION) && !pk_abi_supports(0) && !pk_abi_supports(PK_ABI_VERSION + 1));
    EXPECT(pk_version()[0] != '\0');
    SAME(pk_code_name(PK_OK), "OK");
    SAME(pk_code_name(PK_CANCELLED), "CANCELLED");
    SAME(pk_code_name(PK_CANCELLED + 1), "UNKNOWN");
    SAME(pk_code_name(-1), "UNKNOWN");

    claim.flags = PK_RESERVE_ADOPT;
    claim.metadata = "{\"a.b\": 1, \"a\": {\"b.c\": [1.75, true, null, \"12\", 18446744073709551615]}, \"s\": \"x\\u0000y\"}";
    OK(pk_keeper_reserve(keeper, 23600, "shop", &claim, &result, &error));
    EXPECT(pk_result_int(result, 0, "metadata.a.b") == 1);
    EXPECT(pk_result_int(result, 0, "metadata.a.b.c.0") == 1);
    SAME(pk_result_text(result, 0, "metadata.a.b.c.0"), "1.75");
    EXPECT(pk_result_int(result, 0, "metadata.a.b.c.1") == 1);
    EXPECT(pk_result_is_null(result, 0, "metadata.a.b.c.2") && pk_result_text(result, 0, "metadata.a.b.c.2") == NULL);
    EXPECT(pk_result_int(result, 0, "metadata.a.b.c.3") == 12);
    EXPECT(pk_result_int(result, 0, "metadata.a.b.c.4") == INT64_MAX);
    SAME(pk_result_text(result, 0, "metadata.a.b.c.4"), "18446744073709551615");
    EXPECT(pk_result_length(result, 0, "metadata.a.b.c") == 5 && pk_result_length(result, 0, "metadata") == 3);
    SAME(pk_result_text(result, 0, "metadata.s"), "x");
    EXPECT(strstr(pk_result_json(result), "x\\u0000y") != NULL);

    /* The same text is the same pointer; what does not exist is null. */
    first = pk_result_text(result, 0, "projectName");
    EXPECT(pk_result_text(result, 0, "status") != first && pk_result_text(result, 0, "projectName") == first);
    EXPECT(pk_result_is_null(result, 1, "number") && pk_result_is_null(result, 0, "nothing"));
    EXPECT(pk_result_is_null(result, 0, "tags.0") && pk_result_is_null(result, 0, "number.x"));
    EXPECT(pk_result_is_null(result, 0, "") && pk_result_is_null(result, 0, "."));
    EXPECT(pk_result_text(result, SIZE_MAX, "number") == NULL && pk_result_int(result, 7, "number") == 0);
    for (; (name = pk_result_name(result, 0, NULL, fields)) != NULL; fields++)
        EXPECT(name[0] != '\0' && pk_result_name(result, 0, NULL, fields) == name);
    SAME(pk_result_name(result, 0, "", 0), pk_result_name(result, 0, NULL, 0));
    /* A caller's own names, two of them with dots. */
    fields_of_metadata(result);
    EXPECT(pk_result_name(result, 0, "tags", 0) == NULL && pk_result_name(result, 0, "number", 0) == NULL);
    EXPECT(pk_result_name(result, 0, "\xff", 0) == NULL && pk_result_name(result, 1, "metadata", 0) == NULL);
    EXPECT(fields == 13 && pk_result_name(result, 1, NULL, 0) == NULL);
    pk_result_free(result);
    pk_keeper_free(keeper);
}
