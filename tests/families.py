"""Tiny configurations of KerasHub's families and of `keras.applications`, at random weights."""

TEXT = {
    "vocabulary_size": 50,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
}
POSITIONS = {"max_sequence_length": 16}
DECODER = {
    "vocabulary_size": 50,
    "num_layers": 3,
    "num_query_heads": 2,
    "num_key_value_heads": 1,
    "hidden_dim": 8,
    "intermediate_dim": 16,
}
IMAGE = {"image_shape": (32, 32, 3)}


def without(config, *names):
    return {name: value for name, value in config.items() if name not in names}


# Class, arguments, and the least number of blocks: the layers that are stacked, and what is before.
FAMILIES = {
    "BERT": ("BertBackbone", TEXT | POSITIONS, 4),
    "DistilBERT": ("DistilBertBackbone", TEXT | POSITIONS, 4),
    "RoBERTa": ("RobertaBackbone", TEXT | POSITIONS, 4),
    "XLM-RoBERTa": ("XLMRobertaBackbone", TEXT | POSITIONS, 4),
    "ALBERT": ("AlbertBackbone", TEXT | POSITIONS | {"embedding_dim": 4}, 2),
    "DeBERTa": ("DebertaV3Backbone", TEXT | POSITIONS | {"bucket_size": 4}, 4),
    "ELECTRA": (
        "ElectraBackbone",
        without(TEXT, "vocabulary_size") | POSITIONS | {"vocab_size": 50, "embedding_dim": 4},
        4,
    ),
    "FNet": ("FNetBackbone", without(TEXT, "num_heads") | POSITIONS, 4),
    "XLNet": ("XLNetBackbone", TEXT, 4),
    "GPT-2": ("GPT2Backbone", TEXT | POSITIONS, 4),
    "GPT-NeoX": ("GPTNeoXBackbone", TEXT | POSITIONS, 4),
    "OPT": ("OPTBackbone", TEXT | POSITIONS, 4),
    "BLOOM": ("BloomBackbone", TEXT, 4),
    "Falcon": ("FalconBackbone", without(TEXT, "num_heads") | {"num_attention_heads": 2}, 4),
    "Llama": ("LlamaBackbone", DECODER, 4),
    "Mistral": ("MistralBackbone", DECODER, 4),
    "Gemma": ("GemmaBackbone", DECODER | {"head_dim": 4}, 4),
    "Phi-3": ("Phi3Backbone", DECODER, 4),
    "Qwen": ("QwenBackbone", DECODER, 4),
    "T5": ("T5Backbone", TEXT, 7),
    "BART": ("BartBackbone", TEXT | POSITIONS, 7),
    "ViT": (
        "ViTBackbone",
        IMAGE | {"patch_size": 8, "num_layers": 3, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16},
        4,
    ),
    "DeiT": (
        "DeiTBackbone",
        without(TEXT, "vocabulary_size") | IMAGE | {"patch_size": 8},
        4,
    ),
    "ResNet": (
        "ResNetBackbone",
        IMAGE
        | {
            "input_conv_filters": [64],
            "input_conv_kernel_sizes": [7],
            "stackwise_num_filters": [64, 64],
            "stackwise_num_blocks": [2, 2],
            "stackwise_num_strides": [1, 2],
            "block_type": "basic_block",
        },
        5,
    ),
    "DenseNet": ("DenseNetBackbone", IMAGE | {"stackwise_num_repeats": [2, 2]}, 5),
    "VGG": (
        "VGGBackbone",
        IMAGE | {"stackwise_num_repeats": [2, 2], "stackwise_num_filters": [4, 8]},
        2,
    ),
    "EfficientNet": (
        "EfficientNetBackbone",
        {
            "input_shape": (32, 32, 3),
            "stackwise_width_coefficients": [1.0] * 2,
            "stackwise_depth_coefficients": [1.0] * 2,
            "stackwise_kernel_sizes": [3, 3],
            "stackwise_num_repeats": [1, 2],
            "stackwise_input_filters": [8, 8],
            "stackwise_output_filters": [8, 16],
            "stackwise_expansion_ratios": [1, 4],
            "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
            "stackwise_strides": [1, 2],
            "stackwise_block_types": ["v1", "v1"],
        },
        3,
    ),
    "Xception": (
        "XceptionBackbone",
        IMAGE
        | {
            "stackwise_conv_filters": [[4, 8], [8, 8]],
            "stackwise_pooling": [True, False],
        },
        2,
    ),
    "Swin": (
        "SwinTransformerBackbone",
        IMAGE | {"embed_dim": 8, "depths": [1, 2], "num_heads": [2, 2], "window_size": 4},
        2,
    ),
}
APPLICATIONS = {
    "ConvNeXtTiny": 10,
    "DenseNet121": 40,
    "EfficientNetB0": 17,
    "EfficientNetV2B0": 17,
    "InceptionResNetV2": 10,
    "InceptionV3": 10,
    "MobileNet": 14,
    "MobileNetV2": 18,
    "MobileNetV3Small": 10,
    "NASNetMobile": 1,
    "ResNet50": 17,
    "ResNet50V2": 17,
    "VGG16": 5,
    "Xception": 12,
}
