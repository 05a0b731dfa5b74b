// deploy/examples/follow.c -- submit a job and follow it to its end, by the C library.
//
//     cc follow.c $(pkg-config --cflags --libs akssl-client) -o follow
//     ./follow JOB.yaml [KEY=VALUE]...
//
// It talks to the akssld that AKSSL_SERVER names (akssl-client(1) has the other ways).  Ctrl-C
// leaves the job running.  The exit status is 0 when the job has SUCCEEDED, 1 when it ended
// otherwise, 2 when something was wrong with the request.

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <akssl/akssl.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

// read_spec takes a YAML file, and what the command line puts in place of its values.
static akssl_status read_spec(akssl_job_spec *spec, int argc, char **argv)
{
    akssl_status rc = akssl_job_spec_load_yaml(spec, argv[1]);

    for (int i = 2; i < argc && rc == AKSSL_OK; i++) {
        char *value = strchr(argv[i], '=');

        if (!value) {
            fprintf(stderr, "follow: '%s' is no KEY=VALUE\n", argv[i]);
            return AKSSL_ERR_INVALID;
        }
        *value = '\0';
        rc = akssl_job_spec_set(spec, argv[i], value + 1);
    }
    if (rc < 0)
        fprintf(stderr, "follow: %s\n", akssl_last_error());
    return rc;
}

// on_event is called on this thread for every change, and five times a second when there is none;
// what it is handed lasts until it returns.  Another value than 0 ends the watch.
static int on_event(void *ctx, const akssl_event *event)
{
    const akssl_job *job = event->job;

    (void)ctx;
    switch (event->kind) {
    case AKSSL_EVENT_JOB:
        printf("job %" PRId64 " %s", job->id, akssl_job_state_text(job->state));
        if (job->progress)
            printf(" step %" PRId64 "/%" PRId64, job->progress->step, job->progress->total_steps);
        if (job->progress && !isnan(job->progress->loss)) // NAN: nobody knows it yet
            printf(" loss %.4f", job->progress->loss);
        printf("%s%s\n", job->reason[0] ? ": " : "", job->reason);
        fflush(stdout);
        break;
    case AKSSL_EVENT_LOST:
        fprintf(stderr, "follow: %s; the job goes on, and so do I once akssld is back\n",
                event->reason);
        break;
    case AKSSL_EVENT_BACK:
    case AKSSL_EVENT_TICK:
        break;
    }
    return interrupted;
}

static int follow(akssl_client *client, const akssl_job_spec *spec)
{
    akssl_job *job = NULL; // ours, once there is one
    akssl_status rc;
    int64_t id;
    int succeeded;

    rc = akssl_client_submit(client, spec, &id, NULL); // it is on akssld's disk when this returns
    if (rc == AKSSL_OK)
        rc = akssl_client_watch(client, id, on_event, NULL, &job);
    if (rc == AKSSL_ERR_CANCELLED) {
        printf("job %" PRId64 " goes on\n", id);
        return 0;
    }
    if (rc < 0) {
        fprintf(stderr, "follow: %s\n", akssl_last_error());
        return 2;
    }
    for (size_t i = 0; i < job->result_count; i++)
        printf("%s %g\n", job->results[i].name, job->results[i].value);
    succeeded = job->state == AKSSL_JOB_SUCCEEDED;
    if (succeeded)
        printf("weights: %s\n", job->weights);
    akssl_job_free(job);
    return succeeded ? 0 : 1;
}

int main(int argc, char **argv)
{
    akssl_job_spec *spec = akssl_job_spec_new();
    akssl_client *client = NULL;
    int code = 2;

    signal(SIGINT, on_interrupt);
    if (argc < 2 || !spec) {
        fprintf(stderr, "usage: follow JOB.yaml [KEY=VALUE]...\n");
    } else if (read_spec(spec, argc, argv) == AKSSL_OK) {
        if (akssl_client_open(&client, NULL) == AKSSL_OK)
            code = follow(client, spec);
        else
            fprintf(stderr, "follow: %s\n", akssl_last_error());
    }
    akssl_client_close(client); // NULL is fine, as for each free
    akssl_job_spec_free(spec);
    return code;
}
