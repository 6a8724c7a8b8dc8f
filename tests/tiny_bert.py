"""A tiny BERT in Hugging Face's layout, written to a folder: every file that a real one has."""

import json
import string

import numpy as np

WORDS = ["the", "quick", "brown", "fox", "cafe", "##s", "film", "un", "##believ", "##able", "good"]
CONFIG = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "pad_token_id": 0,
}


def vocabulary():
    """Special tokens, words, and every printable ASCII character alone and as a continuation."""
    letters = string.ascii_lowercase + string.digits
    return [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters,
        *(f"##{letter}" for letter in letters if letter != "s"), *string.punctuation, "é", "##é",
    ]  # fmt: skip


def write_tiny_bert(folder):
    """Write config, weights at random, vocabulary and tokenizer.json; gives the folder."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocab = vocabulary()
    config = {**CONFIG, "vocab_size": len(vocab)}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"})
    )
    (folder / "vocab.txt").write_text("\n".join(vocab), encoding="utf-8")
    number = {token: n for n, token in enumerate(vocab)}
    tokenizer = Tokenizer(
        models.WordPiece(vocab=number, unk_token="[UNK]", max_input_chars_per_word=100)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(vocab[:5])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # As real ones do: what must be left aside.
    tokenizer.enable_truncation(max_length=6)
    tokenizer.enable_padding(length=6)
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(_weights(config), folder / "model.safetensors", {"format": "pt"})
    return folder


def _weights(config):
    random = np.random.default_rng(0)
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
        "pooler.dense.weight": (width, width),
        "pooler.dense.bias": (width,),
    }
    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value"):
            shapes[f"{prefix}{name}.weight"] = (width, width)
            shapes[f"{prefix}{name}.bias"] = (width,)
        shapes[f"{prefix}attention.output.dense.weight"] = (width, width)
        shapes[f"{prefix}attention.output.dense.bias"] = (width,)
        shapes[f"{prefix}intermediate.dense.weight"] = (inner, width)
        shapes[f"{prefix}intermediate.dense.bias"] = (inner,)
        shapes[f"{prefix}output.dense.weight"] = (width, inner)
        shapes[f"{prefix}output.dense.bias"] = (width,)
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{prefix}{norm}.weight"] = (width,)
            shapes[f"{prefix}{norm}.bias"] = (width,)
    return {name: random.normal(size=shape).astype("float32") for name, shape in shapes.items()}
