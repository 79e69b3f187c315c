"""The deployed network without torch: OpenVINO on CPU, ONNX Runtime on CUDA."""
