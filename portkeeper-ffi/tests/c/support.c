/* What check.h declares. */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
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

void keep_apart(void)
{
    struct ifreq loopback;
    int control;
    /* A user namespace would give the rights for it to everybody, and with them those that a test wants to lack. */
    if (unshare(CLONE_NEWNET) != 0)
        return;
    memset(&loopback, 0, sizeof loopback);
    strcpy(loopback.ifr_name, "lo");
    loopback.ifr_flags = IFF_UP;
    control = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT(control >= 0 && ioctl(control, SIOCSIFFLAGS, &loopback) == 0);
    close(control);
}

/* A socket with SO_REUSEADDR on 127.0.0.1 at `port`; -1 where it cannot be had. */
static int bound_to(uint16_t port)
{
    struct sockaddr_in address;
    int on = 1, bound = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(bound >= 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    EXPECT(setsockopt(bound, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    if (bind(bound, (struct sockaddr *)&address, sizeof address) == 0)
        return bound;
    EXPECT(errno == EADDRINUSE);
    close(bound);
    return -1;
}

int listen_on(uint16_t port)
{
    int listener = bound_to(port);
    EXPECT(listener >= 0 && listen(listener, 8) == 0);
    return listener;
}

/* For waiting: whether there is time left, after a pause. */
static bool goes_on(time_t end)
{
    struct timespec pause = { 0, 1000000 };
    nanosleep(&pause, NULL);
    return time(NULL) < end;
}

void close_listener(int listener)
{
    uint16_t port = port_of(listener);
    time_t end = time(NULL) + 60;
    int probe;
    close(listener);
    while ((probe = bound_to(port)) < 0)
        EXPECT(goes_on(end));
    close(probe);
}

void becomes(const pk_keeper *keeper, int64_t port, pk_verdict wanted)
{
    time_t end = time(NULL) + 60;
    pk_error *error = NULL;
    for (pk_verdict verdict = -1; verdict != wanted;) {
        OK(pk_keeper_check(keeper, port, &verdict, NULL, &error));
        EXPECT(verdict == wanted || goes_on(end));
    }
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
