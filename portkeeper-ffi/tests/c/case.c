/* What a case of the table has while its steps run: a registry, guards, listeners and a stranger. */
#include "conformance.h"

#include <sys/wait.h>
#include <unistd.h>

struct state now;

struct guard *guard(const char *name)
{
    for (size_t index = 0; index < GUARDS; index++)
        if (now.guards[index].name != NULL && strcmp(now.guards[index].name, name) == 0)
            return &now.guards[index];
    return NULL;
}

struct guard *new_guard(const char *name)
{
    for (size_t index = 0; index < GUARDS; index++)
        if (now.guards[index].name == NULL) {
            now.guards[index].name = name == NULL ? "" : name;
            return &now.guards[index];
        }
    EXPECT(!"room for another guard");
    return NULL;
}

void end(struct guard *guard)
{
    pk_lease_free(guard->lease);
    pk_hold_free(guard->hold);
    pk_bound_free(guard->bound);
    memset(guard, 0, sizeof *guard);
}

pk_code listen_here(const struct step *step)
{
    EXPECT(now.listener_count < LISTENERS);
    now.listeners[now.listener_count++] = listen_on((uint16_t)number(step, "port", 0));
    return PK_OK;
}

pk_code have_a_stranger(const struct step *step)
{
    int input[2], output[2];
    char port[8], line[32] = "";
    size_t length = 0;
    snprintf(port, sizeof port, "%u", (unsigned)(uint16_t)number(step, "port", 0));
    EXPECT(pipe(input) == 0 && pipe(output) == 0);
    now.stranger_parent = fork();
    EXPECT(now.stranger_parent >= 0);
    if (now.stranger_parent == 0) {
        dup2(input[0], 0);
        dup2(output[1], 1);
        close(input[1]);
        close(output[0]);
        execlp("python3", "python3", stranger_script, port, (char *)NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    do {
        EXPECT(length < sizeof line - 1 && read(output[0], line + length, 1) == 1);
    } while (line[length++] != '\n');
    close(output[0]);
    stranger = strtoll(line, NULL, 10);
    now.stranger_input = input[1];
    return PK_OK;
}

void begin_case(void)
{
    pk_open_options options = PK_OPEN_OPTIONS_INIT;
    pk_error *error = NULL;
    char *path = in_folder("database.db");
    memset(&now, 0, sizeof now);
    options.actor = "conformance";
    OK(pk_keeper_open(path, &options, &now.keeper, &error));
    free(path);
}

void end_case(void)
{
    int status;
    for (size_t index = 0; index < GUARDS; index++)
        end(&now.guards[index]);
    for (size_t index = 0; index < now.listener_count; index++)
        close(now.listeners[index]);
    if (now.stranger_parent != 0) {
        close(now.stranger_input);
        waitpid(now.stranger_parent, &status, 0);
    }
    pk_keeper_free(now.keeper);
}
