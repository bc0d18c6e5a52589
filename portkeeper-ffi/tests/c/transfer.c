/* Documents, backups and care, with callbacks. */
#include "check.h"

#include <unistd.h>

static int32_t count_calls(void *calls, const char *operation, uint64_t done, uint64_t total)
{
    EXPECT(operation[0] != '\0' && (total == 0 || done <= total));
    *(int *)calls += 1;
    return 0;
}

static int32_t stop(void *calls, const char *operation, uint64_t done, uint64_t total)
{
    count_calls(calls, operation, done, total);
    return 2;
}

/* Writes over the text that the caller passed. */
static int32_t write_over(void *text, const char *operation, uint64_t done, uint64_t total)
{
    (void)operation, (void)done, (void)total;
    memset(text, '#', strlen(text));
    return 0;
}

void test_transfer(void)
{
    pk_keeper *keeper = new_keeper("transfer.db"), *other = new_keeper("transfer-other.db");
    pk_error *error = NULL;
    pk_result *document = NULL, *result = NULL;
    pk_export_options what = PK_EXPORT_OPTIONS_INIT;
    pk_import_options how = PK_IMPORT_OPTIONS_INIT;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    char *missing = in_folder("no predecessor.db");
    int64_t id;
    int calls = 0;

    claim.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 23000, "shop", &claim, NULL, &error));
    what.project = "shop";
    what.name = "before the move";
    OK(pk_keeper_export(keeper, &what, &document, &error));
    EXPECT(pk_result_int(document, 0, "ports.0.number") == 23000);
    EXPECT(pk_result_length(document, 0, "ports") == 1);

    OK(pk_keeper_configurations(keeper, &result, &error));
    SAME(pk_result_text(result, 0, "name"), "before the move");
    id = pk_result_int(result, 0, "id");
    pk_result_free(result);
    OK(pk_keeper_configuration(keeper, id, &result, &error));
    EXPECT(pk_result_int(result, 0, "verified") == 1);
    SAME(pk_result_text(result, 0, "document.ports.0.projectName"), "shop");
    pk_result_free(result);

    how.flags = PK_IMPORT_DRY_RUN;
    OK(pk_keeper_import_json(other, pk_result_json(document), &how, count_calls, &calls, &result, &error));
    EXPECT(calls >= 2 && pk_result_int(result, 0, "added") == 1 && pk_result_int(result, 0, "dryRun") == 1);
    pk_result_free(result);
    FAILS(PK_CANCELLED, pk_keeper_import_json(other, pk_result_json(document), NULL, stop, &calls, NULL, &error));
    how.flags = PK_IMPORT_SKIP_CONFLICTS;
    how.mode = "replace";
    how.project = "shop";
    how.name = "after the move";
    OK(pk_keeper_import_json(other, pk_result_json(document), &how, NULL, NULL, NULL, &error));
    OK(pk_keeper_import_configuration(keeper, id, NULL, NULL, NULL, &result, &error));
    EXPECT(pk_result_int(result, 0, "unchanged") == 1);
    SAME(pk_result_text(result, 0, "ports.0.outcome"), "unchanged");
    pk_result_free(result);
    FAILS(PK_IMPORT_INVALID, pk_keeper_import_predecessor(keeper, missing, NULL, NULL, NULL, NULL, &error));

    OK(pk_keeper_remove_configuration(keeper, id, &error));
    FAILS(PK_INVALID_INPUT, pk_keeper_remove_configuration(keeper, id, &error));
    FAILS(PK_INVALID_INPUT, pk_keeper_configuration(keeper, id, &result, &error));
    pk_result_free(document);
    free(missing);
    pk_keeper_free(other);
    pk_keeper_free(keeper);
}

static int32_t to_file(void *file, const char *bytes, size_t length)
{
    return fwrite(bytes, 1, length, file) != length;
}

static int32_t full(void *file, const char *bytes, size_t length)
{
    (void)file, (void)bytes, (void)length;
    return 2;
}

void test_care(void)
{
    pk_keeper *keeper = new_keeper("care.db");
    pk_error *error = NULL;
    pk_result *result = NULL;
    pk_reserve_options claim = PK_RESERVE_OPTIONS_INIT;
    char *copy = in_folder("care-copy.db"), *stopped = in_folder("care-stopped.db");
    char *sql = in_folder("care.sql"), *path;
    FILE *file;
    int calls = 0;

    claim.flags = PK_RESERVE_ADOPT;
    OK(pk_keeper_reserve(keeper, 23500, "shop", &claim, NULL, &error));
    OK(pk_keeper_backup(keeper, copy, count_calls, &calls, &result, &error));
    EXPECT(calls >= 2 && pk_result_int(result, 0, "bytes") > 0);
    SAME(pk_result_text(result, 0, "path"), copy);
    pk_result_free(result);
    path = strdup(copy);
    OK(pk_keeper_backup(keeper, path, write_over, path, &result, &error));
    SAME(pk_result_text(result, 0, "path"), copy);
    EXPECT(path[0] == '#' && access(path, F_OK) != 0);
    pk_result_free(result);
    free(path);
    FAILS(PK_CANCELLED, pk_keeper_backup(keeper, stopped, stop, &calls, NULL, &error));
    EXPECT(access(stopped, F_OK) != 0);

    file = fopen(sql, "w");
    EXPECT(file != NULL);
    OK(pk_keeper_dump(keeper, to_file, file, count_calls, &calls, &error));
    EXPECT(fclose(file) == 0);
    FAILS(PK_CANCELLED, pk_keeper_dump(keeper, full, NULL, NULL, NULL, &error));

    OK(pk_keeper_release(keeper, 23500, NULL, NULL, &error));
    OK(pk_keeper_restore(keeper, copy, count_calls, &calls, &result, &error));
    EXPECT(pk_result_int(result, 0, "restored") == 1 && pk_result_text(result, 0, "safetyBackup") != NULL);
    pk_result_free(result);
    OK(pk_keeper_release(keeper, 23500, NULL, NULL, &error));
    path = strdup(sql);
    OK(pk_keeper_restore(keeper, path, write_over, path, NULL, &error));
    free(path);

    OK(pk_keeper_prune(keeper, PK_HISTORY_KEPT_MS, PK_SCANS_KEPT_MS, count_calls, &calls, &result, &error));
    EXPECT(pk_result_int(result, 0, "history") == 0);
    pk_result_free(result);
    OK(pk_keeper_compact(keeper, count_calls, &calls, &result, &error));
    EXPECT(pk_result_int(result, 0, "bytesAfter") > 0);
    pk_result_free(result);
    OK(pk_keeper_verify(keeper, count_calls, &calls, &result, &error));
    EXPECT(pk_result_count(result) == 0);
    pk_result_free(result);
    OK(pk_keeper_stats(keeper, &result, &error));
    EXPECT(pk_result_int(result, 0, "rows.ports") == 1 && pk_result_int(result, 0, "schemaVersion") >= 1);
    pk_result_free(result);

    OK(pk_project_detect(folder, &result, &error));
    EXPECT(pk_result_text(result, 0, "name") != NULL && pk_result_text(result, 0, "id") != NULL);
    pk_result_free(result);
    free(copy);
    free(stopped);
    free(sql);
    pk_keeper_free(keeper);
}
