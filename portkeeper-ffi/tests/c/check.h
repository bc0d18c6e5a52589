/* What the test programs share: expectations that end the program, a folder, and children. */
#ifndef CHECK_H
#define CHECK_H

#include <portkeeper.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                                                  \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);       \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

/* The call works. `error` is a variable of the caller's. */
#define OK(call)                                                                           \
    do {                                                                                   \
        pk_code code_ = (call);                                                            \
        if (code_ != PK_OK) {                                                              \
            fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call,              \
                    pk_code_name(code_), pk_error_message(error));                         \
            exit(1);                                                                       \
        }                                                                                  \
        EXPECT(error == NULL);                                                             \
    } while (0)

/* The call is refused with this code, and `error` says the same; it is left to be looked at. */
#define REFUSED(wanted, call)                                                              \
    do {                                                                                   \
        pk_code code_ = (call);                                                            \
        if (code_ != (wanted)) {                                                           \
            fprintf(stderr, "%s:%d: %s: %s and not %s: %s\n", __FILE__, __LINE__, #call,   \
                    pk_code_name(code_), pk_code_name(wanted), pk_error_message(error));   \
            exit(1);                                                                       \
        }                                                                                  \
        EXPECT(pk_error_code(error) == code_);                                             \
        EXPECT(strcmp(pk_error_name(error), pk_code_name(code_)) == 0);                    \
        EXPECT(pk_error_message(error)[0] != '\0');                                        \
    } while (0)

/* The same, and the error is freed. */
#define FAILS(wanted, call)                                                                \
    do {                                                                                   \
        REFUSED(wanted, call);                                                             \
        pk_error_free(error);                                                              \
        error = NULL;                                                                      \
    } while (0)

/* What is refused as an argument. */
#define INVALID(call) FAILS(PK_INVALID_INPUT, call)

#define SAME(text, wanted) EXPECT(same((text), (wanted)))

static inline bool same(const char *text, const char *wanted)
{
    if (text != NULL && strcmp(text, wanted) == 0)
        return true;
    fprintf(stderr, "found:  %s\nwanted: %s\n", text == NULL ? "(NULL)" : text, wanted);
    return false;
}

/* The folder that the test may write to, ready to be followed by a name. */
extern const char *folder;

/* The path of `name` in the folder; freed by the caller. */
char *in_folder(const char *name);
/* A new registry in the folder. */
pk_keeper *new_keeper(const char *name);
/* Options for ports that nobody else in this test run takes on purpose. */
pk_request_options random_ports(void);
/* A network of this program's own, where it may have one: no other program takes a port between two steps. */
void keep_apart(void);
/* A socket that listens on 127.0.0.1 at `port`; any port with 0. */
int listen_on(uint16_t port);
/* Closes a listener, and returns when nobody can see it any more. */
void close_listener(int listener);
/* Waits until a port is what it must become: whoever looks through /proc keeps what is closed for a moment. */
void becomes(const pk_keeper *keeper, int64_t port, pk_verdict wanted);
/* The port of a socket. */
uint16_t port_of(int socket);
/* Runs `body` in a child and returns how the child ended. */
int in_child(void (*body)(void));
/* A child of nobody's here that listens on `port` and ends when *control is closed; its pid. */
long stranger_on(uint16_t port, int *control);

/* Whether a process can be told from its successors; an old valgrind does not let programs do so, and then
 * Port Keeper signals nobody. */
bool has_pidfds(void);

void test_claims(void);
void test_requests(void);
void test_guards(void);
void test_queries(void);
void test_machine(void);
void test_transfer(void);
void test_care(void);
void test_results(void);
void test_kinds(void);
void test_misuse(void);
void test_options(void);
void test_threads(void);

#endif
