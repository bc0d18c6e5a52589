/*
 * A listening socket that is handed to a server process: no moment at which the port is nobody's.
 *
 * The server gets it as systemd would hand it over: as descriptor 3, with LISTEN_FDS and LISTEN_PID. Here it is this
 * program once more. Runs on the user's registry, or on the file named as first argument:
 *
 *     cc listen_fds.c $(pkg-config --cflags --libs portkeeper) -o listen_fds && ./listen_fds [FILE]
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <portkeeper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 3 };

static void check(pk_code code, pk_error *error)
{
    if (code == PK_OK)
        return;
    fprintf(stderr, "%s: %s\n", pk_error_name(error), pk_error_message(error));
    pk_error_free(error);
    exit(1);
}

static void need(int worked, const char *what)
{
    if (worked)
        return;
    perror(what);
    exit(1);
}

static void show(const char *what, const pk_keeper *keeper, uint16_t port)
{
    pk_error *error = NULL;
    pk_result *state = NULL;
    pk_verdict verdict = PK_VERDICT_FREE;
    check(pk_keeper_check(keeper, port, &verdict, &state, &error), error);
    printf("%-13s %d  %s\n", what, port, pk_result_text(state, 0, "explanation"));
    pk_result_free(state);
}

/* The server: what every program does that can be started by systemd. */
static int serve(void)
{
    char greeting[64];
    const char *pid = getenv("LISTEN_PID");
    int client;
    need(pid != NULL && atol(pid) == (long)getpid(), "LISTEN_PID");
    client = accept(FIRST, NULL, NULL);
    need(client >= 0, "accept");
    snprintf(greeting, sizeof greeting, "hello from process %ld", (long)getpid());
    need(write(client, greeting, strlen(greeting)) > 0, "write");
    return 0;
}

/* Becomes the server, with the socket as its descriptor 3. */
static void become_server(int socket)
{
    char pid[24];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_PID", pid, 1);
    /* dup2 clears close-on-exec, but not where the socket has this number already. */
    if (socket == FIRST)
        fcntl(FIRST, F_SETFD, 0);
    else if (dup2(socket, FIRST) != FIRST)
        _exit(126);
    execl("/proc/self/exe", "listen_fds", "serve", (char *)NULL);
    _exit(127);
}

static void greet(uint16_t port, pid_t server)
{
    struct sockaddr_in address;
    char greeting[64] = "";
    int client = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    need(connect(client, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    need(read(client, greeting, sizeof greeting - 1) > 0, "read");
    printf("%-13s %d  %s, which is process %ld\n", "answered", port, greeting, (long)server);
    close(client);
}

int main(int count, char **arguments)
{
    pk_keeper *keeper = NULL;
    pk_bound *bound = NULL;
    pk_error *error = NULL;
    pk_open_options how = PK_OPEN_OPTIONS_INIT;
    uint16_t port;
    pid_t server;
    int status = 0;

    if (count > 1 && strcmp(arguments[1], "serve") == 0)
        return serve();
    how.actor = "listen_fds";
    check(pk_keeper_open(count > 1 ? arguments[1] : NULL, &how, &keeper, &error), error);
    check(pk_keeper_bind(keeper, "listen_fds", NULL, &bound, &error), error);
    port = pk_bound_port(bound);
    show("bound", keeper, port);

    fflush(stdout);
    server = fork();
    need(server >= 0, "fork");
    if (server == 0)
        become_server(pk_bound_fd(bound));
    /* This program's own copy of the socket is not needed any more; the claim is. */
    close(pk_bound_take_fd(bound));
    greet(port, server);
    need(waitpid(server, &status, 0) == server && status == 0, "server");

    check(pk_lease_release(pk_bound_lease(bound), &error), error);
    show("released", keeper, port);
    pk_bound_free(bound);
    pk_keeper_free(keeper);
    return 0;
}
