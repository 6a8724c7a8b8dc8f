"""In which precision this machine trains fastest."""

import functools
import sys
from pathlib import Path

import keras

_CPU_FLAGS = {"amx_bf16", "avx512_bf16"}
# NVIDIA's tensor cores compute in bfloat16 since Ampere.
_COMPUTE_CAPABILITY = (8, 0)
_CPUINFO = Path("/proc/cpuinfo")


@functools.cache
def fast_dtype() -> str:
    """`"mixed_bfloat16"` where the device computes in it quickly, else `"float32"`."""
    detect = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}
    found = detect.get(keras.backend.backend())
    return "mixed_bfloat16" if found is not None and found() else "float32"


def _on_tensorflow() -> bool:
    import tensorflow as tf

    if tf.config.list_physical_devices("TPU"):
        return True
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("compute_capability", (0, 0)) >= _COMPUTE_CAPABILITY
    return _cpu_has_bfloat16()


def _on_jax() -> bool:
    # On CPUs XLA computes bfloat16 in float32.
    import jax

    device = jax.devices()[0]
    if device.platform == "gpu":
        major, _, minor = str(getattr(device, "compute_capability", "0.0")).partition(".")
        return (int(major), int(minor or 0)) >= _COMPUTE_CAPABILITY
    return device.platform == "tpu"


def _on_torch() -> bool:
    torch = sys.modules["torch"]
    return torch.cuda.is_available() and torch.cuda.get_device_capability() >= _COMPUTE_CAPABILITY


def _cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies matrices in bfloat16, as far as Linux tells."""
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # another system, whose processors have it under another name, if at all
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return bool(_CPU_FLAGS & set(flags.split()))
