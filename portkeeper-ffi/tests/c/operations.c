/* Claims, requests and guards: every operation, and what it gives. */
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
    uint16_t next = 0;

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

    OK(pk_keeper_next_free(keeper, 21001, &next, &error));
    EXPECT(next > 21001);
    OK(pk_keeper_next_free(keeper, 65535, &next, &error));
    EXPECT(next == 0);
    FAILS(PK_PORT_INVALID, pk_keeper_next_free(keeper, 65536, &next, &error));

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

static int32_t release_too_early(void *lease, const char *operation, uint64_t done, uint64_t total)
{
    pk_error *error = NULL;
    (void)operation, (void)done, (void)total;
    FAILS(PK_UNSUPPORTED, pk_lease_release(lease, &error));
    return 0;
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
    int32_t taken = -1;
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
    close_listener(listen_on(port));

    /* In a child they are copies: freeing them there ends nothing here. */
    shared_lease = lease;
    shared_hold = hold;
    EXPECT(in_child(free_the_copies) == 0);
    OK(pk_keeper_check(keeper, port, &verdict, NULL, &error));
    EXPECT(verdict == PK_VERDICT_HELD);

    /* What is lent somebody else may bind, and then it does not come back at once. */
    OK(pk_hold_take_back(hold, &taken, &error));
    EXPECT(taken == 1);
    OK(pk_hold_lend(hold, &error));
    fd = listen_on(port);
    OK(pk_hold_take_back(hold, &taken, &error));
    EXPECT(taken == 0);
    close_listener(fd);
    OK(pk_hold_take_back(hold, &taken, &error));
    EXPECT(taken == 1 && pk_hold_port(hold) == port);
    pk_hold_free(hold);

    /* A port's next purpose. */
    OK(pk_lease_set_role(lease, port, "c", &error));
    FAILS(PK_PORT_RESERVED, pk_lease_set_role(lease, port, "b", &error));
    OK(pk_lease_reservations(lease, &result, &error));
    SAME(pk_result_text(result, 0, "lease.role"), "c");
    pk_result_free(result);
    OK(pk_lease_set_role(lease, port, NULL, &error));
    OK(pk_keeper_get(keeper, port, &result, &error));
    EXPECT(pk_result_is_null(result, 0, "lease.role"));
    pk_result_free(result);
    FAILS(PK_PORT_INVALID, pk_lease_set_role(lease, 0, "c", &error));
    FAILS(PK_INVALID_INPUT, pk_lease_set_role(lease, 1, "c", &error));

    /* Refused in the middle of an operation of the same registry, and then done. */
    OK(pk_keeper_compact(keeper, release_too_early, lease, NULL, &error));
    becomes(keeper, port, PK_VERDICT_RESERVED);
    OK(pk_lease_release(lease, &error));
    FAILS(PK_INVALID_INPUT, pk_lease_set_role(lease, port, "c", &error));
    OK(pk_lease_release(lease, &error));
    becomes(keeper, port, PK_VERDICT_FREE);
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
    becomes(keeper, port, PK_VERDICT_FREE);
    pk_keeper_free(keeper);
}

static void free_the_copies(void)
{
    pk_error *error = NULL;
    FAILS(PK_UNSUPPORTED, pk_lease_release(shared_lease, &error));
    pk_lease_free(shared_lease);
    pk_hold_free(shared_hold);
}
