"""Which precision is taken for which machine."""

import keras
import pytest

from kerasft.backbones import _fast_dtype
from kerasft.backbones._fast_dtype import fast_dtype

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="of TensorFlow's devices"
)


@pytest.fixture(autouse=True)
def asked_anew():
    fast_dtype.cache_clear()
    yield
    fast_dtype.cache_clear()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512_bf16 amx_bf16", "mixed_bfloat16"),
        ("fpu avx2 avx512_bf16", "mixed_bfloat16"),
        ("fpu avx2 avx512f", "float32"),
        ("", "float32"),
    ],
)
def test_on_a_cpu_by_what_linux_says_of_it(tmp_path, monkeypatch, flags, expected):
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nvmx flags\t: amx_bf16\nflags\t\t: {flags}\n")
    monkeypatch.setattr(_fast_dtype, "_CPUINFO", path)
    assert fast_dtype() == expected


def test_where_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(_fast_dtype, "_CPUINFO", tmp_path / "none")
    assert fast_dtype() == "float32"


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"compute_capability": (9, 0)}, "mixed_bfloat16"),
        ({"compute_capability": (8, 0)}, "mixed_bfloat16"),
        ({"compute_capability": (7, 5)}, "float32"),
        ({}, "float32"),
    ],
)
def test_on_a_gpu_by_its_generation(monkeypatch, details, expected):
    import tensorflow as tf

    found = {"GPU": ["one"], "TPU": []}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found[kind])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert fast_dtype() == expected
