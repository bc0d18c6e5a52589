/* The whole C test program: `program FOLDER [TEST]...`, every test without names. */
#include "check.h"

#include <signal.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    { "claims", test_claims },     { "requests", test_requests }, { "guards", test_guards },
    { "queries", test_queries },   { "machine", test_machine },   { "transfer", test_transfer },
    { "care", test_care },         { "results", test_results },   { "kinds", test_kinds },
    { "misuse", test_misuse },     { "options", test_options },   { "threads", test_threads },
};

int main(int count, char **arguments)
{
    size_t run = 0;
    EXPECT(count >= 2);
    folder = arguments[1];
    signal(SIGPIPE, SIG_IGN);
    /* Whatever waits for ever ends here. */
    alarm(900);
    keep_apart();
    for (size_t test = 0; test < sizeof tests / sizeof *tests; test++) {
        bool wanted = count == 2;
        for (int argument = 2; argument < count; argument++)
            wanted = wanted || strcmp(arguments[argument], tests[test].name) == 0;
        if (!wanted)
            continue;
        tests[test].run();
        printf("ok %s\n", tests[test].name);
        fflush(stdout);
        run++;
    }
    EXPECT(run >= 1);
    printf("%zu tests passed\n", run);
    return 0;
}
