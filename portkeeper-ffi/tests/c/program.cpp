// A C++ program: options by the initialisers, objects owned by unique_ptr, callbacks that are lambdas.

// What another header may declare without portkeeper.h.
struct pk_error;
struct pk_keeper;
struct pk_open_options;
struct pk_request_options;

#include <portkeeper.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

template <auto Free> struct Freed {
    template <typename T> void operator()(T *object) const { Free(object); }
};
using Keeper = std::unique_ptr<pk_keeper, Freed<pk_keeper_free>>;
using Result = std::unique_ptr<pk_result, Freed<pk_result_free>>;
using Error = std::unique_ptr<pk_error, Freed<pk_error_free>>;
using Lease = std::unique_ptr<pk_lease, Freed<pk_lease_free>>;
using Bound = std::unique_ptr<pk_bound, Freed<pk_bound_free>>;

class Refused : public std::runtime_error {
public:
    Refused(pk_code refused, const pk_error *error)
        : std::runtime_error(pk_error_message(error)), code(refused) {}
    const pk_code code;
};

// Calls `operation` with a place for the error, and throws what it says.
template <typename Operation> void call(Operation operation)
{
    pk_error *raw = nullptr;
    const pk_code code = operation(&raw);
    const Error error(raw);
    if (code != PK_OK)
        throw Refused(code, error.get());
}

// The same for what gives an object.
template <typename Owner, typename Operation> Owner made(Operation operation)
{
    typename Owner::pointer object = nullptr;
    call([&](pk_error **error) { return operation(&object, error); });
    return Owner(object);
}

void expect(bool condition, const char *what)
{
    if (!condition) {
        std::fprintf(stderr, "expected %s\n", what);
        std::exit(1);
    }
}
#define EXPECT(condition) expect((condition), #condition)

void run(const char *path)
{
    pk_open_options how = PK_OPEN_OPTIONS_INIT;
    how.actor = "c++ program";
    const Keeper keeper = made<Keeper>([&](pk_keeper **out, pk_error **error) {
        return pk_keeper_open(path, &how, out, error);
    });

    pk_request_options options = PK_REQUEST_OPTIONS_INIT;
    const char *const roles[] = { "web", "api" };
    options.roles = roles;
    options.roles_count = 2;
    options.strategy = "random";
    options.range_first = 20000;
    options.range_last = 29999;
    const Lease lease = made<Lease>([&](pk_lease **out, pk_error **error) {
        return pk_keeper_lease(keeper.get(), "shop", &options, out, error);
    });
    EXPECT(pk_lease_count(lease.get()) == 2);

    // A struct of defaults needs no name.
    const Bound bound = made<Bound>([&](pk_bound **out, pk_error **error) {
        const pk_request_options defaults = pk_request_options PK_REQUEST_OPTIONS_INIT;
        return pk_keeper_bind(keeper.get(), "server", &defaults, out, error);
    });
    EXPECT(pk_bound_fd(bound.get()) >= 0);

    try {
        call([&](pk_error **error) {
            return pk_keeper_reserve(keeper.get(), pk_lease_port(lease.get(), 0), "blog", nullptr, nullptr, error);
        });
        EXPECT(!"refused");
    } catch (const Refused &refused) {
        EXPECT(refused.code == PK_PORT_RESERVED);
        EXPECT(std::string(refused.what()).find("shop") != std::string::npos);
    }

    const Result rows = made<Result>([&](pk_result **out, pk_error **error) {
        return pk_keeper_list(keeper.get(), nullptr, out, error);
    });
    EXPECT(pk_result_count(rows.get()) == 3);
    bool found = false;
    for (size_t row = 0; row < pk_result_count(rows.get()); row++)
        found = found || std::string("server") == pk_result_text(rows.get(), row, "projectName");
    EXPECT(found);

    std::string dump;
    int reports = 0;
    call([&](pk_error **error) {
        return pk_keeper_dump(
            keeper.get(),
            [](void *text, const char *bytes, size_t length) -> int32_t {
                static_cast<std::string *>(text)->append(bytes, length);
                return 0;
            },
            &dump,
            [](void *count, const char *, uint64_t, uint64_t) -> int32_t {
                ++*static_cast<int *>(count);
                return 0;
            },
            &reports, error);
    });
    EXPECT(reports > 0 && dump.find("c++ program") != std::string::npos);
}

} // namespace

int main(int count, char **arguments)
{
    if (count != 2 || !pk_abi_supports(PK_ABI_VERSION))
        return 2;
    run(arguments[1]);
    std::puts("c++ passed");
    return 0;
}
