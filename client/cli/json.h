// client/cli/json.h -- what --json prints; the man page is the schema.

#ifndef AK_CLI_JSON_H
#define AK_CLI_JSON_H

#include <akssl/akssl.h>
#include <jansson.h>
#include <stdio.h>

// ak_json_text makes a string of bytes, whatever they are: what is not UTF-8 becomes U+FFFD.
json_t *ak_json_text(const char *bytes, size_t length);

// ak_json_real makes a number, or null of what JSON has no number for.
json_t *ak_json_real(double value);

// ak_json_values makes an object of named figures.
json_t *ak_json_values(const akssl_value *values, size_t count);

// ak_json_spec makes an object of a spec: numbers as numbers, pairs as objects; null of NULL.
json_t *ak_json_spec(akssl_job_spec *spec);

json_t *ak_json_job(const akssl_job *job);
json_t *ak_json_tensor(const akssl_tensor *tensor);
json_t *ak_json_commit(const akssl_commit *commit);

// ak_json_print writes value as one line, flushes it, and eats it.
void ak_json_print(FILE *out, json_t *value);

#endif
