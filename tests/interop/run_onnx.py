# tests/interop/run_onnx.py -- an ONNX model that passes onnx's checker, run by ONNX Runtime.
#
#     run_onnx.py MODEL.onnx INPUT.npy OUTPUT.npy

import sys

import numpy
import onnx
import onnxruntime

model, images, features = sys.argv[1:]
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
x = numpy.load(images)
(all_at_once,) = session.run(["features"], {"images": x})
(first,) = session.run(None, {"images": x[:1]})
assert numpy.abs(first - all_at_once[:1]).max() < 1e-4 * numpy.abs(first).max(), "N is not free"
numpy.save(features, all_at_once)
