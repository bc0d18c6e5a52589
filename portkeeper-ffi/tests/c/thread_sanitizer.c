/*
 * What ThreadSanitizer must be told, where the engine and SQLite are instrumented and Rust's standard library is not,
 * whose source it would take to instrument it. The two functions through which the standard library's locks go when
 * they are contended, and its one-time initialisers, are wrapped by the linker and named here. Their fast paths are in the
 * engine's own code, and seen.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define JOINED_(one, other) one##other
#define JOINED(one, other) JOINED_(one, other)

void JOINED(__real_, LOCK_CONTENDED)(void *lock);
void JOINED(__wrap_, LOCK_CONTENDED)(void *lock)
{
    JOINED(__real_, LOCK_CONTENDED)(lock);
    __tsan_acquire(lock);
}

void JOINED(__real_, CALL_ONCE)(void *once, bool force, void *closure, void *table, void *location);
void JOINED(__wrap_, CALL_ONCE)(void *once, bool force, void *closure, void *table, void *location)
{
    JOINED(__real_, CALL_ONCE)(once, force, closure, table, location);
    __tsan_release(once);
    __tsan_acquire(once);
}

/* LLVM calls these, and GCC's runtime does not have them. It sees the functions that they call. */
void *__tsan_memcpy(void *to, const void *from, size_t count)
{
    return memcpy(to, from, count);
}

void *__tsan_memmove(void *to, const void *from, size_t count)
{
    return memmove(to, from, count);
}

void *__tsan_memset(void *to, int byte, size_t count)
{
    return memset(to, byte, count);
}
