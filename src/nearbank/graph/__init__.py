"""In: an ONNX model. Out: a Graph (what is computed, and which of it is matrix work). Knows no DRAM, no GPU, no time."""
