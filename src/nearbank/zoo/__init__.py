"""In: a model name. Out: its ONNX model, from published tables and packaged weights; photos and class names."""
