/* The operations of the table: what each step calls, and with what. */
#include "conformance.h"

static int32_t no_further(void *data, const char *operation, uint64_t done, uint64_t total)
{
    (void)data, (void)operation, (void)done, (void)total;
    return 2;
}

static int32_t to_file(void *file, const char *bytes, size_t length)
{
    return fwrite(bytes, 1, length, file) != length;
}

static pk_request_options request_options(const struct step *step)
{
    pk_request_options options = PK_REQUEST_OPTIONS_INIT;
    const struct argument *avoid = find(step, "avoid");
    options.roles_count = texts(step, "roles", &options.roles);
    options.count = (size_t)number(step, "count", 0);
    options.strategy = text(step, "strategy");
    options.avoid = avoid == NULL ? NULL : avoid->numbers;
    options.avoid_count = avoid == NULL ? 0 : avoid->count;
    options.description = text(step, "description");
    options.tags_count = texts(step, "tags", &options.tags);
    options.address = text(step, "address");
    options.range_first = range_end(step, 0);
    options.range_last = range_end(step, 1);
    options.owner_pid = number(step, "ownedBy", 0);
    options.ttl_ms = milliseconds(step, "ttlMs", 0);
    options.flags = number(step, "autoRelease", 0) != 0 ? PK_REQUEST_AUTO_RELEASE : 0;
    return options;
}

static pk_code request(const struct step *step, struct outcome *out)
{
    pk_request_options options = request_options(step);
    uint16_t ports[64];
    size_t roles = options.roles_count > 0 ? options.roles_count : 1;
    size_t count = (size_t)number(step, "count", (int64_t)roles);
    EXPECT(count <= 64);
    return pk_keeper_request_many(now.keeper, text(step, "project"), &options, count, ports, &out->result,
                                  &out->error);
}

static pk_code lease(const struct step *step, struct outcome *out)
{
    pk_request_options options = request_options(step);
    pk_lease *lease = NULL;
    pk_code code = pk_keeper_lease(now.keeper, text(step, "project"), &options, &lease, &out->error);
    if (code == PK_OK)
        new_guard(step->guard)->lease = lease;
    out->lease = lease;
    return code;
}

static pk_code bind_port(const struct step *step, struct outcome *out)
{
    pk_request_options options = request_options(step);
    pk_bound *bound = NULL;
    pk_code code = pk_keeper_bind(now.keeper, text(step, "project"), &options, &bound, &out->error);
    if (code == PK_OK)
        new_guard(step->guard)->bound = bound;
    out->lease = pk_bound_lease(bound);
    return code;
}

static pk_code hold(const struct step *step, struct outcome *out)
{
    pk_hold *hold = NULL;
    pk_code code = pk_keeper_hold(now.keeper, number(step, "port", 0), &hold, &out->error);
    if (code == PK_OK)
        new_guard(step->guard)->hold = hold;
    out->hold = hold;
    return code;
}

static pk_code reserve(const struct step *step, struct outcome *out)
{
    pk_reserve_options options = PK_RESERVE_OPTIONS_INIT;
    options.description = text(step, "description");
    options.tags_count = texts(step, "tags", &options.tags);
    options.metadata = text(step, "metadata");
    options.flags = (number(step, "adopt", 0) != 0 ? PK_RESERVE_ADOPT : 0)
                    | (number(step, "suggest", 0) != 0 ? PK_RESERVE_SUGGEST : 0);
    return pk_keeper_reserve(now.keeper, number(step, "port", 0), text(step, "project"), &options, &out->result,
                             &out->error);
}

static pk_code release(const struct step *step, struct outcome *out)
{
    const struct argument *ports = find(step, "ports");
    const char *only_of = text(step, "onlyOf");
    if (find(step, "port") != NULL)
        return pk_keeper_release(now.keeper, number(step, "port", 0), only_of, &out->result, &out->error);
    if (ports != NULL)
        return pk_keeper_release_ports(now.keeper, ports->numbers, ports->count, only_of, &out->result, &out->error);
    return pk_keeper_release_project(now.keeper, text(step, "project"), &out->result, &out->error);
}

static pk_code list(const struct step *step, struct outcome *out)
{
    pk_list_options options = PK_LIST_OPTIONS_INIT;
    options.status = text(step, "status");
    options.project = text(step, "project");
    options.tag = text(step, "tag");
    options.range_first = range_end(step, 0);
    options.range_last = range_end(step, 1);
    return pk_keeper_list(now.keeper, &options, &out->result, &out->error);
}

static pk_code history(const struct step *step, struct outcome *out)
{
    pk_history_options options = PK_HISTORY_OPTIONS_INIT;
    options.project = text(step, "project");
    options.action = text(step, "action");
    options.since = text(step, "since");
    options.until = text(step, "until");
    options.before_time = text(step, "before.performedAt");
    options.before_id = number(step, "before.id", 0);
    options.limit = (uint64_t)number(step, "limit", 0);
    return pk_keeper_history(now.keeper, number(step, "port", PK_ALL_PORTS), &options, &out->result, &out->error);
}

static pk_code wait_ready(const struct step *step, struct outcome *out)
{
    uint64_t timeout = milliseconds(step, "timeoutMs", 0);
    int64_t port = number(step, "port", 0), pid = number(step, "pid", 0);
    const char *name = text(step, "guard");
    if (name != NULL) {
        const struct guard *found = guard(name);
        EXPECT(found != NULL);
        if (found->hold == NULL) {
            const pk_lease *lease = found->lease != NULL ? found->lease : pk_bound_lease(found->bound);
            return pk_keeper_wait_ready_lease(now.keeper, lease, pid, timeout, &out->result, &out->error);
        }
        port = pk_hold_port(found->hold);
    }
    return pk_keeper_wait_ready(now.keeper, port, pid, timeout, &out->result, &out->error);
}

static pk_code export_document(const struct step *step, struct outcome *out)
{
    pk_export_options options = PK_EXPORT_OPTIONS_INIT;
    options.project = text(step, "project");
    options.name = text(step, "name");
    return pk_keeper_export(now.keeper, &options, &out->result, &out->error);
}

static pk_code import(const struct step *step, pk_progress_callback progress, struct outcome *out)
{
    pk_import_options options = PK_IMPORT_OPTIONS_INIT;
    const char *json = text(step, "document") != NULL ? text(step, "document") : text(step, "json");
    options.mode = text(step, "mode");
    options.project = text(step, "project");
    options.name = text(step, "name");
    options.flags = (number(step, "dryRun", 0) != 0 ? PK_IMPORT_DRY_RUN : 0)
                    | (number(step, "skipConflicts", 0) != 0 ? PK_IMPORT_SKIP_CONFLICTS : 0);
    if (json != NULL)
        return pk_keeper_import_json(now.keeper, json, &options, progress, NULL, &out->result, &out->error);
    if (find(step, "configuration") != NULL)
        return pk_keeper_import_configuration(now.keeper, number(step, "configuration", 0), &options, progress,
                                              NULL, &out->result, &out->error);
    return pk_keeper_import_predecessor(now.keeper, text(step, "predecessor"), &options, progress, NULL,
                                        &out->result, &out->error);
}

static pk_code dump(const struct step *step, pk_progress_callback progress, struct outcome *out)
{
    FILE *file = fopen(text(step, "path"), "w");
    pk_code code;
    EXPECT(file != NULL);
    code = pk_keeper_dump(now.keeper, to_file, file, progress, NULL, &out->error);
    EXPECT(fclose(file) == 0);
    return code;
}

static pk_code open_and_close(const struct step *step, struct outcome *out)
{
    pk_open_options options = PK_OPEN_OPTIONS_INIT;
    pk_keeper *keeper = NULL;
    pk_code code;
    options.actor = text(step, "actor");
    options.durability = text(step, "durability");
    options.busy_timeout_ms = milliseconds(step, "busyTimeoutMs", 0);
    options.flags = (number(step, "inMemory", 0) != 0 ? PK_OPEN_IN_MEMORY : 0)
                    | (number(step, "allowNetworkFileSystem", 0) != 0 ? PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM : 0);
    code = pk_keeper_open(text(step, "path"), &options, &keeper, &out->error);
    pk_keeper_free(keeper);
    return code;
}

static pk_code write_file(const struct step *step)
{
    FILE *file = fopen(text(step, "path"), "w");
    EXPECT(file != NULL && fputs(text(step, "text"), file) >= 0 && fclose(file) == 0);
    return PK_OK;
}

static pk_code end_guard(const struct step *step, struct outcome *out)
{
    struct guard *found = guard(text(step, "guard"));
    pk_code code = PK_OK;
    EXPECT(found != NULL);
    if (found->lease != NULL)
        code = pk_lease_release(found->lease, &out->error);
    end(found);
    return code;
}

static pk_code next_free(const struct step *step, struct outcome *out)
{
    uint16_t port = 0;
    pk_code code = pk_keeper_next_free(now.keeper, number(step, "port", 0), &port, &out->error);
    out->is_number = port != 0;
    out->answer = port;
    return code;
}

static pk_code set_role(const struct step *step, struct outcome *out)
{
    const struct guard *found = guard(text(step, "guard"));
    EXPECT(found != NULL);
    return pk_lease_set_role(found->lease, number(step, "port", 0), text(step, "role"), &out->error);
}

static pk_code lend(const struct step *step, struct outcome *out)
{
    const struct guard *found = guard(text(step, "guard"));
    EXPECT(found != NULL);
    return pk_hold_lend(found->hold, &out->error);
}

static pk_code take_back(const struct step *step, struct outcome *out)
{
    const struct guard *found = guard(text(step, "guard"));
    int32_t taken = -1;
    pk_code code;
    EXPECT(found != NULL);
    code = pk_hold_take_back(found->hold, &taken, &out->error);
    out->is_number = code == PK_OK;
    out->answer = taken;
    return code;
}

pk_code run(const struct step *step, struct outcome *out)
{
    const char *operation = step->operation, *path = text(step, "path");
    pk_progress_callback progress = step->cancelled ? no_further : NULL;
    int64_t port = number(step, "port", 0), id = number(step, "id", 0);
    pk_verdict verdict;

#define IS(name) if (strcmp(operation, name) == 0)
    IS("open") return open_and_close(step, out);
    IS("check") return pk_keeper_check(now.keeper, port, &verdict, &out->result, &out->error);
    IS("reserve") return reserve(step, out);
    IS("release") return release(step, out);
    IS("get") return pk_keeper_get(now.keeper, port, &out->result, &out->error);
    IS("nextFree") return next_free(step, out);
    IS("setRoles") return set_role(step, out);
    IS("lend") return lend(step, out);
    IS("takeBack") return take_back(step, out);
    IS("list") return list(step, out);
    IS("history") return history(step, out);
    IS("holderAt") return pk_keeper_holder_at(now.keeper, port, text(step, "time"), &out->result, &out->error);
    IS("stale")
        return pk_keeper_stale(now.keeper, milliseconds(step, "olderThanMs", 0), &out->result, &out->error);
    IS("summary") return pk_keeper_summary(now.keeper, &out->result, &out->error);
    IS("projects") return pk_keeper_projects(now.keeper, &out->result, &out->error);
    IS("listeners") return pk_keeper_listeners(now.keeper, &out->result, &out->error);
    IS("scan") return pk_keeper_scan(now.keeper, &out->result, &out->error);
    IS("request") return request(step, out);
    IS("lease") return lease(step, out);
    IS("bind") return bind_port(step, out);
    IS("hold") return hold(step, out);
    IS("end") return end_guard(step, out);
    IS("waitReady") return wait_ready(step, out);
    IS("kill")
        return pk_keeper_kill(now.keeper, port, milliseconds(step, "graceMs", PK_KILL_GRACE_MS), &out->result,
                              &out->error);
    IS("export") return export_document(step, out);
    IS("import") return import(step, progress, out);
    IS("configurations") return pk_keeper_configurations(now.keeper, &out->result, &out->error);
    IS("configuration") return pk_keeper_configuration(now.keeper, id, &out->result, &out->error);
    IS("removeConfiguration") return pk_keeper_remove_configuration(now.keeper, id, &out->error);
    IS("backup") return pk_keeper_backup(now.keeper, path, progress, NULL, &out->result, &out->error);
    IS("restore") return pk_keeper_restore(now.keeper, path, progress, NULL, &out->result, &out->error);
    IS("dump") return dump(step, progress, out);
    IS("prune")
        return pk_keeper_prune(now.keeper, milliseconds(step, "historyOlderThanMs", PK_HISTORY_KEPT_MS),
                               milliseconds(step, "scansOlderThanMs", PK_SCANS_KEPT_MS), progress, NULL,
                               &out->result, &out->error);
    IS("compact") return pk_keeper_compact(now.keeper, progress, NULL, &out->result, &out->error);
    IS("verify") return pk_keeper_verify(now.keeper, progress, NULL, &out->result, &out->error);
    IS("stats") return pk_keeper_stats(now.keeper, &out->result, &out->error);
    IS("detect") return pk_project_detect(path, &out->result, &out->error);
    IS("listen") return listen_here(step);
    IS("stranger") return have_a_stranger(step);
    IS("write") return write_file(step);
    fprintf(stderr, "%s is no operation\n", operation);
    exit(1);
}
