"""What leaves the project: a trained model as an ONNX file, and a page that says what it is."""
