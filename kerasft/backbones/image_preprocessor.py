"""`ImagePreprocessor`: image files or arrays to the inputs of a vision model."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_int, fail
from kerasft.data.preprocessor import Preprocessor
from kerasft.errors import DataError, SourceError


class ImagePreprocessor(Preprocessor):
    """Loads, resizes once, and scales batch by batch.

    Every image is kept resized, one byte per value: 224 x 224 pixels take 150 kB each.

    Args:
        image_size: `(height, width)` in pixels.
        scale: Turns pixels from 0 to 255, `float32` of shape `(batch, height, width, 3)`, into what
            the model wants, such as `keras.applications.mobilenet.preprocess_input`; None where the
            model scales by itself. It is applied to each batch again, so it must not be random.

    Raises:
        ArgumentError: a size that is no size, or a scale that cannot be called.

    Example:
        >>> import keras, numpy as np
        >>> from kerasft.backbones.image_preprocessor import ImagePreprocessor
        >>> preprocessor = ImagePreprocessor(
        ...     (32, 32), scale=keras.applications.mobilenet.preprocess_input)
        >>> batch = preprocessor([np.zeros((48, 64, 3), dtype="uint8")])
        >>> batch.shape, float(batch.min())
        ((1, 32, 32, 3), -1.0)
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        scale: Callable[[np.ndarray], Any] | None = None,
    ):
        if not isinstance(image_size, (tuple, list)) or len(image_size) != 2:
            fail("image_size", image_size, "(height, width)")
        for size in image_size:
            check_int("image_size", size, minimum=1)
        if scale is not None and not callable(scale):
            fail("scale", scale, "a function of an array of pixels, or None")
        self.image_size = image_size
        self.scale = scale

    @property
    def sequence_length(self) -> None:
        """Images have no length that a batch could share."""
        return

    @property
    def identity(self) -> dict[str, Any]:
        """The size, and the name of what scales."""
        scale = self.scale
        name = None
        if scale is not None:
            kind = scale if hasattr(scale, "__qualname__") else type(scale)
            name = f"{kind.__module__}.{kind.__qualname__}"
        return {"kind": "images", "image_size": list(self.image_size), "scale": name}

    def check(self, texts: Any) -> list[Any]:
        """Paths that exist, or `uint8` arrays of shape `(height, width, 3)`.

        Raises:
            DataError: nothing there, another kind of value, or a file that does not exist; with its
                row, counted from 0.
        """
        images = texts
        if isinstance(images, (str, bytes, os.PathLike)) or not hasattr(images, "__len__"):
            fail("images", images, "a list of paths, or an array of images", error=DataError)
        if not len(images):
            raise DataError("`images` must hold at least one image. Received: an empty data set.")
        for row, image in enumerate(images):
            if isinstance(image, (str, os.PathLike)):
                if not os.path.isfile(image):
                    fail(f"images[{row}]", image, "a file that exists", error=DataError)
            elif getattr(image, "dtype", None) != "uint8" or image.ndim != 3 or image.shape[2] != 3:
                shape = getattr(image, "shape", None)
                raise DataError(
                    f"`images[{row}]` must be a path, or a uint8 array of shape (height, width, 3)."
                    f" Received: {type(image).__name__} of shape {shape} and dtype "
                    f"{getattr(image, 'dtype', None)}."
                )
        return list(images)

    def encode(self, texts: Sequence[Any]) -> list[np.ndarray]:
        """Load and resize each image.

        Args:
            texts: Paths or `uint8` arrays of shape `(height, width, 3)`.

        Returns:
            `uint8` arrays of shape `(height, width, 3)`, all of `image_size`.

        Raises:
            SourceError: a file that is no image, or a damaged one.
        """
        return [self._resize(self._load(image)) for image in texts]

    def pad(self, encoded: Sequence[np.ndarray], length: int | None = None) -> np.ndarray:
        """Put images into one batch and scale it.

        Args:
            encoded: What `encode` gave.
            length: Without meaning for images.

        Returns:
            `float32` of shape `(batch, height, width, 3)`.
        """
        batch = np.stack(encoded).astype("float32")
        return batch if self.scale is None else np.asarray(self.scale(batch), dtype="float32")

    def _load(self, image: Any) -> np.ndarray:
        if not isinstance(image, (str, os.PathLike)):
            return np.asarray(image)
        try:
            return np.asarray(keras.utils.load_img(image))
        except (OSError, ValueError) as error:
            raise SourceError(f"The image {os.fspath(image)!r} cannot be read: {error}.") from error

    def _resize(self, image: np.ndarray) -> np.ndarray:
        if image.shape[:2] == tuple(self.image_size):
            return image
        resized = keras.ops.image.resize(
            image.astype("float32"),
            tuple(self.image_size),
            interpolation="bilinear",
            antialias=True,
            data_format="channels_last",
        )
        return np.clip(np.round(keras.ops.convert_to_numpy(resized)), 0, 255).astype("uint8")
