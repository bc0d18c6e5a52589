/* The arguments of a step; one that it does not have is NULL, 0 or what the caller says. */
#include "conformance.h"

#include <unistd.h>

int64_t stranger;

const char *expanded(const char *text)
{
    static char buffers[32][8192];
    static size_t next;
    char *out, *end;
    if (text == NULL || strchr(text, '$') == NULL)
        return text;
    out = buffers[next++ % 32];
    end = out;
    while (*text != '\0') {
        EXPECT(end - out < 8000);
        if (strncmp(text, "$pid", 4) == 0) {
            end += sprintf(end, "%lld", (long long)getpid());
            text += 4;
        } else if (strncmp(text, "$stranger", 9) == 0) {
            end += sprintf(end, "%lld", (long long)stranger);
            text += 9;
        } else {
            *end++ = *text++;
        }
    }
    *end = '\0';
    return out;
}

const struct argument *find(const struct step *step, const char *name)
{
    for (size_t index = 0; index < step->argument_count; index++)
        if (strcmp(step->arguments[index].name, name) == 0)
            return &step->arguments[index];
    return NULL;
}

const char *text(const struct step *step, const char *name)
{
    const struct argument *argument = find(step, name);
    return argument == NULL ? NULL : expanded(argument->text);
}

int64_t number(const struct step *step, const char *name, int64_t otherwise)
{
    const struct argument *argument = find(step, name);
    if (argument == NULL)
        return otherwise;
    return argument->text == NULL ? argument->number : strtoll(expanded(argument->text), NULL, 10);
}

int64_t range_end(const struct step *step, size_t end)
{
    const struct argument *range = find(step, "range");
    return range == NULL ? 0 : range->numbers[end];
}

uint64_t milliseconds(const struct step *step, const char *name, uint64_t otherwise)
{
    return find(step, name) == NULL ? otherwise : (uint64_t)number(step, name, 0);
}

size_t texts(const struct step *step, const char *name, const char *const **first)
{
    /* NULL is "not given", which an empty list is not. */
    static const char *const none[1];
    const struct argument *argument = find(step, name);
    *first = argument == NULL ? NULL : argument->count == 0 ? none : argument->texts;
    return argument == NULL ? 0 : argument->count;
}
