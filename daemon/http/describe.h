// daemon/http/describe.h -- a job as JSON, by the names of client/output.schema.json.

#ifndef AK_DAEMON_HTTP_DESCRIBE_H
#define AK_DAEMON_HTTP_DESCRIBE_H

#include <jansson.h>

#include "daemon/daemon.h"

// ak_describe_job makes a new object; of the spec it has what a list shows.  Loop thread only.
json_t *ak_describe_job(const ak_daemon *d, const ak_job *job);

// ak_describe_text makes a string of any bytes; ak_describe_real a number, or null of what JSON has
// no number for.  ak_describe_put prints object to body and eats it.  Any thread.
json_t *ak_describe_text(const char *text);
json_t *ak_describe_real(double value);
akssl_status ak_describe_put(json_t *object, ak_str *body) AKSSL_MUST_CHECK;

#endif
