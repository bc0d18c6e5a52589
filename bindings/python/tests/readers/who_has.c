/* Says what a port is, in one line of JSON: what other programs wrote into the registry, read in C. */
#include <portkeeper.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    pk_keeper *keeper = NULL;
    pk_result *state = NULL;
    pk_error *error = NULL;
    pk_verdict verdict = PK_VERDICT_FREE;

    if (count != 3 || pk_keeper_open(arguments[2], NULL, &keeper, &error) != PK_OK
        || pk_keeper_check(keeper, atoi(arguments[1]), &verdict, &state, &error) != PK_OK) {
        fprintf(stderr, "%s\n", error == NULL ? "a port and a file are needed" : pk_error_message(error));
        return 1;
    }
    puts(pk_result_json(state));
    pk_result_free(state);
    pk_keeper_free(keeper);
    return 0;
}
