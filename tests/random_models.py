"""Models of any build, made from a description that hypothesis draws."""

import keras
from hypothesis import strategies as st

WIDTH = 4
LEAVES = ("dense", "batch_norm", "bare_norm", "layer_norm", "dropout", "noise", "composite")


def _units(inner):
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("residual"), several),
        st.tuples(st.sampled_from(["functional", "sequential"]), several),
    )


# A unit is the name of a leaf, or the name of what holds units with a list of them.
UNITS = st.recursive(st.sampled_from((*LEAVES, "shared")), _units, max_leaves=5)
MODELS = st.tuples(
    st.sampled_from(["functional", "sequential", "subclassed"]),
    st.lists(UNITS, min_size=2, max_size=5),
)


def build(description):
    """A built model: a stem, the units, and a dense layer `top`, on rows of `WIDTH` numbers."""
    kind, units = description
    if kind == "subclassed":
        model = Subclassed(units, name="random_model")
        model(keras.ops.zeros((1, WIDTH)))
        return model
    return _Builder().model(kind, ["dense", *units], name="random_model", top=True)


class _Builder:
    """Numbers the layers of one model, so that each has a name of its own."""

    def __init__(self):
        self.count = 0

    def name(self, kind):
        self.count += 1
        return f"{kind}_{self.count}"

    def leaf(self, kind):
        name = self.name(kind)
        if kind in ("dense", "shared"):
            return keras.layers.Dense(WIDTH, activation="tanh", name=name)
        if kind == "batch_norm":
            return keras.layers.BatchNormalization(momentum=0.5, name=name)
        if kind == "bare_norm":
            return keras.layers.BatchNormalization(
                momentum=0.5, center=False, scale=False, name=name
            )
        if kind == "layer_norm":
            return keras.layers.LayerNormalization(name=name)
        if kind == "dropout":
            return keras.layers.Dropout(0.2, name=name)
        if kind == "noise":
            return keras.layers.GaussianNoise(0.2, name=name)
        return RandomComposite(name=name)

    def layer(self, unit):
        """One layer for any unit: a graph becomes a model of its own."""
        if isinstance(unit, str):
            return self.leaf(unit)
        kind, units = unit
        if kind == "residual":
            return self.model("functional", [unit], self.name("residual"))
        return self.model(kind, units, self.name(kind))

    def model(self, kind, units, name, top=False):
        if kind == "sequential":
            model = keras.Sequential([keras.Input((WIDTH,))], name=name)
            for unit in units:
                model.add(self.layer(unit))
            if top:
                model.add(keras.layers.Dense(3, name="top"))
            return model
        inputs = keras.Input((WIDTH,))
        x = self.run(units, inputs)
        if top:
            x = keras.layers.Dense(3, name="top")(x)
        return keras.Model(inputs, x, name=name)

    def run(self, units, x):
        """The units one after the other in one graph; all that are `shared` are one layer."""
        shared = None
        for unit in units:
            if unit == "shared":
                shared = shared or self.leaf(unit)
                x = shared(x)
            elif not isinstance(unit, str) and unit[0] == "residual":
                x = keras.layers.Add(name=self.name("add"))([x, self.run(unit[1], x)])
            else:
                x = self.layer(unit)(x)
        return x


@keras.saving.register_keras_serializable(package="kerasft_tests")
class RandomComposite(keras.layers.Layer):
    """A layer of layers with a weight of its own: dense, a bare norm, dropout, and a scale."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(WIDTH, name="dense")
        self.norm = keras.layers.BatchNormalization(center=False, scale=False, name="norm")
        self.dropout = keras.layers.Dropout(0.2, name="dropout")

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(WIDTH,), initializer="ones", name="scale")
        for layer in (self.dense, self.norm, self.dropout):
            layer.build(input_shape)

    def call(self, inputs):
        return inputs + self.scale * self.dropout(self.norm(self.dense(inputs)))


@keras.saving.register_keras_serializable(package="kerasft_tests")
class Subclassed(keras.Model):
    """The same without a graph of its own."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.description = units
        builder = _Builder()
        shared = builder.leaf("shared")
        self.units = [builder.leaf("dense")]
        self.units += [shared if unit == "shared" else builder.layer(unit) for unit in units]
        self.top = keras.layers.Dense(3, name="top")

    # Without a `training` argument Keras would run the whole model in inference mode.
    def call(self, inputs, training=None):
        x = inputs
        for layer in self.units:
            x = layer(x)
        return self.top(x)

    def get_config(self):
        return {**super().get_config(), "units": self.description}
