"""What came of the race between kerasft and its peers: tables, the machine, a file of figures."""

import contextlib
import json
import os
import platform
from pathlib import Path


def job_table(title, epochs, rows):
    """One job, all contestants."""
    from kerasft._tables import text_table

    done = {name: row for name, row in rows.items() if "failed" not in row}
    cold = [
        row["seconds"]
        for row in done.values()
        if row["starts_cold"] and row["contestant"].startswith("kerasft")
    ]
    cells = []
    for name, row in rows.items():
        if "failed" in row:
            cells.append((name, "failed", *[""] * 6))
            continue
        accuracies = row["accuracies"]
        at = [len(accuracies) - 1, min(2, epochs) - 1]
        at = [None if row["multiplied"] and at[0] + 1 < epochs else at[0], at[1]]
        cells.append(
            (
                name,
                f"{row['seconds']:,.1f}{' *' if row['multiplied'] else '  '}",
                f"{row['seconds'] / min(cold):,.2f}" if cold else "",
                f"{row['loading_seconds']:.1f}",
                f"{row['peak_mib']:,.0f}" if row["contestant"] != "ready_arrays" else "",
                *("" if index is None else f"{100 * accuracies[index]:.1f}" for index in at),
                f"{100 * row['share_of_peak']:.1f}" if "share_of_peak" in row else "",
            )
        )
    columns = ("contestant", ">seconds", ">ratio", ">loading", ">MiB")
    columns += (">accuracy", ">epoch 2", ">% of peak")
    if epochs == 1:
        cells = [(*row[:6], row[7]) for row in cells]
        columns = (*columns[:6], columns[7])
    notes = ["* two epochs run; the second one's seconds stand for those after it"]
    starred = any(row.get("multiplied") for row in rows.values())
    return text_table(columns, cells, title=title, caption="\n".join(notes if starred else []))


def machine():
    """The processor, its cores and the system."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((n.split(":", 1)[1].strip() for n in lines if n.startswith("model name")), name)
        flags = next((line.split() for line in lines if line.startswith("flags")), [])
        extra = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]
        name += f" ({', '.join(extra)})" if extra else ""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count()
    return f"{name}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def keep(report, path):
    """Write all figures to a file, if one was named."""
    if path:
        path.write_text(json.dumps(report, indent=1) + "\n")


def print_about(report):
    """The machine, versions, the measured peak, and what a ratio is."""
    print(f"Machine: {report['machine']}.")
    busy = f"{report['load'][0]:.1f} before the first contestant, {report['load'][1]:.1f} after"
    print(f"Processes that wanted to run, on average over a minute: {busy} the last.")
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    print(f"Versions: {versions}.")
    for dtype, rates in report["peak"].items():
        told = ", ".join(f"{rate / 1e9:,.0f} in {name}" for name, rate in rates.items())
        print(f"Fastest {dtype} product, GFLOP/s: {told}.")
    print(
        "Ratio: to kerasft's fastest run that found nothing cached. Accuracy: percent; on 500 texts"
    )
    print("its standard error is about 1.8 points. `--help` tells what is counted.")
    for name, reason in report["left_out"].items():
        print(f"Left out: {name}, for want of {reason}.")
