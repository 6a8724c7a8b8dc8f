"""Runs trainings in processes of their own, and reads what they ended with."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

TRAININGS = Path(__file__).with_name("trainings.py")
# Sums over the rows of a batch in another order: float32's rounding, over a few steps of 0.02.
TOLERANCE = 2e-6


def start(kind, file, names, cluster=None):
    """Start a process that runs trainings, to be given to `finish`."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONWARNINGS": "ignore"}
    # Where there is a GPU these tests are still about two CPUs.
    environment |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    environment["KERAS_BACKEND"] = "tensorflow"
    if kind == "sharded":
        environment["KERAS_BACKEND"] = "jax"
        environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    environment.pop("TF_CONFIG", None)
    if cluster is not None:
        environment["TF_CONFIG"] = json.dumps(cluster)
    command = [sys.executable, str(TRAININGS), kind, str(file), *names]
    log = file.with_suffix(".log")
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=TRAININGS.parents[2],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return process, log


def finish(*started, seconds):
    """Wait for all; where one fails or the time is over, end them all and show what was said."""
    deadline = time.monotonic() + seconds
    codes = [None]
    try:
        # One worker that fails leaves the other waiting for it.
        while None in codes and not any(codes) and time.monotonic() < deadline:
            time.sleep(0.2)
            codes = [process.poll() for process, _ in started]
    finally:
        for process, _ in started:
            process.kill()
            process.wait()
    if any(codes) or None in codes:
        said = [f"{log.name}:\n{log.read_text('utf-8')[-3000:]}" for _, log in started]
        raise AssertionError("\n".join([f"exit codes {codes} (None: out of time)", *said]))


def free_ports(count):
    """Ports of the loopback device that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def compare(one, several, name):
    """Check that a training ended alike on one device and on several; gives what it ended with."""
    ours, theirs = of_training(several, name), of_training(one, name)
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=TOLERANCE, err_msg=key)
    return ours


def of_training(arrays, name):
    """What one training ended with, by the names of weights and slots."""
    split = ([*key.split("/", 2), key] for key in arrays)
    return {name_of: arrays[key] for _, training, name_of, key in split if training == name}


def load(file, where):
    """What a process wrote of one kind of device."""
    with np.load(file) as arrays:
        return {key: arrays[key] for key in arrays if key.startswith(f"{where}/")}
