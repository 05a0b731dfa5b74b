// worker/command/trace.h -- a file of events in Chrome's trace format (chrome://tracing, Perfetto).

#ifndef AK_COMMAND_TRACE_H
#define AK_COMMAND_TRACE_H

#include "worker/tensor/graph.h"

typedef struct ak_trace ak_trace;

// ak_trace_open creates or empties the file: ERR_IO with a sentence that names it.
akssl_status ak_trace_open(ak_trace **out, const char *path) AKSSL_MUST_CHECK;

// ak_trace_add writes one event; out (NULL: none) gives its shape, of one shard.  Failure to write
// shows in ak_trace_close.
void ak_trace_add(ak_trace *trace, const char *name, const char *category, const ak_tensor *out,
                  int64_t from_ns, int64_t to_ns);

// ak_trace_op is an ak_graph_watcher whose ctx is a trace.
void ak_trace_op(void *trace, const char *kind, const ak_tensor *out, bool backward,
                 int64_t from_ns, int64_t to_ns);

// ak_trace_close ends the file and frees the trace; ERR_IO: it could not all be written.
akssl_status ak_trace_close(ak_trace *trace) AKSSL_MUST_CHECK; // NULL-safe

#endif
