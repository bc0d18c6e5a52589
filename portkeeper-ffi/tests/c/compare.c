/* Compares what a step gave with what the table says. */
#include "conformance.h"

/* One field, wherever the outcome has it. */
struct field {
    bool is_null;
    int64_t number;
    const char *text;
    size_t length;
};

static struct field of_number(int64_t number)
{
    static char buffers[4][24];
    static size_t next;
    struct field field = { false, number, NULL, 0 };
    char *buffer = buffers[next++ % 4];
    snprintf(buffer, sizeof buffers[0], "%lld", (long long)number);
    field.text = buffer;
    return field;
}

static struct field of_result(const pk_result *result, size_t row, const char *name)
{
    struct field field;
    field.is_null = pk_result_is_null(result, row, name);
    field.number = pk_result_int(result, row, name);
    field.text = pk_result_text(result, row, name);
    field.length = pk_result_length(result, row, name);
    return field;
}

static struct field of_error(const pk_error *error, const char *name)
{
    struct field field = { true, 0, NULL, 0 };
    if (strcmp(name, "code") == 0)
        field.text = pk_error_name(error);
    else if (strcmp(name, "message") == 0)
        field.text = pk_error_message(error);
    else if (strcmp(name, "project") == 0)
        field.text = pk_error_project(error);
    else if (strcmp(name, "port") == 0)
        field = of_number(pk_error_port(error));
    else if (strcmp(name, "pid") == 0)
        field = of_number(pk_error_pid(error));
    else if (strcmp(name, "nextFree") == 0)
        field = of_number(pk_error_next_free(error));
    else
        EXPECT(!"a fact of an error");
    field.is_null = field.text == NULL || strcmp(field.text, "0") == 0;
    return field;
}

/* Guards show as {"port", "ports", "reservations"}. */
static struct field of_guard(const struct outcome *out, const char *name)
{
    struct field field = { false, 0, "", 0 };
    if (strcmp(name, "port") == 0)
        return of_number(out->hold != NULL ? pk_hold_port(out->hold) : pk_lease_port(out->lease, 0));
    EXPECT(out->lease != NULL);
    field.length = pk_lease_count(out->lease);
    if (strncmp(name, "ports.", 6) == 0)
        return of_number(pk_lease_port(out->lease, strtoul(name + 6, NULL, 10)));
    if (strncmp(name, "reservations.", 13) == 0) {
        char *rest = NULL;
        size_t row = strtoul(name + 13, &rest, 10);
        if (*rest == '.')
            return of_result(out->result, row, rest + 1);
        field.is_null = row >= pk_result_count(out->result);
        return field;
    }
    EXPECT(strcmp(name, "ports") == 0 || strcmp(name, "reservations") == 0);
    return field;
}

bool matches(const struct outcome *out, const struct check *check)
{
    struct field field;
    if (check->expectation == HAS_ROWS) {
        size_t rows = out->is_number ? 1 : pk_result_count(out->result);
        return check->number < 0 ? rows > 0 : rows == (size_t)check->number;
    }
    if (out->is_number)
        field = of_number(out->answer);
    else if (out->error != NULL)
        field = of_error(out->error, check->field);
    else if (out->lease != NULL || out->hold != NULL)
        field = of_guard(out, check->field);
    else
        field = of_result(out->result, check->row, check->field);
    fprintf(stderr, "%s: found %s\n", check->field, field.is_null ? "null" : field.text);
    switch (check->expectation) {
    case IS_NULL:
        return field.is_null;
    case IS_SOMETHING:
        return !field.is_null;
    case IS_NUMBER:
        return !field.is_null
               && field.number == (check->text == NULL ? check->number : strtoll(expanded(check->text), NULL, 10));
    case IS_TEXT:
        return !field.is_null && strcmp(field.text, expanded(check->text)) == 0;
    case HAS_LENGTH:
        return !field.is_null && field.length == (size_t)check->number;
    case HAS_ROWS:
        break;
    }
    return false;
}
