"""A tiny BERT in a folder, for the tests of backbones."""

import pytest
from tiny_bert import write_tiny_bert


@pytest.fixture(scope="module")
def huggingface_folder(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))
