// The opener in C; what it does is in ../network_file_system.rs.
#include <portkeeper.h>

#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
    pk_open_options options = PK_OPEN_OPTIONS_INIT;
    pk_reserve_options reserve = PK_RESERVE_OPTIONS_INIT;
    pk_keeper *keeper = NULL;
    pk_result *rows = NULL;
    pk_error *error = NULL;
    if (count != 3)
        return 2;
    if (strcmp(arguments[2], "allow") == 0)
        options.flags = PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM;
    reserve.flags = PK_RESERVE_ADOPT;
    pk_code code = pk_keeper_open(arguments[1], &options, &keeper, &error);
    if (code == PK_OK)
        code = pk_keeper_reserve(keeper, 27410, "C", &reserve, NULL, &error);
    pk_keeper_free(keeper);
    keeper = NULL;
    if (code == PK_OK)
        code = pk_keeper_open(arguments[1], &options, &keeper, &error);
    if (code == PK_OK)
        code = pk_keeper_list(keeper, NULL, &rows, &error);
    if (code == PK_OK)
        printf("> %s\n", pk_result_text(rows, 0, "projectName"));
    else
        printf("> %s %s\n", pk_error_name(error), pk_error_message(error));
    pk_result_free(rows);
    pk_keeper_free(keeper);
    pk_error_free(error);
    return 0;
}
