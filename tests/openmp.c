// tests/openmp.c -- tells the thread sanitizer what libgomp, which is not instrumented, orders.
//
// A program that has this file calls these functions, and so does oneDNN in it; they call libgomp's
// of the same name.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

typedef void body(void *data);
typedef void parallel(body *run, void *data, unsigned threads, unsigned flags);
typedef void section(void **name);

// gcc calls them.
#define SEEN __attribute__((visibility("default")))
SEEN parallel GOMP_parallel;
SEEN section GOMP_critical_name_start, GOMP_critical_name_end;
SEEN void GOMP_barrier(void);

// One parallel region.  Its threads have what was before it; what is behind it has what they did.
typedef struct region {
    body *run;
    void *data;
    char begins, ends; // their addresses name the two
} region;

static void run_ordered(void *data)
{
    region *r = data;

    __tsan_acquire(&r->begins);
    r->run(r->data);
    __tsan_release(&r->ends);
}

void GOMP_parallel(body *run, void *data, unsigned threads, unsigned flags)
{
    region r = { .run = run, .data = data };
    parallel *real;

    *(void **)&real = dlsym(RTLD_NEXT, "GOMP_parallel");
    __tsan_release(&r.begins);
    real(run_ordered, &r, threads, flags);
    __tsan_acquire(&r.ends);
}

void GOMP_critical_name_start(void **name)
{
    section *real;

    *(void **)&real = dlsym(RTLD_NEXT, "GOMP_critical_name_start");
    real(name);
    __tsan_acquire(name);
}

void GOMP_critical_name_end(void **name)
{
    section *real;

    *(void **)&real = dlsym(RTLD_NEXT, "GOMP_critical_name_end");
    __tsan_release(name);
    real(name);
}

// oneDNN's regions alone have barriers: of which region it is need not be told.
void GOMP_barrier(void)
{
    static char all;
    void (*real)(void);

    *(void **)&real = dlsym(RTLD_NEXT, "GOMP_barrier");
    __tsan_release(&all);
    real();
    __tsan_acquire(&all);
}
