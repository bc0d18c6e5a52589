/*
 * Port Keeper: the registry of a machine's network ports, for C and everything that can call C.
 *
 *     #include <inttypes.h>
 *     #include <portkeeper.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         pk_keeper *keeper = NULL;
 *         pk_result *rows = NULL;
 *         pk_error *error = NULL;
 *         uint16_t port = 0;
 *
 *         if (pk_keeper_open(NULL, NULL, &keeper, &error) != PK_OK
 *             || pk_keeper_request(keeper, "my-app", NULL, &port, &error) != PK_OK
 *             || pk_keeper_list(keeper, NULL, &rows, &error) != PK_OK) {
 *             fprintf(stderr, "%s: %s\n", pk_error_name(error), pk_error_message(error));
 *             pk_error_free(error);
 *         }
 *         for (size_t row = 0; row < pk_result_count(rows); row++)
 *             printf("%" PRId64 " %s\n", pk_result_int(rows, row, "number"),
 *                    pk_result_text(rows, row, "projectName"));
 *         pk_result_free(rows);
 *         pk_keeper_free(keeper);
 *         return port == 0;
 *     }
 *
 * Calls
 *   Operations return PK_OK or the code of an error. On failure every output is as it was before the call.
 *   `err`, always last, may be NULL. It is written by every call: NULL on success, else an error that the
 *   caller frees. What was there before is not read, so that an earlier error must have been freed or kept
 *   elsewhere. Nothing is kept per thread. A panic, which would be a defect, arrives as PK_INTERNAL.
 *   Outputs are written at the end of a call. A callback that makes calls of its own while one runs passes
 *   them other outputs than those of the running call. Yes and no are 1 and 0 in an int32_t.
 *
 * Arguments
 *   A pointer that is NULL is refused with PK_INVALID_INPUT, unless the comment of the function or of the
 *   option says what NULL means. Texts are UTF-8 and end with NUL; others are refused with PK_INVALID_INPUT.
 *   Arguments are read during the call and need not live longer, unless the comment says so. Ports are int64_t,
 *   so that 70000 is refused with PK_PORT_INVALID and does not become 4464. What has a few names, such as a
 *   strategy, is passed as a text ("random"), and flags are numbers; no enum is passed by value.
 *
 * Options
 *   Structs of options begin with their size, which the initialiser sets. Everything else is zero, and zero
 *   and NULL are the defaults. The same in C++:
 *
 *     pk_request_options options = PK_REQUEST_OPTIONS_INIT;
 *     options.strategy = "random";
 *
 *   A program that was compiled with an older header has shorter structs, and is served as before. One that
 *   was compiled with a newer header is served as well, as long as what this library does not know is zero;
 *   where it is not, the call is refused with PK_INVALID_INPUT. A pointer to options may be NULL: all
 *   defaults.
 *
 * Ownership
 *   What a function writes through a pointer to a pointer belongs to the caller, who frees it exactly once
 *   with the one function that is named pk_<type>_free, which takes NULL as well. Freeing it twice, or using
 *   it after that, is a defect of the caller's that cannot be caught. What functions return directly, such as
 *   `const char *` and `const pk_lease *`, is not to be freed and lives as long as the object that was asked.
 *   Objects are freed in any order; none needs the keeper that it came from.
 *
 * Threads
 *   Every function may be called from several threads at once, with the same objects, and needs no lock of
 *   the caller's. Only freeing an object is for the last one who uses it. Operations on one keeper run beside
 *   one another. After fork(2) the child may use and free what no other thread was using at that moment; a
 *   lease, hold or bound port is a copy there, whose freeing ends no claim.
 *
 * Fields
 *   Records have these fields, read with pk_result_int() and pk_result_text(). [Type] is a record itself, and
 *   [Type...] a list; "lease.role" and "listeners.0.address" name what is in them. metadata, details and rows
 *   are records whose names are not always the same: pk_result_name() lists them. Later versions may add
 *   fields.
 *
 *   Reservation       number projectName description status pid processName reservedAt lastSeenAt updatedAt
 *                     autoRelease tags [text...] metadata lease [LeaseTerms]
 *   LeaseTerms        id role owner [ProcessIdentity] held borrowed expiresAt
 *   ProcessIdentity   pid start boot namespace pidfd
 *   StaleReservation  as Reservation, and daysOld
 *   PortState         port status verdict explanation reservation [Reservation], and by verdict: project since pid
 *                     listeners [Socket...] sockets [Socket...] connections [Socket...]
 *   Socket            port protocol address state remote owner processes [Process...] uid inode
 *   Process           pid name
 *   HistoryEntry      id port action projectName description performedBy performedAt details
 *   Holder            port projectName status entry [HistoryEntry]
 *   Summary           reserved_count in_use_count free_count total_count
 *   ProjectPorts      projectName ports [number...] activeCount
 *   ScanReport        scannedAt listeners [Socket...] changes [StatusChange...] source
 *   StatusChange      port projectName from to process [Process]
 *   KillReport        port killed [KilledProcess...] reservation [Reservation]
 *   KilledProcess     pid name forced
 *   Document          version exportDate ports [DocumentPort...]
 *   DocumentPort      number projectName description status pid processName reservedAt lastSeenAt updatedAt
 *                     autoRelease role tags [text...] metadata
 *   Configuration     id name description version createdAt createdBy checksum bytes
 *   SavedDocument     as Configuration, and verified document [Document]
 *   ImportReport      ports [ImportedPort...] added updated unchanged conflicts freed dryRun configuration
 *   ImportedPort      port projectName outcome changed otherProject otherSince
 *   BackupReport      path bytes pages rows
 *   RestoreReport     safetyBackup restored released history configurations
 *   PruneReport       history scans
 *   CompactReport     bytesBefore bytesAfter
 *   Stats             path bytes walBytes pages pageSize freePages schemaVersion rows
 *   Finding           severity kind port message
 *   Project           name root worktree id
 *
 *   Times are RFC 3339 in UTC, such as 2026-11-23T14:02:00Z.
 *
 *   Words, to which later versions may add (owner is that of a Socket):
 *
 *   status    free reserved in-use
 *   action    reserved released in-use killed
 *   protocol  tcp udp
 *   state     listen bound connected time-wait
 *   owner     known denied other-namespace none
 *   source    sock-diag proc-net netstat2 other
 *   outcome   added updated unchanged conflict freed
 *   verdict   free reserved held listening bound time-wait outgoing-connection privileged excluded
 *   severity  warning error
 *   kind      integrity foreign-key schema port value timestamp json history lease
 *
 * This file is made from the library's source by cbindgen; changes are lost.
 */

#ifndef PORTKEEPER_H
#define PORTKEEPER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version --------------------------------------------------------------------------------------------- */

// The version of the functions and structs in this header. It grows with every addition.
#define PK_ABI_VERSION 1

// The version of the library, such as "0.1.0". Static: never freed.
//
// Thread-safe.
const char *pk_version(void);

// The version of the ABI that the library has; PK_ABI_VERSION is the one of this header.
//
// Thread-safe.
uint32_t pk_abi_version(void);

// Whether the library that was loaded serves callers that were compiled with this version of the header, 1 or
// 0:
//
//     if (!pk_abi_supports(PK_ABI_VERSION)) { ... an older or an incompatible libportkeeper ... }
//
// Thread-safe.
int32_t pk_abi_supports(uint32_t version);

/* ---- Codes ----------------------------------------------------------------------------------------------- */

// What a call came to: PK_OK or the number of an error, one of those below. A number is never reused; a later
// version may have more of them. pk_code_name() gives the name.
//
// These are not the numbers of PK_VERDICT_*, which pk_keeper_check() writes to its output.
typedef int32_t pk_code;

// It worked.
#define PK_OK 0
// The number is not in 1..=65535.
#define PK_PORT_INVALID 1
// A project name is needed and was missing or blank.
#define PK_PROJECT_REQUIRED 2
// Another argument is out of its bounds: also NULL where something must be, and text that is not UTF-8.
#define PK_INVALID_INPUT 3
// Nobody has reserved the port.
#define PK_PORT_NOT_FOUND 4
// Another project has reserved the port.
#define PK_PORT_RESERVED 5
// Something that is not the caller's uses the port.
#define PK_PORT_IN_USE 6
// The range does not hold as many free ports as were asked for.
#define PK_RANGE_EXHAUSTED 7
// Another process than the expected one answers on the port.
#define PK_WRONG_LISTENER 8
// The deadline passed.
#define PK_TIMEOUT 9
// The operating system refused access.
#define PK_PERMISSION_DENIED 10
// A process could not, or must not, be ended.
#define PK_PROCESS_KILL_ERROR 11
// The sockets or processes of this machine could not be read.
#define PK_SCAN_FAILED 12
// A document to import is not valid.
#define PK_IMPORT_INVALID 13
// The database failed in another way than the kinds that follow.
#define PK_DATABASE_ERROR 14
// Other writers kept the database locked until the deadline.
#define PK_DATABASE_BUSY 15
// There is no space left for the database.
#define PK_DATABASE_FULL 16
// The file is damaged, or is no database.
#define PK_DATABASE_CORRUPT 17
// The database was written by a newer version of Port Keeper.
#define PK_SCHEMA_TOO_NEW 18
// The tables are not the documented ones, or belong to another program.
#define PK_SCHEMA_MISMATCH 19
// This platform or configuration cannot do it.
#define PK_UNSUPPORTED 20
// A defect in Port Keeper itself; also what becomes of a panic.
#define PK_INTERNAL 21
// A callback of the caller's stopped the operation.
#define PK_CANCELLED 22

// The name of a code, such as "PORT_RESERVED", "OK" for PK_OK, and "UNKNOWN" for a number that is none.
// Static: never freed.
//
// Thread-safe.
const char *pk_code_name(pk_code code);

/* ---- Verdicts -------------------------------------------------------------------------------------------- */

// What a port is for someone who wants to use it: what pk_keeper_check() writes to its output, and no code of an
// error. A number is never reused; a later version may have more of them.
typedef int32_t pk_verdict;

// Neither claimed nor bound.
#define PK_VERDICT_FREE 0
// Claimed by a project, and not bound.
#define PK_VERDICT_RESERVED 1
// Claimed, and kept bound by a process that does not listen, see pk_keeper_hold().
#define PK_VERDICT_HELD 2
// A TCP listener or a UDP socket is there.
#define PK_VERDICT_LISTENING 3
// Bound by a socket that does not listen.
#define PK_VERDICT_BOUND 4
// A closed connection keeps the port for up to a minute.
#define PK_VERDICT_TIME_WAIT 5
// A connection to elsewhere uses the port as its own end.
#define PK_VERDICT_OUTGOING_CONNECTION 6
// The caller may not bind ports this low.
#define PK_VERDICT_PRIVILEGED 7
// The operating system keeps the port back.
#define PK_VERDICT_EXCLUDED 8

/* ---- Errors ---------------------------------------------------------------------------------------------- */

// Why an operation was refused or failed.
//
// Owned by the caller that got it, who frees it with pk_error_free(). It does not change, so that several
// threads may read it at once. The texts of an error live as long as the error.
typedef struct pk_error pk_error;

// The code that the function returned as well; PK_OK for NULL.
//
// Thread-safe.
pk_code pk_error_code(const pk_error *error);

// The name of the code, such as "PORT_RESERVED"; "OK" for NULL.
//
// Thread-safe. What it returns is the object's and lives as long.
const char *pk_error_name(const pk_error *error);

// A sentence that a person can act on; empty for NULL. Programs read the code and the facts below.
//
// Thread-safe. What it returns is the object's and lives as long.
const char *pk_error_message(const pk_error *error);

// The port that the error is about; 0 where there is none, and for NULL.
//
// Thread-safe.
uint16_t pk_error_port(const pk_error *error);

// The project that stands in the way; NULL where there is none, and for NULL.
//
// Thread-safe. What it returns is the object's and lives as long.
const char *pk_error_project(const pk_error *error);

// The process that stands in the way; 0 where there is none, and for NULL.
//
// Thread-safe.
int64_t pk_error_pid(const pk_error *error);

// The next higher port that is free, where PK_RESERVE_SUGGEST asked for one and there is one; else 0.
//
// Thread-safe.
uint16_t pk_error_next_free(const pk_error *error);

// Frees an error. NULL is fine.
//
// Not thread-safe: nobody uses the object any more.
void pk_error_free(pk_error *error);

/* ---- Results: records and lists -------------------------------------------------------------------------- */

// The rows of an answer: none, one record, or a list of them. Read-only.
//
// A field is found by its row, from 0, and its name, see "Fields" at the top of this header. A dot goes
// into a record or, with a number from 0, into a list: "lease.role", "tags.0",
// "listeners.0.processes.0.pid". A field is null where the row, the name or the element does not exist, and so is
// every field of a result that is NULL.
//
// Owned by the caller that got it, who frees it with pk_result_free(); it depends on no keeper. Several
// threads may read it at once. The texts of a result live as long as the result.
typedef struct pk_result pk_result;

// How many rows there are; 0 for NULL.
//
// Thread-safe.
size_t pk_result_count(const pk_result *result);

// Whether a field is null or missing: 1, or 0.
//
// Thread-safe.
int32_t pk_result_is_null(const pk_result *result, size_t row, const char *name);

// A field as a number: true is 1, a fraction is cut to its whole part, a number beyond int64_t is the nearest
// that fits, and a text is what it says if that is a whole number. 0 for everything else, null among it: ask
// pk_result_is_null() where that is something else than 0.
//
// Thread-safe.
int64_t pk_result_int(const pk_result *result, size_t row, const char *name);

// A field as text: a number in decimal, "true" or "false", a list or a record as JSON. NULL where the
// field is null or missing. A NUL within a text ends it here; pk_result_json() has it whole.
//
// Thread-safe. What it returns is the object's and lives as long.
const char *pk_result_text(const pk_result *result, size_t row, const char *name);

// How many elements a list has, or how many fields a record; 0 for a field that is neither.
//
// Thread-safe.
size_t pk_result_length(const pk_result *result, size_t row, const char *name);

// The name of the field with this index, from 0, of the record at `path`, such as "metadata"; NULL behind the
// last one, and for what is no record. With NULL or "" as `path`, of the row itself. For programs that show
// whatever there is, and for records whose names are the caller's own.
//
// Thread-safe. What it returns is the object's and lives as long.
const char *pk_result_name(const pk_result *result, size_t row, const char *path, size_t index);

// Everything as JSON: an array where the function that made the result gives a list, else the record, or
// "null" where there is none, and for NULL.
//
// Thread-safe. What it returns is the object's and lives as long.
const char *pk_result_json(const pk_result *result);

// Frees a result with all its texts. NULL is fine.
//
// Not thread-safe: nobody uses the object any more.
void pk_result_free(pk_result *result);

/* ---- Callbacks: functions of the caller's ---------------------------------------------------------------- */

// Asked by an operation that waits, every 50 ms or more often, on the thread that called the operation.
// Returns 0 to go on; anything else stops it with PK_CANCELLED. Where several threads use the keeper, or leases
// that it gave, it is called on each of them, also at once.
//
// It uses no keeper of the same registry, frees nothing that the operation was given, and has outputs of its
// own. It must not leave by an exception or a longjmp.
typedef int32_t (*pk_stop_callback)(void *user_data);

// Called at the beginning of a long operation, at times meanwhile, and at its end, on the thread that
// called the operation, with the user_data that was passed there. `operation` is the operation's name and
// lives as long as the call; `total` may be 0 at the beginning, and grow. Returns 0 to go on; anything else
// stops the operation with PK_CANCELLED, which undoes what it did unless its comment says more.
//
// It may read through the same keeper. A write to the same registry would wait for the operation that called
// it, and is PK_UNSUPPORTED; of a registry in memory, so is every use. It frees nothing that the operation
// was given, the keeper least of all, and has outputs of its own. It must not leave by an exception or a
// longjmp.
typedef int32_t (*pk_progress_callback)(void *user_data, const char *operation, uint64_t done, uint64_t total);

// Takes the next `length` bytes of a text, which live as long as the call and do not end with NUL, on the thread
// that called the operation. Returns 0 to go on; anything else ends the operation with PK_CANCELLED.
//
// It may do what a pk_progress_callback may, and nothing that it must not.
typedef int32_t (*pk_write_callback)(void *user_data, const char *bytes, size_t length);

/* ---- Options --------------------------------------------------------------------------------------------- */

// pk_open_options.flags: no file; the registry vanishes with its keeper. For tests.
#define PK_OPEN_IN_MEMORY 1
// pk_open_options.flags: the registry may be on a network or FUSE file system, which is PK_UNSUPPORTED
// otherwise. It may lose what was acknowledged once a second machine, or a program that goes past the
// mount, uses the same file.
#define PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM 2
// pk_reserve_options.flags: claims the port although a process listens there that is neither the caller
// nor its child.
#define PK_RESERVE_ADOPT 1
// pk_reserve_options.flags: where the claim is refused, pk_error_next_free() names a free port. Finding it probes
// one port after the other.
#define PK_RESERVE_SUGGEST 2
// pk_request_options.flags: the claims end with this process.
#define PK_REQUEST_AUTO_RELEASE 1
// pk_import_options.flags: changes nothing, and reports what an import would do.
#define PK_IMPORT_DRY_RUN 1
// pk_import_options.flags: leaves ports of other projects out, instead of refusing the import.
#define PK_IMPORT_SKIP_CONFLICTS 2

// How pk_keeper_open() opens a registry. Begin with PK_OPEN_OPTIONS_INIT.
typedef struct pk_open_options {
    // sizeof(pk_open_options), as the initialiser sets it.
    size_t size;
    // Who the history says did it, 1-200 characters. NULL: the program's name and pid.
    const char *actor;
    // What every write survives once it is acknowledged: with "full" a power cut, with "normal" the end of any
    // process, while a power cut may lose the newest. NULL: as "full" for claims that last, and as "normal" for what
    // a scan finds, or the end of a process would undo anyway.
    const char *durability;
    // How long to wait for other writers before PK_DATABASE_BUSY. 0: 10 seconds.
    uint64_t busy_timeout_ms;
    // PK_OPEN_IN_MEMORY and PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM, or 0.
    uint64_t flags;
} pk_open_options;

// All defaults.
#define PK_OPEN_OPTIONS_INIT { sizeof(pk_open_options), NULL, NULL, 0, 0 }

// What pk_keeper_reserve() claims a port for. What is NULL stays as it is when the project has the port
// already. Begin with PK_RESERVE_OPTIONS_INIT.
typedef struct pk_reserve_options {
    // sizeof(pk_reserve_options), as the initialiser sets it.
    size_t size;
    // What the port is for, at most 4,000 characters. "" removes the description.
    const char *description;
    // Labels, at most 100 of 100 characters each. A pointer that is not NULL removes them with a count of 0.
    const char *const *tags;
    // How many tags there are.
    size_t tags_count;
    // The caller's own data: the text of a JSON object, at most 64 KiB.
    const char *metadata;
    // PK_RESERVE_ADOPT and PK_RESERVE_SUGGEST, or 0.
    uint64_t flags;
} pk_reserve_options;

// All defaults.
#define PK_RESERVE_OPTIONS_INIT { sizeof(pk_reserve_options), NULL, NULL, 0, NULL, 0 }

// Which ports pk_keeper_request(), _request_many(), _lease() and _bind() choose. Begin with
// PK_REQUEST_OPTIONS_INIT.
typedef struct pk_request_options {
    // sizeof(pk_request_options), as the initialiser sets it.
    size_t size;
    // A port for each of these roles, such as "web": who asks for a role again gets the same port.
    const char *const *roles;
    // How many roles there are.
    size_t roles_count;
    // How many ports, for pk_keeper_lease(). 0: one, or one for each role. pk_keeper_request_many() has a parameter
    // for it and does not look here; where one port is asked for, it must be 0 or 1.
    size_t count;
    // In which order ports are tried: "lowest", "contiguous", "random" or "stable". NULL: "lowest".
    const char *strategy;
    // Ports that are not to be chosen.
    const int64_t *avoid;
    // How many there are to avoid.
    size_t avoid_count;
    // What the ports are for, at most 4,000 characters. NULL: as it was.
    const char *description;
    // Labels, at most 100 of 100 characters each. NULL: as they were.
    const char *const *tags;
    // How many tags there are.
    size_t tags_count;
    // Where pk_keeper_bind() listens, an IPv4 or IPv6 address. NULL: "127.0.0.1".
    const char *address;
    // The first port that may be chosen. Both ends 0: 3000-9999, without those that the system gives to outgoing
    // connections; one end alone is PK_PORT_INVALID.
    int64_t range_first;
    // The last port that may be chosen.
    int64_t range_last;
    // The process that the claims end with. 0: none, or this process where PK_REQUEST_AUTO_RELEASE is set and for
    // leases and bound ports.
    int64_t owner_pid;
    // How long the claims last, in whole seconds, rounded up. 0: for ever.
    uint64_t ttl_ms;
    // PK_REQUEST_AUTO_RELEASE or 0.
    uint64_t flags;
} pk_request_options;

// All defaults.
#define PK_REQUEST_OPTIONS_INIT { sizeof(pk_request_options), NULL, 0, 0, NULL, NULL, 0, NULL, NULL, 0, NULL, 0, 0, 0, 0, 0 }

// Which rows pk_keeper_list() gives. Begin with PK_LIST_OPTIONS_INIT.
typedef struct pk_list_options {
    // sizeof(pk_list_options), as the initialiser sets it.
    size_t size;
    // Only ports in this status: "reserved", "in-use", or "free" for those that were given back.
    const char *status;
    // Only ports of this project.
    const char *project;
    // Only ports with this label.
    const char *tag;
    // The first port. Both ends 0: every port; one end alone is PK_PORT_INVALID.
    int64_t range_first;
    // The last port.
    int64_t range_last;
} pk_list_options;

// All defaults.
#define PK_LIST_OPTIONS_INIT { sizeof(pk_list_options), NULL, NULL, NULL, 0, 0 }

// Which entries pk_keeper_history() gives. Begin with PK_HISTORY_OPTIONS_INIT.
typedef struct pk_history_options {
    // sizeof(pk_history_options), as the initialiser sets it.
    size_t size;
    // Only changes of this project's claims.
    const char *project;
    // Only changes of this kind: "reserved", "released", "in-use" or "killed".
    const char *action;
    // Only changes at this time (RFC 3339) or later.
    const char *since;
    // Only changes at this time or earlier.
    const char *until;
    // The next page: "performedAt" of the last entry of the page before. NULL: the first page.
    const char *before_time;
    // The next page: "id" of the same entry. 0 where before_time is NULL.
    int64_t before_id;
    // At most this many entries. 0: 100. A larger number than 4,294,967,295 is taken as that.
    uint64_t limit;
} pk_history_options;

// All defaults.
#define PK_HISTORY_OPTIONS_INIT { sizeof(pk_history_options), NULL, NULL, NULL, NULL, NULL, 0, 0 }

// What pk_keeper_export() exports. Begin with PK_EXPORT_OPTIONS_INIT.
typedef struct pk_export_options {
    // sizeof(pk_export_options), as the initialiser sets it.
    size_t size;
    // Only claims of this project.
    const char *project;
    // What the configuration that is kept is called, 1-200 characters. NULL: "export".
    const char *name;
} pk_export_options;

// All defaults.
#define PK_EXPORT_OPTIONS_INIT { sizeof(pk_export_options), NULL, NULL }

// How the pk_keeper_import_*() functions import. Begin with PK_IMPORT_OPTIONS_INIT.
typedef struct pk_import_options {
    // sizeof(pk_import_options), as the initialiser sets it.
    size_t size;
    // What becomes of claims that the document does not have: "merge" leaves them, "replace" ends them.
    // NULL: "merge".
    const char *mode;
    // Only claims of this project, in the document and in the registry.
    const char *project;
    // What the configuration that is kept is called, 1-200 characters. NULL: "import".
    const char *name;
    // PK_IMPORT_DRY_RUN and PK_IMPORT_SKIP_CONFLICTS, or 0.
    uint64_t flags;
} pk_import_options;

// All defaults.
#define PK_IMPORT_OPTIONS_INIT { sizeof(pk_import_options), NULL, NULL, NULL, 0 }

/* ---- Keepers --------------------------------------------------------------------------------------------- */

// The registry of this machine's ports. Every process of a user opens the same database.
//
// Owned by the caller that got it, who frees it with pk_keeper_free(); what it gave may be used and freed after
// that. Several threads may use one keeper at once, but for freeing it. After a fork the child may go on
// using it.
typedef struct pk_keeper pk_keeper;

// Opens the registry in the file `path`, and creates it, readable by the user alone, where it is missing.
// NULL opens the user's own: PORTKEEPER_DB_PATH where it is set, else ~/.portkeeper/database.db. `options`
// may be NULL.
//
// It reads the environment, which no other thread may change meanwhile.
//
// PK_DATABASE_CORRUPT, PK_SCHEMA_MISMATCH and PK_SCHEMA_TOO_NEW mean a file that is no registry or not this
// version's; it stays as it is. PK_UNSUPPORTED is one on a file system that may be shared with other machines,
// unless PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM is set.
//
// Thread-safe. Free keeper with pk_keeper_free(), err with pk_error_free().
pk_code pk_keeper_open(const char *path,
                       const pk_open_options *options,
                       pk_keeper **keeper,
                       pk_error **err);

// Another keeper of the same registry and connection, whose waits `stop` may end: for other writers of a
// busy database, in pk_keeper_wait_ready(), and for the processes that pk_keeper_kill() ends. What the
// operation did is undone, but for a signal that a process got already.
//
// `stop` ends the waits of a lease that this keeper gave, too, in pk_lease_set_role() and pk_lease_release();
// freeing an object is never stopped. `stop` and `user_data` must live until the new keeper and all its leases
// and bound ports are freed.
//
// Thread-safe. Free interruptible with pk_keeper_free(), err with pk_error_free().
pk_code pk_keeper_interruptible(const pk_keeper *keeper,
                                pk_stop_callback stop,
                                void *user_data,
                                pk_keeper **interruptible,
                                pk_error **err);

// The file of the registry as the system names it, which need not be UTF-8; ":memory:" for one without, ""
// for NULL. It lives as long as the keeper.
//
// Thread-safe. What it returns is the object's and lives as long.
const char *pk_keeper_path(const pk_keeper *keeper);

// Frees a keeper. Claims stay; leases, holds and bound ports stay as well, until they are freed. NULL is
// fine.
//
// Not thread-safe: nobody uses the object any more.
void pk_keeper_free(pk_keeper *keeper);

/* ---- One port at a time: look at it, claim it, give it back ---------------------------------------------- */

// Says what a port is: `verdict` is one of PK_VERDICT_*. A few microseconds for a port that is free. A
// server that starts at the same moment is not disturbed, and nothing is written.
//
// `state` may be NULL; else it gets one row (PortState) that says whose the port is and who listens there.
//
// Thread-safe. Free state with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_check(const pk_keeper *keeper,
                        int64_t port,
                        pk_verdict *verdict,
                        pk_result **state,
                        pk_error **err);

// The registry's row of a port (Reservation), also of one that is free again; no row for a port that nobody
// ever had. The machine is not looked at.
//
// Thread-safe. Free reservation with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_get(const pk_keeper *keeper, int64_t port, pk_result **reservation, pk_error **err);

// The next higher port that a request without a range would give, and that PK_RESERVE_SUGGEST suggests; 0
// where there is none. Nothing is claimed.
//
// Thread-safe. Free err with pk_error_free().
pk_code pk_keeper_next_free(const pk_keeper *keeper, int64_t port, uint16_t *next, pk_error **err);

// Claims a port for a project, 1-200 characters, or alters the project's claim. The claim is on disk when
// this returns and lasts until it is released. `options` may be NULL.
//
// PK_PORT_RESERVED when another project has the port; PK_PORT_IN_USE when somebody listens there who is
// neither the caller nor its child, unless PK_RESERVE_ADOPT is set.
//
// `reservation` may be NULL; else it gets the claim as it is now (Reservation).
//
// Thread-safe. Free reservation with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_reserve(const pk_keeper *keeper,
                          int64_t port,
                          const char *project,
                          const pk_reserve_options *options,
                          pk_result **reservation,
                          pk_error **err);

// Ends the claim on a port. PK_PORT_NOT_FOUND when nobody has it. With `only_of`, which may be NULL,
// PK_PORT_RESERVED when it is another project's. A server that still runs is left alone.
//
// `released` may be NULL; else it gets the row as it is now (a list of one Reservation).
//
// Thread-safe. Free released with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_release(const pk_keeper *keeper,
                          int64_t port,
                          const char *only_of,
                          pk_result **released,
                          pk_error **err);

// Ends the claims on several ports as pk_keeper_release() does: all of them or, where one is refused, none.
//
// Thread-safe. Free released with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_release_ports(const pk_keeper *keeper,
                                const int64_t *ports,
                                size_t count,
                                const char *only_of,
                                pk_result **released,
                                pk_error **err);

// Ends every claim of a project; none is no error.
//
// `released` may be NULL; else it gets the rows as they are now (a list of Reservation).
//
// Thread-safe. Free released with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_release_project(const pk_keeper *keeper,
                                  const char *project,
                                  pk_result **released,
                                  pk_error **err);

/* ---- Ports of the engine's choice ------------------------------------------------------------------------ */

// Claims one free port of the engine's choice for a project. A role that the project has already comes back
// with its port. `options` may be NULL.
//
// PK_RANGE_EXHAUSTED when there is none, with a message that says what holds the range.
//
// Thread-safe. Free err with pk_error_free().
pk_code pk_keeper_request(const pk_keeper *keeper,
                          const char *project,
                          const pk_request_options *options,
                          uint16_t *port,
                          pk_error **err);

// Claims `count` free ports of the engine's choice: all of them or none. `ports` has room for `count`
// numbers and gets them in the order of the roles, or of the strategy. Where the options have roles, `count` is
// how many. `options` may be NULL; their own count is not looked at.
//
// `reservations` may be NULL; else it gets the claims in the same order (a list of Reservation).
//
// Thread-safe. Free reservations with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_request_many(const pk_keeper *keeper,
                               const char *project,
                               const pk_request_options *options,
                               size_t count,
                               uint16_t *ports,
                               pk_result **reservations,
                               pk_error **err);

/* ---- Leases: claims that end with their owner ------------------------------------------------------------ */

// Ports that are claimed until the lease is released or freed, or this process ends, however it ends.
//
// Owned by the caller that got it, who frees it with pk_lease_free(), unless it is a bound port's; see
// pk_bound_lease(). It does not need the keeper any more. Several threads may use it at once, but for freeing it.
// In a forked child it is a copy, which ends nothing.
typedef struct pk_lease pk_lease;

// Claims ports as pk_keeper_request_many() does, for as long as the lease lives. `options` may be NULL.
//
// PK_PORT_RESERVED when another living process, or another lease of this one, uses the project's role.
//
// Thread-safe. Free lease with pk_lease_free(), err with pk_error_free().
pk_code pk_keeper_lease(const pk_keeper *keeper,
                        const char *project,
                        const pk_request_options *options,
                        pk_lease **lease,
                        pk_error **err);

// How many ports the lease has; 0 for NULL.
//
// Thread-safe.
size_t pk_lease_count(const pk_lease *lease);

// One of the lease's ports, from 0 in the order of the request; 0 behind the last one, and for NULL.
//
// Thread-safe.
uint16_t pk_lease_port(const pk_lease *lease, size_t index);

// The claims as they were granted (a list of Reservation), with the roles that they have now.
//
// Thread-safe. Free reservations with pk_result_free(), err with pk_error_free().
pk_code pk_lease_reservations(const pk_lease *lease, pk_result **reservations, pk_error **err);

// Says what one of the leased ports is used for from now on: its role, or NULL for none. A pool of ports that
// serve one purpose after the other is claimed once.
//
// PK_PORT_RESERVED when the project has the role on another port, or the lease has gone to somebody else;
// PK_INVALID_INPUT for a port that is not the lease's, and after pk_lease_release().
//
// Thread-safe. Free err with pk_error_free().
pk_code pk_lease_set_role(const pk_lease *lease, int64_t port, const char *role, pk_error **err);

// Releases the ports, as freeing the lease does, and tells whether it worked. The lease is there until it
// is freed; releasing it again does nothing. PK_UNSUPPORTED in a forked child.
//
// After another error, PK_CANCELLED among them, the lease is what it was: this can be tried again, and freeing
// the lease tries it once more. What is left then is claimed until this process ends.
//
// Thread-safe. Free err with pk_error_free().
pk_code pk_lease_release(const pk_lease *lease,
                         pk_error **err);

// Releases the ports, unless pk_lease_release() did, and frees the lease. NULL is fine. It may wait for other
// writers of the registry, and so may freeing holds and bound ports.
//
// Not thread-safe: nobody uses the object any more.
void pk_lease_free(pk_lease *lease);

/* ---- Holds: keeping strangers off a port until its server listens ---------------------------------------- */

// A claimed port that is kept bound, without listening, until the hold is freed or this process ends.
//
// Owned by the caller that got it, who frees it with pk_hold_free(). It does not need the keeper any more.
// Several threads may use it at once, but for freeing it. In a forked child it is a copy, whose socket the child
// closes by freeing it, and which ends nothing else.
typedef struct pk_hold pk_hold;

// Keeps a claimed port bound without listening: the kernel gives it to nobody who asks for any port, and to
// no outgoing connection. A server that sets SO_REUSEADDR, as most do, starts on it as if it were free.
//
// PK_PORT_NOT_FOUND when nobody has claimed the port, PK_PORT_RESERVED when another living process has the
// claim or the port is held already, PK_PORT_IN_USE when somebody has the port.
//
// Thread-safe. Free hold with pk_hold_free(), err with pk_error_free().
pk_code pk_keeper_hold(const pk_keeper *keeper, int64_t port, pk_hold **hold, pk_error **err);

// Lets go of the port for a server that does not set SO_REUSEADDR, which can bind it from now on, and so can
// everybody else. The claim is as it was, and the registry goes on saying that the port is held.
//
// Thread-safe. Free err with pk_error_free().
pk_code pk_hold_lend(const pk_hold *hold, pk_error **err);

// Binds the port again after pk_hold_lend(): `taken` is 1, also when it was never lent, or 0 where somebody
// else has it now. A server that sets SO_REUSEADDR and does not listen yet is not in the way.
//
// Thread-safe. Free err with pk_error_free().
pk_code pk_hold_take_back(const pk_hold *hold, int32_t *taken, pk_error **err);

// The port; 0 for NULL.
//
// Thread-safe.
uint16_t pk_hold_port(const pk_hold *hold);

// Gives the port up and frees the hold. The claim stays. NULL is fine.
//
// Not thread-safe: nobody uses the object any more.
void pk_hold_free(pk_hold *hold);

/* ---- Bound ports: a claim together with its listening socket --------------------------------------------- */

// A leased port and the socket that listens on it.
//
// Owned by the caller that got it, who frees it with pk_bound_free(). It does not need the keeper any more.
// Several threads may use it at once, but for freeing it. In a forked child it is a copy, whose socket the child
// closes by freeing it, and which ends nothing else.
typedef struct pk_bound pk_bound;

// Claims one port as pk_keeper_lease() does and listens on it: there is no moment at which the port is the
// caller's and somebody else could bind it. `options` may be NULL; its `address` says where to listen.
//
// Thread-safe. Free bound with pk_bound_free(), err with pk_error_free().
pk_code pk_keeper_bind(const pk_keeper *keeper,
                       const char *project,
                       const pk_request_options *options,
                       pk_bound **bound,
                       pk_error **err);

// The port; 0 for NULL.
//
// Thread-safe.
uint16_t pk_bound_port(const pk_bound *bound);

// The descriptor of the listening socket, which stays the bound port's: do not close it. It is blocking, is
// closed by exec(3), and is good until pk_bound_free(). -1 when pk_bound_take_fd() has taken it, for NULL, and on
// platforms without descriptors.
//
// Thread-safe.
int pk_bound_fd(const pk_bound *bound);

// The descriptor of pk_bound_fd(), which from now on belongs to the caller, who closes it. The claim stays the
// bound port's, and ends with it. -1 when it was taken before, for NULL, and on platforms without descriptors.
//
// Thread-safe.
int pk_bound_take_fd(const pk_bound *bound);

// The lease on the port, for pk_lease_reservations(), pk_lease_release() and pk_keeper_wait_ready_lease(). It
// is the bound port's, and is not to be freed. NULL for NULL.
//
// Thread-safe. What it returns is the object's and lives as long.
const pk_lease *pk_bound_lease(const pk_bound *bound);

// Closes the socket, unless it was taken, releases the port and frees the bound port. NULL is fine.
//
// Not thread-safe: nobody uses the object any more.
void pk_bound_free(pk_bound *bound);

/* ---- Questions that the registry answers without looking at the machine ---------------------------------- */

// For pk_keeper_history(): every port.
#define PK_ALL_PORTS INT64_MIN

// The claims, by number (a list of Reservation). `options` may be NULL.
//
// Thread-safe. Free rows with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_list(const pk_keeper *keeper,
                       const pk_list_options *options,
                       pk_result **rows,
                       pk_error **err);

// What happened to the claims on a port, or on every one with PK_ALL_PORTS, newest first (a list of
// HistoryEntry). `options` may be NULL.
//
// Thread-safe. Free entries with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_history(const pk_keeper *keeper,
                          int64_t port,
                          const pk_history_options *options,
                          pk_result **entries,
                          pk_error **err);

// Who had a port at a moment (RFC 3339), to the second (Holder); no row when nobody had.
//
// Thread-safe. Free holder with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_holder_at(const pk_keeper *keeper,
                            int64_t port,
                            const char *moment,
                            pk_result **holder,
                            pk_error **err);

// Claims that were made more than `older_than_ms` ago and are not in use, the oldest first (a list of
// StaleReservation). An age longer than the engine knows is taken as its longest.
//
// Thread-safe. Free rows with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_stale(const pk_keeper *keeper, uint64_t older_than_ms, pk_result **rows, pk_error **err);

// How many ports there are in each status (Summary).
//
// Thread-safe. Free summary with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_summary(const pk_keeper *keeper, pk_result **summary, pk_error **err);

// Every project that has a port, by name (a list of ProjectPorts).
//
// Thread-safe. Free projects with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_projects(const pk_keeper *keeper, pk_result **projects, pk_error **err);

/* ---- The machine: who listens, waiting for a server, and ending one -------------------------------------- */

// For pk_keeper_kill(): how long processes may take to end by themselves, usually.
#define PK_KILL_GRACE_MS 5000

// Every TCP listener and UDP socket of this machine with its owner (a list of Socket). Nothing is written.
//
// Thread-safe. Free listeners with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_listeners(const pk_keeper *keeper, pk_result **listeners, pk_error **err);

// Looks at the machine once and brings the registry up to date: a claim whose port listens is in use, one
// whose port does not is reserved, and one whose owner has ended is free. Each change has its entry in the
// history.
//
// `report` may be NULL; else it gets what was seen and changed (ScanReport).
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_scan(const pk_keeper *keeper, pk_result **report, pk_error **err);

// Waits until a TCP server listens on the port, and makes sure that it is the right one: process `pid` or
// a descendant of it; with 0, the owner of the claim, or this process where it has none.
//
// PK_WRONG_LISTENER, which names who answers instead, as soon as anyone else listens there; PK_TIMEOUT when
// nobody does within that time, and at once when the process has ended.
//
// `socket` may be NULL; else it gets the server's socket (Socket).
//
// Thread-safe. Free socket with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_wait_ready(const pk_keeper *keeper,
                             int64_t port,
                             int64_t pid,
                             uint64_t timeout_ms,
                             pk_result **socket,
                             pk_error **err);

// Waits for the first port of a lease as pk_keeper_wait_ready() does, as long as the lease is what it was:
// PK_PORT_NOT_FOUND or PK_PORT_RESERVED when the claim has ended or gone to somebody else.
//
// Thread-safe. Free socket with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_wait_ready_lease(const pk_keeper *keeper,
                                   const pk_lease *lease,
                                   int64_t pid,
                                   uint64_t timeout_ms,
                                   pk_result **socket,
                                   pk_error **err);

// Ends the processes that listen on a port, and never its clients: SIGTERM, and SIGKILL for those that still
// run after `grace_ms`, usually PK_KILL_GRACE_MS; with 0, SIGKILL at once. Returns when nobody listens and
// all of them have ended. The claim stays its project's.
//
// PK_PROCESS_KILL_ERROR when the first process, this one, an ancestor, or one of another namespace listens
// there, and for a process that does not end; PK_PERMISSION_DENIED for one of another user.
//
// `report` may be NULL; else it gets who was ended (KillReport).
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_kill(const pk_keeper *keeper,
                       int64_t port,
                       uint64_t grace_ms,
                       pk_result **report,
                       pk_error **err);

/* ---- Claims as documents: export, import, and what was kept of them -------------------------------------- */

// The claims of this moment (Document); pk_result_json() of it is the text that pk_keeper_import_json()
// takes. The registry keeps the document as a configuration, see pk_keeper_configurations(). `options` may be
// NULL.
//
// Thread-safe. Free document with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_export(const pk_keeper *keeper,
                         const pk_export_options *options,
                         pk_result **document,
                         pk_error **err);

// Takes the claims of a document, its text as JSON, into the registry: all of them or none. `options` and
// `progress` may be NULL. Other processes wait with their writes.
//
// PK_PORT_RESERVED when another project has one of the ports, unless PK_IMPORT_SKIP_CONFLICTS is set;
// PK_IMPORT_INVALID for what is no such document.
//
// `report` may be NULL; else it gets what became of each port (ImportReport).
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_import_json(const pk_keeper *keeper,
                              const char *json,
                              const pk_import_options *options,
                              pk_progress_callback progress,
                              void *user_data,
                              pk_result **report,
                              pk_error **err);

// Imports the document of an earlier export or import again, by its id in pk_keeper_configurations(); otherwise as
// pk_keeper_import_json().
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_import_configuration(const pk_keeper *keeper,
                                       int64_t id,
                                       const pk_import_options *options,
                                       pk_progress_callback progress,
                                       void *user_data,
                                       pk_result **report,
                                       pk_error **err);

// Imports the database of Port Keeper's predecessor, which is ~/.portmanager/ports.db and is only read;
// otherwise as pk_keeper_import_json().
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_import_predecessor(const pk_keeper *keeper,
                                     const char *path,
                                     const pk_import_options *options,
                                     pk_progress_callback progress,
                                     void *user_data,
                                     pk_result **report,
                                     pk_error **err);

// Every export and import that the registry has kept, newest first, without the documents (a list of
// Configuration).
//
// Thread-safe. Free rows with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_configurations(const pk_keeper *keeper, pk_result **rows, pk_error **err);

// A kept export or import with its document (SavedDocument). PK_INVALID_INPUT for an id that does not exist;
// PK_DATABASE_CORRUPT when the document is not the one that was kept.
//
// Thread-safe. Free configuration with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_configuration(const pk_keeper *keeper,
                                int64_t id,
                                pk_result **configuration,
                                pk_error **err);

// Removes a kept export or import. Claims and history are left alone. PK_INVALID_INPUT for an id that does not
// exist.
//
// Thread-safe. Free err with pk_error_free().
pk_code pk_keeper_remove_configuration(const pk_keeper *keeper,
                                       int64_t id,
                                       pk_error **err);

/* ---- Care of the database: backups, damage, size --------------------------------------------------------- */

// For pk_keeper_prune(): how long history is kept, usually: 365 days.
#define PK_HISTORY_KEPT_MS 31536000000
// For pk_keeper_prune(): how long results of scans are kept, usually: 7 days.
#define PK_SCANS_KEPT_MS 604800000

// Writes a copy of the registry to the file `path`, checked and readable by the user alone, while everybody goes
// on. An earlier backup there is replaced at the end, and stays when this is stopped or fails; for any other file
// there PK_INVALID_INPUT. `progress` may be NULL. Copying the registry's file instead makes broken copies.
//
// `report` may be NULL; else it gets what was written (BackupReport).
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_backup(const pk_keeper *keeper,
                         const char *path,
                         pk_progress_callback progress,
                         void *user_data,
                         pk_result **report,
                         pk_error **err);

// Brings the claims of a backup, or of a dump, which is the file `path`, back into the live registry, all of them
// or none. Where that changes anything, the state before is first written to a backup beside the registry, which
// the report names. No history is deleted. Other processes wait with their writes. `progress` may be NULL.
//
// PK_DATABASE_CORRUPT, PK_SCHEMA_MISMATCH and PK_SCHEMA_TOO_NEW for a file that is no sound backup.
//
// `report` may be NULL; else it gets what was changed (RestoreReport).
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_restore(const pk_keeper *keeper,
                          const char *path,
                          pk_progress_callback progress,
                          void *user_data,
                          pk_result **report,
                          pk_error **err);

// The registry as SQL that `sqlite3 new.db < dump.sql` reads back, piece by piece through `write`, which gets
// `write_data`. What it got before an error is no whole dump. `progress` may be NULL.
//
// Thread-safe. Free err with pk_error_free().
pk_code pk_keeper_dump(const pk_keeper *keeper,
                       pk_write_callback write,
                       void *write_data,
                       pk_progress_callback progress,
                       void *user_data,
                       pk_error **err);

// Removes history and results of scans that are older than these ages, usually PK_HISTORY_KEPT_MS and
// PK_SCANS_KEPT_MS; with 0, all that is older than this moment. What is kept stays right: of each port the last
// claim before it is kept, however old. `progress` may be NULL; a prune that it stops has removed the oldest rows.
//
// `report` may be NULL; else it gets how much was removed (PruneReport).
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_prune(const pk_keeper *keeper,
                        uint64_t history_older_than_ms,
                        uint64_t scans_older_than_ms,
                        pk_progress_callback progress,
                        void *user_data,
                        pk_result **report,
                        pk_error **err);

// Writes the database anew without the gaps that a prune leaves. Other processes wait with their writes.
// `progress` may be NULL.
//
// `report` may be NULL; else it gets what was gained (CompactReport).
//
// Thread-safe. Free report with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_compact(const pk_keeper *keeper,
                          pk_progress_callback progress,
                          void *user_data,
                          pk_result **report,
                          pk_error **err);

// Looks for damage and changes nothing (a list of Finding); no row means that all is well. `progress` may be
// NULL.
//
// Thread-safe. Free findings with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_verify(const pk_keeper *keeper,
                         pk_progress_callback progress,
                         void *user_data,
                         pk_result **findings,
                         pk_error **err);

// How large the registry is (Stats).
//
// Thread-safe. Free stats with pk_result_free(), err with pk_error_free().
pk_code pk_keeper_stats(const pk_keeper *keeper, pk_result **stats, pk_error **err);

/* ---- Projects: what a folder is called ------------------------------------------------------------------- */

// The project that a folder belongs to (Project), found by its manifest and its git checkout. Its "id" is what
// to reserve ports for. PK_INVALID_INPUT for what is no folder.
//
// Thread-safe. Free project with pk_result_free(), err with pk_error_free().
pk_code pk_project_detect(const char *path,
                          pk_result **project,
                          pk_error **err);

#ifdef __cplusplus
}
#endif

#endif /* PORTKEEPER_H */
