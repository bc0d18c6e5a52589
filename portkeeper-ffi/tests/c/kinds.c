/* Every kind of error, provoked for real. PK_INTERNAL has no way to be: see the tests of the hooks. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void refused_by_the_registry(pk_keeper *keeper)
{
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_request_options options = random_ports();
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    pk_hold *hold = NULL;
    uint16_t port = 0;
    int listener, control = -1;
    long stranger;

    REFUSED(PK_PORT_INVALID, pk_keeper_reserve(keeper, 70000, "shop", NULL, NULL, &error));
    SAME(pk_error_message(error), "port 70000 is not in 1..=65535");
    SAME(pk_error_name(error), "PORT_INVALID");
    EXPECT(pk_error_port(error) == 0);
    pk_error_free(error);
    FAILS(PK_PROJECT_REQUIRED, pk_keeper_reserve(keeper, 3000, " \t", NULL, NULL, &error));
    FAILS(PK_INVALID_INPUT, pk_keeper_reserve(keeper, 3000, "a\nb", NULL, NULL, &error));
    FAILS(PK_IMPORT_INVALID, pk_keeper_import_json(keeper, "{", NULL, NULL, NULL, NULL, &error));

    OK(pk_keeper_request(keeper, "shop", &options, &port, &error));
    claim.flags = PK_RESERVE_SUGGEST;
    REFUSED(PK_PORT_RESERVED, pk_keeper_reserve(keeper, port, "blog", &claim, &result, &error));
    EXPECT(result == NULL && pk_error_port(error) == port && pk_error_next_free(error) > port);
    EXPECT(pk_error_pid(error) == 0);
    SAME(pk_error_project(error), "shop");
    pk_error_free(error);
    options.range_first = options.range_last = port;
    FAILS(PK_RANGE_EXHAUSTED, pk_keeper_request(keeper, "blog", &options, &port, &error));

    /* One's own listener is in the way of a hold, and must not be killed. */
    listener = listen_on(port);
    FAILS(PK_PORT_IN_USE, pk_keeper_hold(keeper, port, &hold, &error));
    FAILS(PK_WRONG_LISTENER, pk_keeper_wait_ready(keeper, port, 4194303, 30000, NULL, &error));
    if (has_pidfds()) {
        REFUSED(PK_PROCESS_KILL_ERROR, pk_keeper_kill(keeper, port, 0, NULL, &error));
        EXPECT(pk_error_pid(error) == getpid());
        pk_error_free(error);
        error = NULL;
    }
    close_listener(listener);
    FAILS(PK_TIMEOUT, pk_keeper_wait_ready(keeper, port, 0, 1, NULL, &error));

    OK(pk_keeper_release(keeper, port, NULL, NULL, &error));
    REFUSED(PK_PORT_NOT_FOUND, pk_keeper_release(keeper, port, NULL, NULL, &error));
    EXPECT(pk_error_port(error) == port);
    pk_error_free(error);
    stranger = stranger_on(port, &control);
    REFUSED(PK_PORT_IN_USE, pk_keeper_reserve(keeper, port, "shop", NULL, NULL, &error));
    EXPECT(pk_error_pid(error) == stranger && pk_error_project(error) == NULL);
    pk_error_free(error);
    close(control);
}

/* A file with `count` bytes of it replaced. */
static void patch(const char *path, long offset, const char *bytes, size_t count)
{
    FILE *file = fopen(path, "r+b");
    EXPECT(file != NULL && fseek(file, offset, SEEK_SET) == 0);
    EXPECT(fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
}

static int start[2], finished[2];

static int32_t stop_soon(void *asked)
{
    return ++*(int *)asked % 3 == 0;
}

/* A lease whose keeper is freed, and whose waits go on asking what that keeper was given. */
static pk_lease *impatient_lease(const char *path, int *asked)
{
    pk_keeper *keeper = NULL, *impatient = NULL;
    pk_error *error = NULL;
    pk_lease *lease = NULL;
    pk_request_options options = random_ports();
    OK(pk_keeper_open(path, NULL, &keeper, &error));
    OK(pk_keeper_interruptible(keeper, stop_soon, asked, &impatient, &error));
    OK(pk_keeper_lease(impatient, "impatient", &options, &lease, &error));
    pk_keeper_free(impatient);
    pk_keeper_free(keeper);
    return lease;
}

/* Another process, which writes while this one is in the middle of an import. */
static pid_t other_writer(char *path)
{
    pid_t child;
    char ready = 0;
    EXPECT(pipe(start) == 0 && pipe(finished) == 0);
    fflush(NULL);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        pk_open_options options = PK_OPEN_OPTIONS_INIT;
        pk_keeper *keeper = NULL;
        pk_error *error = NULL;
        int asked = 0, before;
        pk_lease *lease = impatient_lease(path, &asked);
        char go = 0;
        close(start[1]);
        EXPECT(write(finished[1], "r", 1) == 1);
        EXPECT(read(start[0], &go, 1) == 1);
        options.busy_timeout_ms = 1;
        OK(pk_keeper_open(path, &options, &keeper, &error));
        FAILS(PK_DATABASE_BUSY, pk_keeper_reserve(keeper, 23999, "shop", NULL, NULL, &error));
        pk_keeper_free(keeper);
        before = asked;
        FAILS(PK_CANCELLED, pk_lease_set_role(lease, pk_lease_port(lease, 0), "web", &error));
        FAILS(PK_CANCELLED, pk_lease_release(lease, &error));
        EXPECT(asked >= before + 2);
        EXPECT(write(finished[1], "y", 1) == 1);
        /* This one waits, and asks nobody. */
        pk_lease_free(lease);
        /* Its own copy, which nobody else frees. */
        free(path);
        _exit(0);
    }
    close(start[0]);
    close(finished[1]);
    EXPECT(read(finished[0], &ready, 1) == 1);
    return child;
}

static int32_t write_meanwhile(void *keeper, const char *operation, uint64_t done, uint64_t total)
{
    pk_error *error = NULL;
    char answer = 0;
    (void)operation, (void)done;
    if (total == 0)
        return 0;
    /* This one would wait for itself. */
    FAILS(PK_UNSUPPORTED, pk_keeper_reserve(keeper, 23999, "shop", NULL, NULL, &error));
    EXPECT(write(start[1], "g", 1) == 1);
    EXPECT(read(finished[0], &answer, 1) == 1);
    return 2;
}

static void refused_by_the_file(void)
{
    pk_keeper *keeper = NULL;
    pid_t writer;
    int status = -1;
    pk_error *error = NULL;
    char *path = in_folder("kinds-file.db");
    const char *document = "{\"version\": \"1.0\", \"ports\": [{\"number\": 23998, \"projectName\": \"shop\"}]}";

    FAILS(PK_DATABASE_ERROR, pk_keeper_open(folder, NULL, &keeper, &error));
    writer = other_writer(path);
    keeper = new_keeper("kinds-file.db");
    FAILS(PK_CANCELLED, pk_keeper_import_json(keeper, document, NULL, write_meanwhile, keeper, NULL, &error));
    EXPECT(waitpid(writer, &status, 0) == writer && status == 0);
    pk_keeper_free(keeper);
    keeper = NULL;
    close(start[1]);
    close(finished[0]);

    /* The version that the header of the file says, and then the program that it belongs to. */
    patch(path, 60, "\x7f\0\0\0", 4);
    FAILS(PK_SCHEMA_TOO_NEW, pk_keeper_open(path, NULL, &keeper, &error));
    patch(path, 60, "\0\0\0\0", 4);
    patch(path, 68, "\x0f\0\0\0", 4);
    FAILS(PK_SCHEMA_MISMATCH, pk_keeper_open(path, NULL, &keeper, &error));
    patch(path, 0, "no database, and never was one", 30);
    FAILS(PK_DATABASE_CORRUPT, pk_keeper_open(path, NULL, &keeper, &error));
    EXPECT(keeper == NULL);
    free(path);
}

/* No descriptor is left for the socket of a hold. */
static void without_descriptors(void)
{
    pk_keeper *keeper = new_keeper("kinds-descriptors.db");
    pk_error *error = NULL;
    pk_hold *hold = NULL;
    pk_request_options options = random_ports();
    struct rlimit limit;
    uint16_t port = 0;
    int descriptors[2];

    OK(pk_keeper_request(keeper, "shop", &options, &port, &error));
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max < 256 ? limit.rlim_max : 256;
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (pipe(descriptors) == 0)
        ;
    close(dup(0));
    while (dup(0) >= 0)
        ;
    FAILS(PK_SCAN_FAILED, pk_keeper_hold(keeper, port, &hold, &error));
    EXPECT(hold == NULL);
    pk_keeper_free(keeper);
}

/* A user who may not bind a port that low; 98 where that needs no right, or is not to be tried. */
static void without_rights(void)
{
    pk_keeper *keeper = NULL;
    pk_open_options options = PK_OPEN_OPTIONS_INIT;
    pk_error *error = NULL;
    pk_hold *hold = NULL;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    pk_verdict verdict = -1;

    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(98);
    options.flags = PK_OPEN_IN_MEMORY;
    OK(pk_keeper_open(NULL, &options, &keeper, &error));
    claim.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 997, "shop", &claim, NULL, &error));
    OK(pk_keeper_check(keeper, 997, &verdict, NULL, &error));
    if (verdict != PK_VERDICT_PRIVILEGED) {
        pk_keeper_free(keeper);
        _exit(98);
    }
    FAILS(PK_PERMISSION_DENIED, pk_keeper_hold(keeper, 997, &hold, &error));
    pk_keeper_free(keeper);
}

/* A file system of one megabyte; 98 where none can be mounted. */
static void without_space(void)
{
    pk_keeper *keeper;
    pk_error *error = NULL;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    char description[3001];
    pk_code code = PK_OK;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0
        || mount("none", folder, "tmpfs", 0, "size=1m") != 0)
        _exit(98);
    memset(description, 'x', 3000);
    description[3000] = '\0';
    claim.description = description;
    claim.flags = PK_RESERVE_ADOPT;
    keeper = new_keeper("kinds-space.db");
    for (int64_t port = 23000; code == PK_OK && port < 24000; port++) {
        pk_error_free(error);
        code = pk_keeper_reserve(keeper, port, "shop", &claim, NULL, &error);
    }
    EXPECT(code == PK_DATABASE_FULL && pk_error_code(error) == code);
    pk_error_free(error);
    pk_keeper_free(keeper);
}

static void child_refused(const char *name, void (*body)(void))
{
    int status = in_child(body);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 98)
        printf("\nSKIPPED C %s: this machine does not let it be provoked\n", name);
    else
        EXPECT(status == 0);
}

void test_kinds(void)
{
    pk_keeper *keeper = new_keeper("kinds.db");
    refused_by_the_registry(keeper);
    pk_keeper_free(keeper);
    refused_by_the_file();
    EXPECT(in_child(without_descriptors) == 0);
    child_refused("PK_PERMISSION_DENIED", without_rights);
    child_refused("PK_DATABASE_FULL", without_space);
    /* PK_UNSUPPORTED is in test_guards. */
}
