"""How fast this machine multiplies matrices: `matmul_peak.py tensorflow`, or `torch`.

The product is that of a small language model's feed-forward layer: 2048x384 by 384x1536. Prints
operations per second for float32 and bfloat16, as JSON: the best of 40 runs of ten products each.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROWS, INNER, COLUMNS = 2048, 384, 1536
PRODUCTS, RUNS = 10, 40


def with_tensorflow(dtype):
    """A function that multiplies once, in TensorFlow."""
    import tensorflow as tf

    one = tf.cast(tf.random.normal((ROWS, INNER)), dtype)
    other = tf.cast(tf.random.normal((INNER, COLUMNS)), dtype)
    return lambda: tf.matmul(one, other)


def with_torch(dtype):
    """A function that multiplies once, in PyTorch."""
    import torch

    one = torch.randn(ROWS, INNER).to(getattr(torch, dtype))
    other = torch.randn(COLUMNS, INNER).to(getattr(torch, dtype))
    return lambda: torch.nn.functional.linear(one, other)


def main():
    make = {"tensorflow": with_tensorflow, "torch": with_torch}[sys.argv[1]]
    rates = {}
    for dtype in ("float32", "bfloat16"):
        multiply, least = make(dtype), float("inf")
        for _ in range(RUNS):
            start = time.perf_counter()
            for _ in range(PRODUCTS):
                multiply()
            least = min(least, time.perf_counter() - start)
        rates[dtype] = 2 * ROWS * INNER * COLUMNS * PRODUCTS / least
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
