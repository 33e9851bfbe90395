"""The ONNX Runtime inference server that every chapter deploys, breaks and measures; it stands alone."""
