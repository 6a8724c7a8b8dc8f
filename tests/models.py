"""Small models at random weights, of every build that people bring along."""

import keras


def tiny_bert(num_layers=3, dropout=0.1):
    """A KerasHub BERT backbone of a few thousand parameters."""
    import keras_hub

    return keras_hub.models.BertBackbone(
        vocabulary_size=100,
        num_layers=num_layers,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        dropout=dropout,
        max_sequence_length=16,
    )


def flat_bert(num_layers=3):
    backbone = tiny_bert(num_layers)
    pooled = keras.layers.GlobalAveragePooling1D()(backbone.output["sequence_output"])
    return keras.Model(backbone.input, keras.layers.Dense(2, name="top")(pooled))


def nested_bert(num_layers=3):
    backbone = tiny_bert(num_layers)
    pooled = backbone(backbone.input)["pooled_output"]
    return keras.Model(backbone.input, keras.layers.Dense(2, name="top")(pooled))


def bert_task():
    import keras_hub

    return keras_hub.models.BertTextClassifier(tiny_bert(), num_classes=2)


def text_batch(rows=6, tokens=10, seed=0):
    """Random token ids with some padding, and labels."""
    import numpy as np

    random = np.random.default_rng(seed)
    mask = np.ones((rows, tokens), "int32")
    mask[:, tokens // 2 :] = random.integers(0, 2, (rows, 1))
    inputs = {
        "token_ids": random.integers(1, 100, (rows, tokens)).astype("int32") * mask,
        "segment_ids": np.zeros((rows, tokens), "int32"),
        "padding_mask": mask,
    }
    return inputs, random.integers(0, 2, rows).astype("int32")


def small_resnet():
    """Two residual blocks with batch normalization and dropout, pooled and classified."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    for index in range(2):
        y = keras.layers.Conv2D(4, 3, padding="same", name=f"block{index}_conv")(x)
        y = keras.layers.BatchNormalization(name=f"block{index}_bn")(y)
        y = keras.layers.Dropout(0.3, name=f"block{index}_dropout")(y)
        x = keras.layers.Add(name=f"block{index}_add")([x, y])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="top")(x))


def image_batch(rows=6, seed=0):
    import numpy as np

    random = np.random.default_rng(seed)
    return random.normal(size=(rows, 8, 8, 3)).astype("float32"), random.integers(0, 3, rows)


@keras.saving.register_keras_serializable(package="kerasft_tests")
class SubclassedModel(keras.Model):
    """A model with no graph: three blocks in a list, dropout and a top."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = keras.layers.Dense(8, name="stem")
        self.blocks = [ResidualBlock(name=f"residual_{i}") for i in range(3)]
        self.top = keras.layers.Dense(2, name="top")

    # Without a `training` argument Keras would run the whole model in inference mode.
    def call(self, inputs, training=None):
        x = self.stem(inputs)
        for block in self.blocks:
            x = block(x)
        return self.top(x)


@keras.saving.register_keras_serializable(package="kerasft_tests")
class ResidualBlock(keras.layers.Layer):
    """A dense layer, batch normalization and dropout on a side road."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(8, name="dense")
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.dropout = keras.layers.Dropout(0.5, name="dropout")

    def build(self, input_shape):
        for layer in (self.dense, self.norm):
            layer.build(input_shape)

    def call(self, inputs):
        return inputs + self.dropout(self.norm(self.dense(inputs)))


@keras.saving.register_keras_serializable(package="kerasft_tests")
class Table(keras.layers.Layer):
    """Gives its weights, whatever comes in: a tensor without a batch axis."""

    def build(self, input_shape):
        self.table = self.add_weight(shape=(5, 4), name="table")

    def call(self, inputs):
        return self.table + 0.0


def with_a_table():
    """A model in which one frozen tensor is the same for all examples."""
    inputs = keras.Input((4,))
    x = keras.layers.Dense(5, name="body")(inputs)
    table = Table(name="distances")(inputs)
    mixed = keras.ops.matmul(keras.layers.Dense(5, name="mix")(x), table)
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(mixed))
