/* Every operation, and what it gives. */
#include "check.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void test_claims(void)
{
    pk_keeper *keeper = new_keeper("claims.db");
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_verdict verdict = -1;
    pk_reserve_options options = PK_RESERVE_OPTIONS_INIT;
    const char *tags[] = { "frontend", "dev" };
    const int64_t both[] = { 21002, 21003 };

    EXPECT(strstr(pk_keeper_path(keeper), "claims.db") != NULL);
    options.description = "React dev server";
    options.tags = tags;
    options.tags_count = 2;
    options.metadata = "{\"team\": {\"name\": \"alpha\"}}";
    options.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 21001, "my-app", &options, &result, &error));
    EXPECT(pk_result_count(result) == 1);
    EXPECT(pk_result_int(result, 0, "number") == 21001);
    SAME(pk_result_text(result, 0, "projectName"), "my-app");
    SAME(pk_result_text(result, 0, "status"), "reserved");
    SAME(pk_result_text(result, 0, "description"), "React dev server");
    SAME(pk_result_text(result, 0, "tags"), "[\"frontend\",\"dev\"]");
    EXPECT(pk_result_length(result, 0, "tags") == 2);
    SAME(pk_result_text(result, 0, "tags.1"), "dev");
    SAME(pk_result_text(result, 0, "metadata.team.name"), "alpha");
    EXPECT(pk_result_is_null(result, 0, "lease"));
    pk_result_free(result);

    /* What is left out stays, and an empty list removes. */
    OK(pk_keeper_reserve(keeper, 21001, "my-app", NULL, NULL, &error));
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.tags = tags;
    OK(pk_keeper_reserve(keeper, 21001, "my-app", &options, &result, &error));
    SAME(pk_result_text(result, 0, "description"), "React dev server");
    SAME(pk_result_text(result, 0, "tags"), "[]");
    pk_result_free(result);

    OK(pk_keeper_check(keeper, 21001, &verdict, &result, &error));
    EXPECT(verdict == PK_VERDICT_RESERVED);
    SAME(pk_result_text(result, 0, "verdict"), "reserved");
    SAME(pk_result_text(result, 0, "reservation.projectName"), "my-app");
    EXPECT(strncmp(pk_result_text(result, 0, "explanation"), "reserved for project \"my-app\" since 20", 38) == 0);
    pk_result_free(result);

    OK(pk_keeper_get(keeper, 21001, &result, &error));
    EXPECT(pk_result_count(result) == 1);
    pk_result_free(result);
    OK(pk_keeper_get(keeper, 21002, &result, &error));
    EXPECT(pk_result_count(result) == 0);
    SAME(pk_result_json(result), "null");
    pk_result_free(result);

    OK(pk_keeper_release(keeper, 21001, "my-app", &result, &error));
    SAME(pk_result_text(result, 0, "status"), "free");
    pk_result_free(result);
    OK(pk_keeper_check(keeper, 21001, &verdict, NULL, &error));
    EXPECT(verdict == PK_VERDICT_FREE);

    options.tags = NULL;
    options.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 21002, "my-app", &options, NULL, NULL));
    OK(pk_keeper_reserve(keeper, 21003, "my-app", &options, NULL, NULL));
    OK(pk_keeper_release_ports(keeper, both, 2, NULL, &result, &error));
    EXPECT(pk_result_count(result) == 2 && pk_result_int(result, 1, "number") == 21003);
    pk_result_free(result);
    OK(pk_keeper_release_ports(keeper, both, 0, NULL, NULL, &error));
    OK(pk_keeper_reserve(keeper, 21002, "my-app", &options, NULL, NULL));
    OK(pk_keeper_release_project(keeper, "my-app", NULL, &error));
    OK(pk_keeper_release_project(keeper, "my-app", &result, &error));
    EXPECT(pk_result_count(result) == 0);
    SAME(pk_result_json(result), "[]");
    pk_result_free(result);
    pk_keeper_free(keeper);
}

void test_requests(void)
{
    pk_keeper *keeper = new_keeper("requests.db");
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_request_options options = random_ports();
    const char *roles[] = { "web", "api" };
    const char *tags[] = { "x" };
    int64_t avoid[1];
    uint16_t port = 0, ports[3] = { 0, 0, 7 }, again[2] = { 0, 0 };

    OK(pk_keeper_request(keeper, "my-app", &options, &port, &error));
    EXPECT(port >= 20000 && port <= 29999);

    options.roles = roles;
    options.roles_count = 2;
    options.description = "dev";
    options.tags = tags;
    options.tags_count = 1;
    options.ttl_ms = 3600000;
    OK(pk_keeper_request_many(keeper, "my-app", &options, 2, ports, &result, &error));
    EXPECT(ports[0] != 0 && ports[1] != 0 && ports[0] != ports[1] && ports[2] == 7);
    SAME(pk_result_text(result, 1, "lease.role"), "api");
    EXPECT(pk_result_int(result, 1, "number") == ports[1]);
    EXPECT(!pk_result_is_null(result, 0, "lease.expiresAt"));
    pk_result_free(result);
    OK(pk_keeper_request_many(keeper, "my-app", &options, 2, again, NULL, &error));
    EXPECT(memcmp(ports, again, sizeof again) == 0);

    /* Of one port there is nothing left when it is to be avoided. */
    options = random_ports();
    options.range_first = options.range_last = avoid[0] = 29998;
    options.avoid = avoid;
    options.avoid_count = 1;
    FAILS(PK_RANGE_EXHAUSTED, pk_keeper_request(keeper, "my-app", &options, &port, &error));

    options = random_ports();
    options.flags = PK_REQUEST_AUTO_RELEASE;
    OK(pk_keeper_request_many(keeper, "my-app", &options, 1, ports, &result, &error));
    EXPECT(pk_result_int(result, 0, "lease.owner.pid") == getpid());
    EXPECT(pk_result_int(result, 0, "autoRelease") == 1);
    SAME(pk_result_text(result, 0, "autoRelease"), "true");
    pk_result_free(result);
    options.flags = 0;
    options.owner_pid = getppid();
    OK(pk_keeper_request_many(keeper, "my-app", &options, 1, ports, &result, &error));
    EXPECT(pk_result_int(result, 0, "lease.owner.pid") == getppid());
    pk_result_free(result);
    pk_keeper_free(keeper);
}

static void free_the_copies(void);
static pk_lease *shared_lease;
static pk_hold *shared_hold;

void test_guards(void)
{
    pk_keeper *keeper = new_keeper("guards.db");
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_lease *lease = NULL;
    pk_hold *hold = NULL;
    pk_bound *bound = NULL;
    pk_verdict verdict = -1;
    pk_request_options options = random_ports();
    const char *roles[] = { "a", "b" };
    uint16_t port;
    int fd;

    options.roles = roles;
    options.roles_count = 2;
    OK(pk_keeper_lease(keeper, "tests", &options, &lease, &error));
    EXPECT(pk_lease_count(lease) == 2);
    EXPECT(pk_lease_port(lease, 0) != 0 && pk_lease_port(lease, 1) != 0 && pk_lease_port(lease, 2) == 0);
    OK(pk_lease_reservations(lease, &result, &error));
    EXPECT(pk_result_count(result) == 2);
    SAME(pk_result_text(result, 0, "lease.role"), "a");
    EXPECT(pk_result_int(result, 0, "lease.owner.pid") == getpid());
    pk_result_free(result);

    port = pk_lease_port(lease, 0);
    OK(pk_keeper_hold(keeper, port, &hold, &error));
    EXPECT(pk_hold_port(hold) == port);
    OK(pk_keeper_check(keeper, port, &verdict, NULL, &error));
    EXPECT(verdict == PK_VERDICT_HELD);
    fd = listen_on(port);
    close(fd);

    /* In a child they are copies: freeing them there ends nothing here. */
    shared_lease = lease;
    shared_hold = hold;
    EXPECT(in_child(free_the_copies) == 0);
    OK(pk_keeper_check(keeper, port, &verdict, NULL, &error));
    EXPECT(verdict == PK_VERDICT_HELD);
    pk_hold_free(hold);

    OK(pk_lease_release(lease, &error));
    OK(pk_lease_release(lease, &error));
    OK(pk_keeper_check(keeper, port, &verdict, NULL, &error));
    EXPECT(verdict == PK_VERDICT_FREE);
    pk_lease_free(lease);

    options = random_ports();
    options.address = "127.0.0.1";
    OK(pk_keeper_bind(keeper, "tests", &options, &bound, &error));
    port = pk_bound_port(bound);
    fd = pk_bound_fd(bound);
    EXPECT(fd >= 0 && port_of(fd) == port && port == pk_lease_port(pk_bound_lease(bound), 0));
    EXPECT(pk_bound_fd(bound) == fd);
    OK(pk_keeper_check(keeper, port, &verdict, &result, &error));
    EXPECT(verdict == PK_VERDICT_LISTENING);
    EXPECT(pk_result_int(result, 0, "listeners.0.processes.0.pid") == getpid());
    pk_result_free(result);
    OK(pk_keeper_wait_ready_lease(keeper, pk_bound_lease(bound), 0, 30000, &result, &error));
    SAME(pk_result_text(result, 0, "address"), "127.0.0.1");
    pk_result_free(result);

    /* The descriptor goes, and the claim stays until the bound port is freed: also after its keeper. */
    EXPECT(pk_bound_take_fd(bound) == fd && pk_bound_fd(bound) == -1 && pk_bound_take_fd(bound) == -1);
    OK(pk_keeper_lease(keeper, "tests", NULL, &lease, &error));
    pk_keeper_free(keeper);
    pk_lease_free(lease);
    pk_bound_free(bound);
    EXPECT(port_of(fd) == port);
    close(fd);
    keeper = new_keeper("guards.db");
    OK(pk_keeper_list(keeper, NULL, &result, &error));
    EXPECT(pk_result_count(result) == 0);
    pk_result_free(result);

    OK(pk_keeper_bind(keeper, "tests", &options, &bound, &error));
    port = pk_bound_port(bound);
    pk_bound_free(bound);
    OK(pk_keeper_check(keeper, port, &verdict, NULL, &error));
    EXPECT(verdict == PK_VERDICT_FREE);
    pk_keeper_free(keeper);
}

static void free_the_copies(void)
{
    pk_error *error = NULL;
    FAILS(PK_UNSUPPORTED, pk_lease_release(shared_lease, &error));
    pk_lease_free(shared_lease);
    pk_hold_free(shared_hold);
}

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

static bool stop_at_once(void *asked)
{
    *(int *)asked += 1;
    return true;
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
    close(listener);

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
        for (pk_verdict verdict = -1; verdict != PK_VERDICT_RESERVED;)
            OK(pk_keeper_check(keeper, port, &verdict, NULL, &error));
    }
    OK(pk_keeper_kill(keeper, port, PK_KILL_GRACE_MS, NULL, &error));
    pk_keeper_free(impatient);
    pk_keeper_free(keeper);
}

static bool count_calls(void *calls, const char *operation, uint64_t done, uint64_t total)
{
    EXPECT(operation[0] != '\0' && (total == 0 || done <= total));
    *(int *)calls += 1;
    return true;
}

static bool stop(void *calls, const char *operation, uint64_t done, uint64_t total)
{
    count_calls(calls, operation, done, total);
    return false;
}

void test_transfer(void)
{
    pk_keeper *keeper = new_keeper("transfer.db"), *other = new_keeper("transfer-other.db");
    pk_error *error = NULL;
    pk_result *document = NULL, *result = NULL;
    pk_export_options what = PK_EXPORT_OPTIONS_INIT;
    pk_import_options how = PK_IMPORT_OPTIONS_INIT;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    char *missing = in_folder("no predecessor.db");
    int64_t id;
    int calls = 0;

    claim.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 23000, "shop", &claim, NULL, &error));
    what.project = "shop";
    what.name = "before the move";
    OK(pk_keeper_export(keeper, &what, &document, &error));
    EXPECT(pk_result_int(document, 0, "ports.0.number") == 23000);
    EXPECT(pk_result_length(document, 0, "ports") == 1);

    OK(pk_keeper_configurations(keeper, &result, &error));
    SAME(pk_result_text(result, 0, "name"), "before the move");
    id = pk_result_int(result, 0, "id");
    pk_result_free(result);
    OK(pk_keeper_configuration(keeper, id, &result, &error));
    EXPECT(pk_result_int(result, 0, "verified") == 1);
    SAME(pk_result_text(result, 0, "document.ports.0.projectName"), "shop");
    pk_result_free(result);

    how.flags = PK_IMPORT_DRY_RUN;
    OK(pk_keeper_import_json(other, pk_result_json(document), &how, count_calls, &calls, &result, &error));
    EXPECT(calls >= 2 && pk_result_int(result, 0, "added") == 1 && pk_result_int(result, 0, "dryRun") == 1);
    pk_result_free(result);
    FAILS(PK_CANCELLED, pk_keeper_import_json(other, pk_result_json(document), NULL, stop, &calls, NULL, &error));
    how.flags = PK_IMPORT_SKIP_CONFLICTS;
    how.mode = "replace";
    how.project = "shop";
    how.name = "after the move";
    OK(pk_keeper_import_json(other, pk_result_json(document), &how, NULL, NULL, NULL, &error));
    OK(pk_keeper_import_configuration(keeper, id, NULL, NULL, NULL, &result, &error));
    EXPECT(pk_result_int(result, 0, "unchanged") == 1);
    SAME(pk_result_text(result, 0, "ports.0.outcome"), "unchanged");
    pk_result_free(result);
    FAILS(PK_IMPORT_INVALID, pk_keeper_import_predecessor(keeper, missing, NULL, NULL, NULL, NULL, &error));

    OK(pk_keeper_remove_configuration(keeper, id, &error));
    FAILS(PK_INVALID_INPUT, pk_keeper_remove_configuration(keeper, id, &error));
    FAILS(PK_INVALID_INPUT, pk_keeper_configuration(keeper, id, &result, &error));
    pk_result_free(document);
    free(missing);
    pk_keeper_free(other);
    pk_keeper_free(keeper);
}

static bool to_file(void *file, const char *bytes, size_t length)
{
    return fwrite(bytes, 1, length, file) == length;
}

static bool full(void *file, const char *bytes, size_t length)
{
    (void)file, (void)bytes, (void)length;
    return false;
}

void test_care(void)
{
    pk_keeper *keeper = new_keeper("care.db");
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    char *copy = in_folder("care-copy.db"), *stopped = in_folder("care-stopped.db");
    char *sql = in_folder("care.sql");
    FILE *file;
    int calls = 0;

    claim.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 23500, "shop", &claim, NULL, &error));
    OK(pk_keeper_backup(keeper, copy, count_calls, &calls, &result, &error));
    EXPECT(calls >= 2 && pk_result_int(result, 0, "bytes") > 0);
    SAME(pk_result_text(result, 0, "path"), copy);
    pk_result_free(result);
    FAILS(PK_CANCELLED, pk_keeper_backup(keeper, stopped, stop, &calls, NULL, &error));
    EXPECT(access(stopped, F_OK) != 0);

    file = fopen(sql, "w");
    EXPECT(file != NULL);
    OK(pk_keeper_dump(keeper, to_file, file, count_calls, &calls, &error));
    EXPECT(fclose(file) == 0);
    FAILS(PK_DATABASE_ERROR, pk_keeper_dump(keeper, full, NULL, NULL, NULL, &error));

    OK(pk_keeper_release(keeper, 23500, NULL, NULL, &error));
    OK(pk_keeper_restore(keeper, copy, count_calls, &calls, &result, &error));
    EXPECT(pk_result_int(result, 0, "restored") == 1 && pk_result_text(result, 0, "safetyBackup") != NULL);
    pk_result_free(result);
    OK(pk_keeper_release(keeper, 23500, NULL, NULL, &error));
    OK(pk_keeper_restore(keeper, sql, NULL, NULL, NULL, &error));

    OK(pk_keeper_prune(keeper, PK_HISTORY_KEPT_MS, PK_SCANS_KEPT_MS, count_calls, &calls, &result, &error));
    EXPECT(pk_result_int(result, 0, "history") == 0);
    pk_result_free(result);
    OK(pk_keeper_compact(keeper, count_calls, &calls, &result, &error));
    EXPECT(pk_result_int(result, 0, "bytesAfter") > 0);
    pk_result_free(result);
    OK(pk_keeper_verify(keeper, count_calls, &calls, &result, &error));
    EXPECT(pk_result_count(result) == 0);
    pk_result_free(result);
    OK(pk_keeper_stats(keeper, &result, &error));
    EXPECT(pk_result_int(result, 0, "rows.ports") == 1 && pk_result_int(result, 0, "schemaVersion") >= 1);
    pk_result_free(result);

    OK(pk_project_detect(folder, &result, &error));
    EXPECT(pk_result_text(result, 0, "name") != NULL && pk_result_text(result, 0, "id") != NULL);
    pk_result_free(result);
    free(copy);
    free(stopped);
    free(sql);
    pk_keeper_free(keeper);
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
    for (; (name = pk_result_name(result, 0, fields)) != NULL; fields++)
        EXPECT(name[0] != '\0' && pk_result_name(result, 0, fields) == name);
    EXPECT(fields == 13 && pk_result_name(result, 1, 0) == NULL);
    pk_result_free(result);
    pk_keeper_free(keeper);
}
