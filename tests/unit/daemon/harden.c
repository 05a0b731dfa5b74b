// tests/unit/daemon/harden.c -- akssld may make no code, what it starts may.

#include "daemon/harden.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"

// may_make_code tries what a compiler at run time does, both ways.
static bool may_make_code(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *both =
        mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *later = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return both != MAP_FAILED && later != MAP_FAILED &&
           mprotect(later, size, PROT_READ | PROT_EXEC) == 0;
}

static int status_of(pid_t pid)
{
    int status = -1;

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

enum { OLD_KERNEL = 77, STILL_MAY = 1, CHILD_MAY_NOT = 2 };

static int hardened(void)
{
    pid_t child;

    if (!ak_harden())
        return OLD_KERNEL;
    if (may_make_code())
        return STILL_MAY;
    child = fork();
    if (!child)
        _exit(may_make_code() ? 0 : 1);
    return status_of(child) == 0 ? 0 : CHILD_MAY_NOT;
}

START_TEST(only_itself)
{
    pid_t child = fork();
    int status;

    if (!child)
        _exit(hardened());
    status = status_of(child);
    ck_assert_msg(status == 0 || status == OLD_KERNEL, "status %d", status);
    ck_assert(may_make_code());
}
END_TEST

AK_TEST_MAIN(AK_CASE(only_itself))
