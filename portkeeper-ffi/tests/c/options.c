/* Options: structs of other sizes than this version's, and values that it does not know. */
#include "check.h"

/* Structs of other sizes than this version's, and flags that it does not know. */
#define SIZES(type, initialiser, call)                                                     \
    do {                                                                                   \
        struct {                                                                           \
            type options;                                                                  \
            uint64_t later[2];                                                             \
        } grown = { initialiser, { 0, 0 } };                                               \
        const type *options = &grown.options;                                              \
        size_t size = sizeof(type);                                                        \
        OK(call);                                                                          \
        /* An older caller has fewer fields, down to none. */                              \
        for (grown.options.size = size; grown.options.size >= sizeof(size_t);              \
             grown.options.size -= sizeof(size_t))                                         \
            OK(call);                                                                      \
        /* A newer one has more; that is fine as long as they are not used. */             \
        grown.options.size = size + sizeof grown.later;                                    \
        OK(call);                                                                          \
        grown.later[1] = 1;                                                                \
        INVALID(call);                                                                     \
        grown.options.size = size + sizeof grown.later[0];                                 \
        OK(call);                                                                          \
        grown.options.size = 0;                                                            \
        INVALID(call);                                                                     \
        grown.options.size = size - 1;                                                     \
        INVALID(call);                                                                     \
        grown.options.size = (size_t)0xa5a5a5a5a5a5a5a8;                                   \
        INVALID(call);                                                                     \
    } while (0)

static pk_code open_close(const char *path, const pk_open_options *options, pk_error **error)
{
    pk_keeper *keeper = NULL;
    pk_code code = pk_keeper_open(path, options, &keeper, error);
    EXPECT((keeper != NULL) == (code == PK_OK));
    pk_keeper_free(keeper);
    return code;
}

static pk_code list_free(const pk_keeper *keeper, const pk_list_options *options, pk_error **error)
{
    pk_result *rows = NULL;
    pk_code code = pk_keeper_list(keeper, options, &rows, error);
    EXPECT((rows != NULL) == (code == PK_OK));
    pk_result_free(rows);
    return code;
}

static pk_code history_free(const pk_keeper *keeper, const pk_history_options *options, pk_error **error)
{
    pk_result *rows = NULL;
    pk_code code = pk_keeper_history(keeper, PK_ALL_PORTS, options, &rows, error);
    EXPECT((rows != NULL) == (code == PK_OK));
    pk_result_free(rows);
    return code;
}

static pk_code export_free(const pk_keeper *keeper, const pk_export_options *options, pk_error **error)
{
    pk_result *document = NULL;
    pk_code code = pk_keeper_export(keeper, options, &document, error);
    EXPECT((document != NULL) == (code == PK_OK));
    pk_result_free(document);
    return code;
}

void test_options(void)
{
    pk_keeper *keeper = new_keeper("options.db");
    pk_error *error = NULL;
    uint16_t port = 0;
    char *path = in_folder("options.db");
    const char *empty = "{\"version\": \"1.0\", \"ports\": []}";
    pk_open_options open = PK_OPEN_OPTIONS_INIT;
    pk_reserve_options reserve = PK_RESERVE_OPTIONS_INIT;
    pk_request_options request = PK_REQUEST_OPTIONS_INIT;
    pk_import_options import = PK_IMPORT_OPTIONS_INIT;
    pk_list_options list = PK_LIST_OPTIONS_INIT;

    SIZES(pk_open_options, PK_OPEN_OPTIONS_INIT, open_close(path, options, &error));
    OK(pk_keeper_request(keeper, "shop", NULL, &port, &error));
    SIZES(pk_reserve_options, PK_RESERVE_OPTIONS_INIT,
          pk_keeper_reserve(keeper, port, "shop", options, NULL, &error));
    SIZES(pk_request_options, PK_REQUEST_OPTIONS_INIT,
          pk_keeper_request(keeper, "shop", options, &port, &error));
    SIZES(pk_list_options, PK_LIST_OPTIONS_INIT, list_free(keeper, options, &error));
    SIZES(pk_history_options, PK_HISTORY_OPTIONS_INIT, history_free(keeper, options, &error));
    SIZES(pk_export_options, PK_EXPORT_OPTIONS_INIT, export_free(keeper, options, &error));
    SIZES(pk_import_options, PK_IMPORT_OPTIONS_INIT,
          pk_keeper_import_json(keeper, empty, options, NULL, NULL, NULL, &error));

    open.flags = 0x10;
    INVALID(open_close(path, &open, &error));
    open.flags = PK_OPEN_IN_MEMORY;
    INVALID(open_close(path, &open, &error));
    open.busy_timeout_ms = 100;
    OK(open_close(NULL, &open, &error));
    reserve.flags = UINT64_MAX;
    INVALID(pk_keeper_reserve(keeper, port, "shop", &reserve, NULL, &error));
    request.flags = 2;
    INVALID(pk_keeper_request(keeper, "shop", &request, &port, &error));
    request.flags = 0;
    request.count = 2;
    INVALID(pk_keeper_request(keeper, "shop", &request, &port, &error));
    request.count = 0;
    request.owner_pid = -1;
    INVALID(pk_keeper_request(keeper, "shop", &request, &port, &error));
    request.owner_pid = 0;
    request.range_first = list.range_last = 20000;
    FAILS(PK_PORT_INVALID, pk_keeper_request(keeper, "shop", &request, &port, &error));
    FAILS(PK_PORT_INVALID, list_free(keeper, &list, &error));
    import.flags = 4;
    INVALID(pk_keeper_import_json(keeper, empty, &import, NULL, NULL, NULL, &error));
    free(path);
    pk_keeper_free(keeper);
}
