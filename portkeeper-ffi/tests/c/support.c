/* What check.h declares. */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const char *folder;

char *in_folder(const char *name)
{
    size_t length = strlen(folder) + strlen(name) + 2;
    char *path = malloc(length);
    EXPECT(path != NULL);
    snprintf(path, length, "%s/%s", folder, name);
    return path;
}

pk_keeper *new_keeper(const char *name)
{
    pk_keeper *keeper = NULL;
    pk_error *error = NULL;
    pk_open_options options = PK_OPEN_OPTIONS_INIT;
    char *path = in_folder(name);
    options.actor = "c tests";
    options.durability = "normal";
    OK(pk_keeper_open(path, &options, &keeper, &error));
    EXPECT(keeper != NULL);
    free(path);
    return keeper;
}

pk_request_options random_ports(void)
{
    pk_request_options options = PK_REQUEST_OPTIONS_INIT;
    options.strategy = "random";
    options.range_first = 20000;
    options.range_last = 29999;
    return options;
}

int listen_on(uint16_t port)
{
    struct sockaddr_in address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(listener >= 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    EXPECT(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    EXPECT(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    EXPECT(listen(listener, 8) == 0);
    return listener;
}

uint16_t port_of(int socket)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    EXPECT(getsockname(socket, (struct sockaddr *)&address, &length) == 0);
    return ntohs(address.sin_port);
}

int in_child(void (*body)(void))
{
    int status = 0;
    pid_t child;
    fflush(NULL);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        body();
        fflush(NULL);
        /* The parent's objects are still there: only what this child does itself is looked at. */
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    return status;
}

long stranger_on(uint16_t port, int *control)
{
    int report[2], lifetime[2], status = 0;
    long pid = 0;
    pid_t child;
    EXPECT(pipe(report) == 0 && pipe(lifetime) == 0);
    child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        char end;
        pid_t parent = getpid();
        close(lifetime[1]);
        if (fork() != 0)
            _exit(0);
        while (getppid() == parent)
            ;
        listen_on(port);
        pid = (long)getpid();
        EXPECT(write(report[1], &pid, sizeof pid) == (ssize_t)sizeof pid);
        while (read(lifetime[0], &end, 1) < 0 && errno == EINTR)
            ;
        _exit(0);
    }
    close(report[1]);
    close(lifetime[0]);
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(read(report[0], &pid, sizeof pid) == (ssize_t)sizeof pid);
    close(report[0]);
    *control = lifetime[1];
    return pid;
}

bool has_pidfds(void)
{
#ifdef SYS_pidfd_open
    long pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    if (pidfd >= 0)
        close((int)pidfd);
    return pidfd >= 0 || errno != ENOSYS;
#else
    return true;
#endif
}
