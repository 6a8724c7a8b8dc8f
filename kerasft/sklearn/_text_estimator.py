"""What the estimators have in common: from texts and targets to a trained head, and back."""

import contextlib
import dataclasses
import hashlib
import json
import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from kerasft.backbones import Backbone
from kerasft.callbacks import EarlyStopping
from kerasft.data import LengthGroupedBatches, Preprocessor
from kerasft.errors import DataError, PlanError, SourceError, UnsupportedError
from kerasft.features import FeatureCache
from kerasft.freezing import FreezePolicy, Plan, TrainHead, stages_of
from kerasft.heads import Head
from kerasft.sklearn._arguments import make_optimizer, texts_of
from kerasft.sklearn._backbones import (
    SharedBackbone,
    copy_of,
    leaving_no_trace,
    shared_backbone,
)
from kerasft.sklearn._feature_pool import EncodedInputs, FeaturePool, PooledInputs, pool_of
from kerasft.sklearn._kept_texts import KeptTexts
from kerasft.structure import changeable_variables, take_apart

_DIGITS = 20
_TRACE_FROM = 24  # batches of the whole model; below that, tracing takes longer

# Keras draws its seeds from one global state, and layers of a shared backbone are shared.
_BUILDING = threading.RLock()


@dataclasses.dataclass
class Prepared:
    """A model ready to train or to predict, and where its inputs come from.

    Attributes:
        backbone: The shared backbone.
        whole: The backbone, or a copy of it, under the head.
        head: The head.
        trained: What is fitted: the part behind the boundary, or the whole.
        preprocessor: What turns texts into the whole model's inputs.
        pool_key: What the features at the boundary depend on; None where there are none.
        pretrained: A digest of the backbone's weights as they were loaded.
    """

    backbone: Backbone
    whole: keras.Model
    head: Head
    trained: keras.Model
    preprocessor: Preprocessor
    pool_key: str | None
    pretrained: str


class TextEstimator(BaseEstimator):
    """The base class of the estimators; see `TextClassifier` for the arguments."""

    backbone: Any
    policy: Any
    sequence_length: int
    pooling: str
    hidden_units: Any
    dropout: float
    optimizer: Any
    learning_rate: Any
    epochs: int
    batch_size: int
    patience: int | None
    validation_fraction: float
    share_features: bool
    cache_directory: Any
    memory_budget: int
    dtype: Any
    random_state: Any
    verbose: Any
    history_: dict[str, list[float]]

    # ---- what a kind of estimator says -----------------------------------------------------------

    def _make_head(self) -> Head:
        """A new head for what is to be learned."""
        raise NotImplementedError

    # ---- fitting ---------------------------------------------------------------------------------

    def _train(
        self, texts: list[str], targets: np.ndarray, weights: np.ndarray | None, classes: Any
    ) -> None:
        """Train on texts and targets, and keep what was learned.

        Args:
            texts: The texts, as `_texts` gave them.
            targets: What the loss takes.
            weights: One weight per text, or None.
            classes: What held-out texts are stratified by, or None.
        """
        draw = check_random_state(self.random_state)
        of_split, of_weights, of_order = (int(seed) for seed in draw.randint(2**31 - 1, size=3))
        kept, held_out = self._split(len(texts), classes, of_split)
        with _BUILDING:
            prepared = self._prepare(of_weights)
            inputs = self._inputs(prepared, texts)
            prepared.trained.compile(
                make_optimizer(self.optimizer, self.learning_rate, prepared.trained),
                loss=prepared.head.default_loss(),
                metrics=prepared.head.default_metrics(),
            )

        def batches(rows: np.ndarray, shuffle: bool) -> LengthGroupedBatches:
            own = None if weights is None else weights[rows]
            return self._batches(prepared, inputs, rows, targets[rows], own, shuffle, of_order)

        stopping = EarlyStopping(patience=self.patience or 0, restore_best_weights=True)
        self.history_ = prepared.trained.fit(
            batches(kept, True),
            validation_data=None if held_out is None else batches(held_out, False),
            epochs=self.epochs,
            callbacks=[] if held_out is None else [stopping],
            verbose=self.verbose,
        ).history
        self._learned = [_numpy(variable) for variable in _learning(prepared.whole)]
        self._pretrained = prepared.pretrained
        self._prepared: Prepared | None = prepared
        self._model: keras.Model | None = None

    def _split(self, count: int, classes: Any, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        rows = np.arange(count)
        if self.patience is None:
            return rows, None
        try:
            kept, held_out = train_test_split(
                rows, test_size=self.validation_fraction, random_state=seed, stratify=classes
            )
        except ValueError as error:
            raise DataError(
                "`validation_fraction` must leave texts of every class on both sides. Received: "
                f"validation_fraction={self.validation_fraction!r} of {count:,} texts ({error}). "
                "Give more texts, another fraction, or patience=None."
            ) from error
        return kept, held_out

    def _batches(
        self,
        prepared: Prepared,
        inputs: EncodedInputs | PooledInputs,
        rows: np.ndarray,
        targets: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        shuffle: bool = False,
        seed: int = 0,
    ) -> LengthGroupedBatches:
        return LengthGroupedBatches(
            lambda places, length: inputs(rows[places], length),
            inputs.lengths[rows],
            labels=targets,
            sample_weight=weights,
            batch_size=self.batch_size,
            shuffle=shuffle,
            seed=seed,
            maximum_length=prepared.preprocessor.sequence_length,
        )

    # ---- models ----------------------------------------------------------------------------------

    def _prepare(self, seed: int = 0) -> Prepared:
        """A new model under the policy, at the pretrained weights and a head's first ones."""
        # Loading draws from the user's random state, or the first fit would differ from the next.
        shared = shared_backbone(self.backbone, self.dtype)
        preprocessor = shared.preprocessor(self.sequence_length)
        with leaving_no_trace(shared.backbone):
            with _seeded(seed):
                whole, head, plan = self._put_together(shared.backbone)
            trained, pool_key = whole, None
            if self.share_features:
                # Where nothing is frozen at the front, texts go through the whole model.
                with contextlib.suppress(UnsupportedError):
                    trained = FeatureCache(whole).model
                    pool_key = self._pool_key(shared, preprocessor, plan)
        digest = shared.backbone.identity["weights_sha256"]
        return Prepared(shared.backbone, whole, head, trained, preprocessor, pool_key, digest)

    def _put_together(self, backbone: Backbone) -> tuple[keras.Model, Head, Plan]:
        """The backbone under a new head and a plan; a copy of it, if anything of it may change."""
        policy, head = self._policy(), self._make_head()
        whole = backbone.attach(head)
        if len(stages_of(policy, whole)) > 1:
            raise PlanError(
                f"`policy` must be of one stage. Received: {policy!r}, which goes in stages. Take "
                "one of them, or train with a `kerasft.callbacks.Phases` in your own script."
            )
        plan = policy.plan(whole)
        if plan.frozen_mode != "inference" or any(
            any(row.variables.values()) for row in plan.rows if not row.in_head
        ):
            whole = copy_of(backbone).attach(head := self._make_head())
            plan = policy.plan(whole)
        return whole, head, plan.apply(whole)

    def _policy(self) -> FreezePolicy:
        return TrainHead() if self.policy is None else self.policy

    def _pool_key(self, shared: SharedBackbone, preprocessor: Preprocessor, plan: Plan) -> str:
        """What the features at the boundary depend on, but for the texts."""
        identity = shared.backbone.identity
        told = {
            "backbone": [identity["class"], identity["weights_sha256"], shared.build],
            "computes in": str(shared.backbone.model.dtype_policy.name),
            "preprocessor": preprocessor.identity,
            "trains": [[r.path, dict(r.variables)] for r in plan.rows if not r.in_head],
            "runs": [plan.frozen_mode, sorted(plan.keeps_statistics)],
            "pooling": self.pooling,
        }
        text = json.dumps(told, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]

    def _inputs(self, prepared: Prepared, texts: Sequence[str]) -> EncodedInputs | PooledInputs:
        """What the trained part is given for some texts."""
        preprocessor, key = prepared.preprocessor, prepared.pool_key
        if key is None:
            return EncodedInputs(preprocessor, preprocessor.encode(list(texts)))
        directory = None
        if self.cache_directory is not None:
            directory = Path(self.cache_directory).expanduser().absolute()

        def make_pool() -> FeaturePool:
            return FeaturePool(preprocessor, KeptTexts(directory, key) if directory else None)

        def make_cache(memory_budget: int) -> FeatureCache:
            return FeatureCache(prepared.whole, directory, memory_budget=memory_budget)

        with _BUILDING, leaving_no_trace(prepared.backbone):
            pool = pool_of(key, str(directory) if directory else None, make_pool)
            return pool.inputs(texts, make_cache, self.memory_budget)

    def _ready(self) -> Prepared:
        """The fitted model; it is built again where a pickle left it out."""
        check_is_fitted(self)
        if self._prepared is None:
            with _BUILDING:
                self._check_same_backbone(shared_backbone(self.backbone, self.dtype).backbone)
                prepared = self._prepare()
                _put_values(prepared.whole, self._learned)
            self._prepared = prepared
        return self._prepared

    def _check_same_backbone(self, backbone: Backbone) -> None:
        if backbone.identity["weights_sha256"] != self._pretrained:
            raise SourceError(
                "A fitted estimator needs the backbone that it was fitted on. Received: "
                f"backbone={self.backbone!r}, which now has other weights. Load it where "
                "`backbone` leads to the same, or fit again."
            )

    def _outputs(self, X: Any) -> np.ndarray:  # noqa: N803
        """What the head puts out, a row for each text, in float64."""
        check_is_fitted(self)
        texts = self._texts(X)
        prepared = self._ready()
        inputs = self._inputs(prepared, texts)
        batches = self._batches(prepared, inputs, np.arange(len(texts)))
        model = prepared.trained
        if prepared.pool_key is None and len(batches) >= _TRACE_FROM:
            outputs = model.predict(batches, verbose=0)
        else:
            outputs = np.concatenate(
                [
                    _numpy(model(_tensors(batches[number][0]), training=False))
                    for number in range(len(batches))
                ]
            )
        result = np.empty(outputs.shape, "float64")
        result[batches.order] = outputs
        return result

    @property
    def model_(self) -> keras.Model:
        """The fitted model, from texts' token ids to the head's outputs, for you alone.

        It is made at the first call, and shares no weights with this or other estimators: train it
        further, or save it with `model_.save("reviews.keras")`.
        """
        check_is_fitted(self)
        if self._model is None:
            with _BUILDING:
                backbone = shared_backbone(self.backbone, self.dtype).backbone
                self._check_same_backbone(backbone)
                with _seeded(0):
                    model = copy_of(backbone).attach(self._make_head())
                self._policy().apply(model)
                _put_values(model, self._learned)
            self._model = model
        return self._model

    # ---- what the user gave ----------------------------------------------------------------------

    def _texts(self, X: Any) -> list[str]:  # noqa: N803
        """Texts as a list."""
        return texts_of(X)

    # ---- scikit-learn's conventions ------------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_learned")

    def __sklearn_clone__(self) -> "TextEstimator":
        """A new estimator with the same arguments; a backbone is shared, not copied."""
        arguments = {
            name: value if name == "backbone" else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        new = type(self)(**arguments)
        for name in ("_metadata_request", "_sklearn_output_config"):
            if hasattr(self, name):
                setattr(new, name, clone(getattr(self, name), safe=False))
        return new

    def __getstate__(self) -> dict[str, Any]:
        # What was learned is kept as arrays; the model is built again when it is asked for.
        return {
            name: None if name in ("_prepared", "_model") else value
            for name, value in super().__getstate__().items()
        }


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let Keras draw its seeds from `seed`, and leave the user's random state as it was.

    Initializers and dropout draw theirs from Python's generator, when they are made.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _learning(model: keras.Model) -> list[Any]:
    """What a fit changes, in the order of the model's layers; names may drift."""
    changeable = {id(variable) for variable in changeable_variables(model)}
    return [v.variable for v in take_apart(model).variables if id(v.variable) in changeable]


def _put_values(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(_learning(model), values, strict=True):
        variable.assign(value)


def _tensors(inputs: Any) -> Any:
    if isinstance(inputs, tuple):
        inputs = list(inputs)
    return keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)


def _numpy(value: Any) -> np.ndarray:
    # A copy: on some backends the array would be the variable's own memory.
    return np.array(keras.ops.convert_to_numpy(value))
