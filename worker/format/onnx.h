// worker/format/onnx.h -- an ONNX graph as it grows: nodes, initialisers, and their names.
//
// For the files onnx*.c.  Everything is the graph's and freed with it, but for the values of
// parameters, which are borrowed.  A value is named by text; names that these functions return live
// as long as the graph.

#ifndef AK_FORMAT_ONNX_H
#define AK_FORMAT_ONNX_H

#include "onnx.pb-c.h"

#include "akssl/status.h"
#include "worker/tensor/graph.h"

typedef struct ak_onnx ak_onnx;

ak_onnx *ak_onnx_new(void);
void ak_onnx_free(ak_onnx *x); // NULL-safe

// ak_onnx_weight gives the name of a parameter's initialiser, without "backbone.", made at its
// first use.
const char *ak_onnx_weight(ak_onnx *x, const ak_param *param);

// ak_onnx_numbers makes an initialiser of whole numbers: dims 1, or 0 for a scalar (count 1).
// ak_onnx_scalar makes one of a float without axes.
const char *ak_onnx_numbers(ak_onnx *x, int dims, int count, const int64_t *numbers);
const char *ak_onnx_scalar(ak_onnx *x, double value);

// ak_onnx_node adds a node of one output, called `output` or with NULL by a name of its own; inputs
// end with NULL.  Attributes are added to the node that was made last.
const char *ak_onnx_node(ak_onnx *x, const char *op, const char *output, const char *const *inputs);
void ak_onnx_int(ak_onnx *x, const char *attribute, int64_t value);
void ak_onnx_ints(ak_onnx *x, const char *attribute, int count, const int64_t *values);
void ak_onnx_float(ak_onnx *x, const char *attribute, double value);

// The inputs of a node, written in place.
#define AK_ONNX_IN(...) ((const char *const[]){ __VA_ARGS__, NULL })

// ak_onnx_operation adds what an operation of ours is in ONNX: inputs in[], result `output`.
// ERR_UNSUPPORTED: none of onnx_ops.c's rows is of its kind.
akssl_status ak_onnx_operation(ak_onnx *x, const ak_graph_node *node, const char *const in[2],
                               const char *output) AKSSL_MUST_CHECK;

// ak_onnx_graph gives what there is so far; borrowed.
Onnx__GraphProto *ak_onnx_graph(ak_onnx *x);

#endif
