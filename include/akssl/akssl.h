// akssl/akssl.h -- the whole library: a client of akssld in C.
//
//     #include <akssl/akssl.h>
//     #include <stdio.h>
//
//     int main(void)
//     {
//         akssl_job_spec *spec = akssl_job_spec_new();
//         akssl_client *client = NULL;
//         akssl_job *job = NULL;
//         int64_t id;
//
//         if (akssl_job_spec_set(spec, "method", "simclr") < 0 ||
//             akssl_job_spec_set(spec, "dataset", "fashion-mnist") < 0 ||
//             akssl_client_open(&client, NULL) < 0 ||
//             akssl_client_submit(client, spec, &id, NULL) < 0 ||
//             akssl_client_wait(client, id, 0, &job) < 0)
//             fprintf(stderr, "%s\n", akssl_last_error());
//         else
//             printf("job %lld %s %s\n", (long long)id, akssl_job_state_text(job->state),
//                    job->weights);
//         akssl_job_free(job);
//         akssl_client_close(client);
//         akssl_job_spec_free(spec);
//         return 0;
//     }
//
// Build with -lakssl-client.

#ifndef AKSSL_AKSSL_H
#define AKSSL_AKSSL_H

#include <akssl/backup.h>
#include <akssl/client.h>
#include <akssl/convert.h>
#include <akssl/job.h>
#include <akssl/status.h>
#include <akssl/token.h>
#include <akssl/version.h>

#endif
