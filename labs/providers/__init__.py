"""Clusters behind one protocol: the embedded engine, kind, and (by name only) an existing kubeconfig context."""
