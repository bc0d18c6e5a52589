/* What callers get wrong, as far as it can be caught. Freeing twice, and using what was freed, cannot. */
#include "check.h"

#include <stdint.h>

static int32_t go_on(void *data, const char *operation, uint64_t done, uint64_t total)
{
    (void)data, (void)operation, (void)done, (void)total;
    return 0;
}

static int32_t take(void *data, const char *bytes, size_t length)
{
    (void)data, (void)bytes, (void)length;
    return 0;
}

static int32_t never(void *data)
{
    (void)data;
    return 0;
}

/* A handle, an output or an input that is NULL; outputs stay as they were. */
static void nulls(const pk_keeper *keeper, const pk_lease *lease)
{
    pk_error *error = NULL;
    pk_result *none = (pk_result *)0x1, *result = none;
    pk_keeper *other = NULL;
    pk_lease *leased = NULL;
    pk_hold *hold = NULL;
    pk_bound *bound = NULL;
    pk_verdict verdict = -7;
    uint16_t port = 7;
    int32_t taken = -7;
    const int64_t ports[] = { 24000 };

    REFUSED(PK_INVALID_INPUT, pk_keeper_check(NULL, 24000, &verdict, &result, &error));
    SAME(pk_error_message(error), "argument \"keeper\" is NULL");
    EXPECT(pk_error_port(error) == 0 && pk_error_pid(error) == 0 && pk_error_next_free(error) == 0);
    EXPECT(pk_error_project(error) == NULL);
    pk_error_free(error);

    INVALID(pk_keeper_open(NULL, NULL, NULL, &error));
    INVALID(pk_keeper_interruptible(NULL, never, NULL, &other, &error));
    INVALID(pk_keeper_interruptible(keeper, NULL, NULL, &other, &error));
    INVALID(pk_keeper_interruptible(keeper, never, NULL, NULL, &error));
    INVALID(pk_keeper_check(keeper, 24000, NULL, &result, &error));
    INVALID(pk_keeper_get(NULL, 24000, &result, &error));
    INVALID(pk_keeper_get(keeper, 24000, NULL, &error));
    INVALID(pk_keeper_next_free(NULL, 24000, &port, &error));
    INVALID(pk_keeper_next_free(keeper, 24000, NULL, &error));
    INVALID(pk_keeper_reserve(NULL, 24000, "shop", NULL, &result, &error));
    INVALID(pk_keeper_reserve(keeper, 24000, NULL, NULL, &result, &error));
    INVALID(pk_keeper_release(NULL, 24000, NULL, &result, &error));
    INVALID(pk_keeper_release_ports(NULL, ports, 1, NULL, &result, &error));
    INVALID(pk_keeper_release_ports(keeper, NULL, 1, NULL, &result, &error));
    INVALID(pk_keeper_release_ports(keeper, NULL, 0, NULL, &result, &error));
    INVALID(pk_keeper_release_ports(keeper, ports, SIZE_MAX, NULL, &result, &error));
    INVALID(pk_keeper_release_project(NULL, "shop", &result, &error));
    INVALID(pk_keeper_release_project(keeper, NULL, &result, &error));
    INVALID(pk_keeper_request(NULL, "shop", NULL, &port, &error));
    INVALID(pk_keeper_request(keeper, NULL, NULL, &port, &error));
    INVALID(pk_keeper_request(keeper, "shop", NULL, NULL, &error));
    INVALID(pk_keeper_request_many(NULL, "shop", NULL, 1, &port, &result, &error));
    INVALID(pk_keeper_request_many(keeper, NULL, NULL, 1, &port, &result, &error));
    INVALID(pk_keeper_request_many(keeper, "shop", NULL, 1, NULL, &result, &error));
    INVALID(pk_keeper_request_many(keeper, "shop", NULL, 0, &port, &result, &error));
    INVALID(pk_keeper_lease(NULL, "shop", NULL, &leased, &error));
    INVALID(pk_keeper_lease(keeper, NULL, NULL, &leased, &error));
    INVALID(pk_keeper_lease(keeper, "shop", NULL, NULL, &error));
    INVALID(pk_keeper_bind(NULL, "shop", NULL, &bound, &error));
    INVALID(pk_keeper_bind(keeper, NULL, NULL, &bound, &error));
    INVALID(pk_keeper_bind(keeper, "shop", NULL, NULL, &error));
    INVALID(pk_keeper_hold(NULL, 24000, &hold, &error));
    INVALID(pk_keeper_hold(keeper, 24000, NULL, &error));
    INVALID(pk_keeper_wait_ready(NULL, 24000, 0, 0, &result, &error));
    INVALID(pk_keeper_wait_ready(keeper, 24000, -1, 0, &result, &error));
    INVALID(pk_keeper_wait_ready_lease(NULL, lease, 0, 0, &result, &error));
    INVALID(pk_keeper_wait_ready_lease(keeper, NULL, 0, 0, &result, &error));
    INVALID(pk_keeper_wait_ready_lease(keeper, lease, INT64_MAX, 0, &result, &error));
    INVALID(pk_keeper_kill(NULL, 24000, 0, &result, &error));
    INVALID(pk_keeper_list(NULL, NULL, &result, &error));
    INVALID(pk_keeper_list(keeper, NULL, NULL, &error));
    INVALID(pk_keeper_history(NULL, 24000, NULL, &result, &error));
    INVALID(pk_keeper_history(keeper, 24000, NULL, NULL, &error));
    INVALID(pk_keeper_holder_at(NULL, 24000, "2100-01-01T00:00:00Z", &result, &error));
    INVALID(pk_keeper_holder_at(keeper, 24000, NULL, &result, &error));
    INVALID(pk_keeper_holder_at(keeper, 24000, "yesterday", &result, &error));
    INVALID(pk_keeper_holder_at(keeper, 24000, "2100-01-01T00:00:00Z", NULL, &error));
    INVALID(pk_keeper_stale(NULL, 0, &result, &error));
    INVALID(pk_keeper_stale(keeper, 0, NULL, &error));
    INVALID(pk_keeper_summary(NULL, &result, &error));
    INVALID(pk_keeper_summary(keeper, NULL, &error));
    INVALID(pk_keeper_projects(NULL, &result, &error));
    INVALID(pk_keeper_projects(keeper, NULL, &error));
    INVALID(pk_keeper_listeners(NULL, &result, &error));
    INVALID(pk_keeper_listeners(keeper, NULL, &error));
    INVALID(pk_keeper_scan(NULL, &result, &error));
    INVALID(pk_keeper_export(NULL, NULL, &result, &error));
    INVALID(pk_keeper_export(keeper, NULL, NULL, &error));
    INVALID(pk_keeper_import_json(NULL, "{}", NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_import_json(keeper, NULL, NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_import_configuration(NULL, 1, NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_import_predecessor(NULL, "/nowhere", NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_import_predecessor(keeper, NULL, NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_configurations(NULL, &result, &error));
    INVALID(pk_keeper_configurations(keeper, NULL, &error));
    INVALID(pk_keeper_configuration(NULL, 1, &result, &error));
    INVALID(pk_keeper_configuration(keeper, 1, NULL, &error));
    INVALID(pk_keeper_remove_configuration(NULL, 1, &error));
    INVALID(pk_keeper_backup(NULL, "/nowhere/b.db", go_on, NULL, &result, &error));
    INVALID(pk_keeper_backup(keeper, NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_restore(NULL, "/nowhere/b.db", go_on, NULL, &result, &error));
    INVALID(pk_keeper_restore(keeper, NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_dump(NULL, take, NULL, go_on, NULL, &error));
    INVALID(pk_keeper_dump(keeper, NULL, NULL, go_on, NULL, &error));
    INVALID(pk_keeper_prune(NULL, 0, 0, go_on, NULL, &result, &error));
    INVALID(pk_keeper_compact(NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_verify(NULL, go_on, NULL, &result, &error));
    INVALID(pk_keeper_verify(keeper, go_on, NULL, NULL, &error));
    INVALID(pk_keeper_stats(NULL, &result, &error));
    INVALID(pk_keeper_stats(keeper, NULL, &error));
    INVALID(pk_project_detect(NULL, &result, &error));
    INVALID(pk_project_detect("/", NULL, &error));
    INVALID(pk_lease_reservations(NULL, &result, &error));
    INVALID(pk_lease_reservations(lease, NULL, &error));
    INVALID(pk_lease_release(NULL, &error));
    INVALID(pk_lease_set_role(NULL, pk_lease_port(lease, 0), "web", &error));
    INVALID(pk_lease_set_role(lease, pk_lease_port(lease, 0), "caf\xe9", &error));
    INVALID(pk_hold_lend(NULL, &error));
    INVALID(pk_hold_take_back(NULL, &taken, &error));
    OK(pk_keeper_hold(keeper, pk_lease_port(lease, 0), &hold, &error));
    INVALID(pk_hold_take_back(hold, NULL, &error));
    pk_hold_free(hold);
    hold = NULL;
    EXPECT(taken == -7);

    EXPECT(result == none && other == NULL && leased == NULL && hold == NULL && bound == NULL);
    EXPECT(verdict == -7 && port == 7);

    /* Nobody has to take the error. */
    EXPECT(pk_keeper_get(NULL, 24000, &result, NULL) == PK_INVALID_INPUT);

    SAME(pk_keeper_path(NULL), "");
    EXPECT(pk_error_code(NULL) == PK_OK && pk_error_port(NULL) == 0 && pk_error_pid(NULL) == 0);
    EXPECT(pk_error_project(NULL) == NULL && pk_error_next_free(NULL) == 0);
    SAME(pk_error_name(NULL), "OK");
    SAME(pk_error_message(NULL), "");
    EXPECT(pk_result_count(NULL) == 0 && pk_result_is_null(NULL, 0, "x") && pk_result_int(NULL, 0, "x") == 0);
    EXPECT(pk_result_text(NULL, 0, "x") == NULL && pk_result_length(NULL, 0, "x") == 0);
    EXPECT(pk_result_name(NULL, 0, NULL, 0) == NULL);
    SAME(pk_result_json(NULL), "null");
    EXPECT(pk_lease_count(NULL) == 0 && pk_lease_port(NULL, 0) == 0 && pk_hold_port(NULL) == 0);
    EXPECT(pk_bound_port(NULL) == 0 && pk_bound_fd(NULL) == -1 && pk_bound_take_fd(NULL) == -1);
    EXPECT(pk_bound_lease(NULL) == NULL);
    pk_keeper_free(NULL);
    pk_error_free(NULL);
    pk_result_free(NULL);
    pk_lease_free(NULL);
    pk_hold_free(NULL);
    pk_bound_free(NULL);

    OK(pk_lease_reservations(lease, &result, &error));
    EXPECT(pk_result_is_null(result, 0, NULL) && pk_result_text(result, 0, NULL) == NULL);
    EXPECT(pk_result_int(result, 0, NULL) == 0 && pk_result_length(result, 0, NULL) == 0);
    EXPECT(pk_result_is_null(result, 0, "\xff"));
    pk_result_free(result);
}

/* Each text that is not UTF-8. */
static void broken_texts(const pk_keeper *keeper)
{
    const char *bad = "caf\xe9";
    const char *bads[] = { "fine", "caf\xe9" }, *holes[] = { "fine", NULL };
    const int64_t ports[] = { 24000 };
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_keeper *other = NULL;
    pk_lease *leased = NULL;
    pk_bound *bound = NULL;
    uint16_t port = 7;
    pk_open_options open = PK_OPEN_OPTIONS_INIT;
    pk_reserve_options reserve = PK_RESERVE_OPTIONS_INIT;
    pk_request_options request = PK_REQUEST_OPTIONS_INIT;
    pk_list_options list = PK_LIST_OPTIONS_INIT;
    pk_history_options history = PK_HISTORY_OPTIONS_INIT;
    pk_export_options export = PK_EXPORT_OPTIONS_INIT;
    pk_import_options import = PK_IMPORT_OPTIONS_INIT;

#define BROKEN(options, field, call)  \
    do {                              \
        (options).field = bad;        \
        INVALID(call);                \
        (options).field = NULL;       \
    } while (0)
#define BROKEN_LIST(options, field, call)  \
    do {                                   \
        (options).field = bads;            \
        (options).field##_count = 2;       \
        INVALID(call);                     \
        (options).field = holes;           \
        INVALID(call);                     \
        (options).field = NULL;            \
        INVALID(call);                     \
        (options).field##_count = 0;       \
    } while (0)

    REFUSED(PK_INVALID_INPUT, pk_keeper_reserve(keeper, 24000, bad, NULL, NULL, &error));
    SAME(pk_error_message(error), "project \"caf\xef\xbf\xbd\" is not UTF-8");
    pk_error_free(error);

    INVALID(pk_keeper_open(bad, NULL, &other, &error));
    BROKEN(open, actor, pk_keeper_open("x.db", &open, &other, &error));
    BROKEN(open, durability, pk_keeper_open("x.db", &open, &other, &error));
    BROKEN(reserve, description, pk_keeper_reserve(keeper, 24000, "shop", &reserve, NULL, &error));
    BROKEN(reserve, metadata, pk_keeper_reserve(keeper, 24000, "shop", &reserve, NULL, &error));
    BROKEN_LIST(reserve, tags, pk_keeper_reserve(keeper, 24000, "shop", &reserve, NULL, &error));
    INVALID(pk_keeper_release(keeper, 24000, bad, NULL, &error));
    INVALID(pk_keeper_release_ports(keeper, ports, 1, bad, NULL, &error));
    INVALID(pk_keeper_release_project(keeper, bad, NULL, &error));
    INVALID(pk_keeper_request(keeper, bad, NULL, &port, &error));
    INVALID(pk_keeper_request_many(keeper, bad, NULL, 1, &port, NULL, &error));
    INVALID(pk_keeper_lease(keeper, bad, NULL, &leased, &error));
    INVALID(pk_keeper_bind(keeper, bad, NULL, &bound, &error));
    BROKEN(request, strategy, pk_keeper_request_many(keeper, "shop", &request, 1, &port, NULL, &error));
    BROKEN(request, description, pk_keeper_request(keeper, "shop", &request, &port, &error));
    BROKEN(request, address, pk_keeper_bind(keeper, "shop", &request, &bound, &error));
    BROKEN_LIST(request, tags, pk_keeper_lease(keeper, "shop", &request, &leased, &error));
    BROKEN_LIST(request, roles, pk_keeper_request_many(keeper, "shop", &request, 2, &port, NULL, &error));
    request.avoid_count = 1;
    INVALID(pk_keeper_request(keeper, "shop", &request, &port, &error));
    request.avoid_count = 0;
    /* Of nothing there is nothing to read, wherever it is. */
    request.roles = request.tags = reserve.tags = (const char *const *)1;
    request.avoid = (const int64_t *)1;
    INVALID(pk_keeper_request(keeper, bad, &request, &port, &error));
    FAILS(PK_PORT_INVALID, pk_keeper_reserve(keeper, 0, "shop", &reserve, NULL, &error));
    OK(pk_keeper_release_ports(keeper, (const int64_t *)1, 0, NULL, NULL, &error));
    request.roles = request.tags = reserve.tags = NULL;
    request.avoid = NULL;
    request.address = "localhost";
    INVALID(pk_keeper_bind(keeper, "shop", &request, &bound, &error));
    request.address = NULL;
    BROKEN(list, status, pk_keeper_list(keeper, &list, &result, &error));
    BROKEN(list, project, pk_keeper_list(keeper, &list, &result, &error));
    BROKEN(list, tag, pk_keeper_list(keeper, &list, &result, &error));
    BROKEN(history, project, pk_keeper_history(keeper, 24000, &history, &result, &error));
    BROKEN(history, action, pk_keeper_history(keeper, 24000, &history, &result, &error));
    BROKEN(history, since, pk_keeper_history(keeper, 24000, &history, &result, &error));
    BROKEN(history, until, pk_keeper_history(keeper, 24000, &history, &result, &error));
    BROKEN(history, before_time, pk_keeper_history(keeper, 24000, &history, &result, &error));
    INVALID(pk_keeper_holder_at(keeper, 24000, bad, &result, &error));
    BROKEN(export, project, pk_keeper_export(keeper, &export, &result, &error));
    BROKEN(export, name, pk_keeper_export(keeper, &export, &result, &error));
    INVALID(pk_keeper_import_json(keeper, bad, NULL, NULL, NULL, NULL, &error));
    INVALID(pk_keeper_import_predecessor(keeper, bad, NULL, NULL, NULL, NULL, &error));
    BROKEN(import, mode, pk_keeper_import_json(keeper, "{}", &import, NULL, NULL, NULL, &error));
    BROKEN(import, project, pk_keeper_import_json(keeper, "{}", &import, NULL, NULL, NULL, &error));
    BROKEN(import, name, pk_keeper_import_configuration(keeper, 1, &import, NULL, NULL, NULL, &error));
    INVALID(pk_keeper_backup(keeper, bad, NULL, NULL, NULL, &error));
    INVALID(pk_keeper_restore(keeper, bad, NULL, NULL, NULL, &error));
    INVALID(pk_project_detect(bad, &result, &error));
    EXPECT(other == NULL && leased == NULL && bound == NULL && result == NULL && port == 7);
}

void test_misuse(void)
{
    pk_keeper *keeper = new_keeper("misuse.db");
    pk_error *error = NULL;
    pk_lease *lease = NULL;
    pk_request_options options = random_ports();
    pk_result *result = NULL;

    OK(pk_keeper_lease(keeper, "misuse", &options, &lease, &error));
    nulls(keeper, lease);
    broken_texts(keeper);
    pk_lease_free(lease);
    OK(pk_keeper_list(keeper, NULL, &result, &error));
    EXPECT(pk_result_count(result) == 0);
    pk_result_free(result);
    pk_keeper_free(keeper);
}
