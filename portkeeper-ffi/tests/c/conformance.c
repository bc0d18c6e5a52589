/* Runs the table of cases that every language runs; see tests/conformance/README.md. */
#include "conformance.h"

#include <unistd.h>

static void run_step(const struct test_case *test, size_t index)
{
    const struct step *step = &test->steps[index];
    struct outcome out = { PK_OK, NULL, NULL, NULL, NULL, false, 0 };
    fprintf(stderr, "%s, step %zu (%s)\n", test->name, index, step->operation);
    out.code = run(step, &out);
    if (out.lease != NULL && out.code == PK_OK) {
        pk_error *error = NULL;
        OK(pk_lease_reservations(out.lease, &out.result, &error));
    }
    if (out.error != NULL)
        fprintf(stderr, "%s: %s\n", pk_error_name(out.error), pk_error_message(out.error));
    EXPECT((out.code != PK_OK) == step->fails && (out.error != NULL) == step->fails);
    EXPECT(out.code == pk_error_code(out.error));
    for (size_t check = 0; check < step->check_count; check++)
        EXPECT(matches(&out, &step->checks[check]));
    pk_result_free(out.result);
    pk_error_free(out.error);
}

static void run_case(const struct test_case *test)
{
    folder = test->folder;
    begin_case();
    for (size_t step = 0; step < test->step_count; step++)
        run_step(test, step);
    end_case();
}

int main(void)
{
    alarm(900);
    keep_apart();
    for (size_t test = 0; test < table_length; test++)
        run_case(&table[test]);
    printf("%zu cases\n", table_length);
    return 0;
}
