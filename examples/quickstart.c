/*
 * One port's life: claimed, served, seen, given back, and remembered.
 *
 * Runs on the user's registry, or on the file named as first argument:
 *
 *     cc quickstart.c $(pkg-config --cflags --libs portkeeper) -o quickstart && ./quickstart [FILE]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <portkeeper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ends the program with what went wrong. */
static void check(pk_code code, pk_error *error)
{
    if (code == PK_OK)
        return;
    fprintf(stderr, "%s: %s\n", pk_error_name(error), pk_error_message(error));
    pk_error_free(error);
    exit(1);
}

/* A port in one line: its claim, and what the machine says. */
static void show(const char *what, const pk_keeper *keeper, uint16_t port)
{
    pk_error *error = NULL;
    pk_result *state = NULL;
    pk_verdict verdict = PK_VERDICT_FREE;
    const char *project;

    check(pk_keeper_check(keeper, port, &verdict, &state, &error), error);
    project = pk_result_text(state, 0, "reservation.projectName");
    printf("%-13s %d  %-8s  %-10s  %s\n", what, port, pk_result_text(state, 0, "status"),
           project == NULL ? "nobody" : project, pk_result_text(state, 0, "explanation"));
    pk_result_free(state);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address;
    int on = 1, server = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (server < 0 || setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0
        || bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 16) != 0) {
        perror("server");
        exit(1);
    }
    return server;
}

int main(int count, char **arguments)
{
    pk_keeper *keeper = NULL;
    pk_error *error = NULL;
    pk_result *entries = NULL;
    pk_open_options how = PK_OPEN_OPTIONS_INIT;
    pk_request_options what = PK_REQUEST_OPTIONS_INIT;
    pk_history_options last = PK_HISTORY_OPTIONS_INIT;
    const char *roles[] = { "web" };
    uint16_t port = 0;
    int server;

    if (!pk_abi_supports(PK_ABI_VERSION)) {
        fprintf(stderr, "libportkeeper %s is not the one that this program was built for\n", pk_version());
        return 1;
    }
    how.actor = "quickstart";
    check(pk_keeper_open(count > 1 ? arguments[1] : NULL, &how, &keeper, &error), error);
    printf("registry      %s\n", pk_keeper_path(keeper));

    what.roles = roles;
    what.roles_count = 1;
    what.description = "shows what Port Keeper does";
    check(pk_keeper_request(keeper, "quickstart", &what, &port, &error), error);
    show("reserved", keeper, port);

    server = listen_on(port);
    check(pk_keeper_scan(keeper, NULL, &error), error);
    show("serving", keeper, port);

    close(server);
    check(pk_keeper_scan(keeper, NULL, &error), error);
    show("stopped", keeper, port);

    check(pk_keeper_release(keeper, port, NULL, NULL, &error), error);
    show("released", keeper, port);

    printf("\nhistory of port %d, newest first\n", port);
    last.limit = 4;
    check(pk_keeper_history(keeper, port, &last, &entries, &error), error);
    for (size_t row = 0; row < pk_result_count(entries); row++)
        printf("  %s  %-9s %s by %s %s\n", pk_result_text(entries, row, "performedAt"),
               pk_result_text(entries, row, "action"), pk_result_text(entries, row, "projectName"),
               pk_result_text(entries, row, "performedBy"), pk_result_text(entries, row, "details"));
    pk_result_free(entries);
    pk_keeper_free(keeper);
    return 0;
}
