/* What libportkeeper_testing has beside portkeeper.h. */
#ifndef HOOKS_H
#define HOOKS_H

#include <portkeeper.h>

pk_code pk_test_panic(pk_error **err);
pk_code pk_test_panic_in_import(const pk_keeper *keeper, pk_error **err);
int32_t pk_test_panic_answer(int32_t otherwise);
pk_code pk_test_fail(pk_code code, pk_error **err);
uint64_t pk_test_time_checks(const pk_keeper *keeper, int64_t port, uint32_t rounds);

#endif
