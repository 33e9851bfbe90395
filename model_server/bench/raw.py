"""The model without a server: `session.run` in a loop, for so many seconds; prints runs, seconds and CPU seconds.

Started by `contenders`, pinned to the server's core.
"""

from __future__ import annotations

import sys
from time import perf_counter, process_time

import numpy as np
import onnxruntime


def main(file: str, seconds: float) -> None:
    """Run the model and print `RUNS SECONDS CPU_SECONDS`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    tensor = session.get_inputs()[0]
    feeds = {tensor.name: np.ones([size if isinstance(size, int) else 1 for size in tensor.shape], np.float32)}
    for _ in range(50):
        session.run(None, feeds)
    runs = 0
    used = process_time()
    began = perf_counter()
    while (passed := perf_counter() - began) < seconds:
        for _ in range(20):
            session.run(None, feeds)
        runs += 20
    sys.stdout.write(f"{runs} {passed} {process_time() - used}\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
