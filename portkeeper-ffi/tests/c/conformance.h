/* The table that tests/conformance.rs makes of the cases of all languages, and what it consists of. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "check.h"

#include <sys/types.h>

/* An argument: a number, a text, or several of one of them. */
struct argument {
    const char *name;
    int64_t number;
    const char *text;
    size_t count;
    const int64_t *numbers;
    const char *const *texts;
};

enum expectation { IS_NULL, IS_SOMETHING, IS_NUMBER, IS_TEXT, HAS_LENGTH, HAS_ROWS };

/* What a field of a result, or of an error, must be. A number may be one of the placeholders that are known only when the
 * program runs; it is a text then. */
struct check {
    size_t row;
    const char *field;
    enum expectation expectation;
    int64_t number;
    const char *text;
};

struct step {
    const char *operation;
    const char *guard;
    bool cancelled;
    bool fails;
    size_t argument_count;
    const struct argument *arguments;
    size_t check_count;
    const struct check *checks;
};

struct test_case {
    const char *name;
    const char *folder;
    size_t step_count;
    const struct step *steps;
};

extern const struct test_case table[];
extern const size_t table_length;
/* Where stranger.py is. */
extern const char *const stranger_script;

/* What a step gave. */
struct outcome {
    pk_code code;
    pk_error *error;
    pk_result *result;
    const pk_lease *lease;
    const pk_hold *hold;
    /* What has no fields: a number, or true as 1 and false as 0. */
    bool is_number;
    int64_t answer;
};

/* The pid of the last stranger. */
extern int64_t stranger;

const struct argument *find(const struct step *step, const char *name);
const char *text(const struct step *step, const char *name);
int64_t number(const struct step *step, const char *name, int64_t otherwise);
uint64_t milliseconds(const struct step *step, const char *name, uint64_t otherwise);
int64_t range_end(const struct step *step, size_t end);
size_t texts(const struct step *step, const char *name, const char *const **first);
/* A text with $pid and $stranger written out, in one of a few buffers that are used in turn. */
const char *expanded(const char *text);
enum { GUARDS = 8, LISTENERS = 8 };

/* An object of the case, under its name there. */
struct guard {
    const char *name;
    pk_lease *lease;
    pk_hold *hold;
    pk_bound *bound;
};

/* The case under way. */
struct state {
    pk_keeper *keeper;
    struct guard guards[GUARDS];
    int listeners[LISTENERS];
    size_t listener_count;
    pid_t stranger_parent;
    int stranger_input;
};

extern struct state now;

/* Opens the registry of a case in the folder, and ends all that the case left. */
void begin_case(void);
void end_case(void);
/* The guard of this name; NULL where there is none. */
struct guard *guard(const char *name);
struct guard *new_guard(const char *name);
void end(struct guard *guard);
pk_code listen_here(const struct step *step);
pk_code have_a_stranger(const struct step *step);
/* Does what a step says, and fills `out` but for its code, which is returned. */
pk_code run(const struct step *step, struct outcome *out);
/* Whether the outcome is as expected. */
bool matches(const struct outcome *out, const struct check *check);

#endif
