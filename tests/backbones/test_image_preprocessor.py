import keras
import numpy as np
import pytest

from kerasft.backbones.image_preprocessor import ImagePreprocessor
from kerasft.data import Batches
from kerasft.errors import ArgumentError, DataError, SourceError


def pixels(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype="uint8")


def test_files_and_arrays_give_the_same_batch(tmp_path):
    image = pixels(20, 30)
    keras.utils.save_img(tmp_path / "a.png", image, scale=False)
    preprocessor = ImagePreprocessor((8, 12))
    batch = preprocessor([image, str(tmp_path / "a.png"), tmp_path / "a.png"])
    assert batch.shape == (3, 8, 12, 3)
    assert batch.dtype == "float32"
    assert np.array_equal(batch[0], batch[1])
    assert np.array_equal(batch[0], batch[2])
    assert abs(batch[0].mean() - image.mean()) < 3


def test_images_of_the_right_size_are_left_as_they_are_and_scaled_by_batch():
    image = pixels(8, 8)
    assert np.array_equal(ImagePreprocessor((8, 8))([image])[0], image)
    scale = keras.applications.mobilenet.preprocess_input
    scaled = ImagePreprocessor((8, 8), scale)([image])
    assert np.allclose(scaled[0], image / 127.5 - 1, atol=1e-6)


def test_batches_have_one_shape_and_a_fit_runs():
    images = np.stack([pixels(10, 10, seed) for seed in range(7)])
    make = Batches(ImagePreprocessor((6, 6)), batch_size=4)
    train = make(images, [0, 1, 0, 1, 0, 1, 0], shuffle=True)
    assert [x.shape for x, _ in train.unshuffled()] == [(4, 6, 6, 3), (3, 6, 6, 3)]
    inputs = keras.Input((6, 6, 3))
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=False)
    model.fit(train, epochs=1, verbose=0)


def test_identity_names_the_size_and_the_scale():
    scale = keras.applications.mobilenet.preprocess_input
    identity = ImagePreprocessor((6, 8), scale).identity
    assert identity["image_size"] == [6, 8]
    assert identity["scale"].endswith("mobilenet.preprocess_input")
    assert ImagePreprocessor((6, 8)).identity["scale"] is None
    assert ImagePreprocessor((6, 8)).sequence_length is None


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("a.png", "must be a list of paths"),
        ([], "empty data set"),
        (["absent.png"], r"`images\[0\]` must be a file that exists"),
        ([np.zeros((4, 4, 3))], r"uint8 array of shape.*ndarray of shape \(4, 4, 3\).*float64"),
        ([np.zeros((4, 4), "uint8")], r"shape \(4, 4\)"),
        ([7], r"Received: int of shape None"),
    ],
)
def test_what_is_no_image_is_refused(images, message):
    with pytest.raises(DataError, match=message):
        ImagePreprocessor((4, 4))(images)


def test_a_damaged_file_is_a_source_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"The image .*a.png' cannot be read"):
        ImagePreprocessor((4, 4))([tmp_path / "a.png"])


@pytest.mark.parametrize(
    "arguments", [(8,), ((8,),), ((8, 0),), ((8, 8.5),), ((8, 8), "mobilenet")]
)
def test_arguments_are_checked(arguments):
    with pytest.raises(ArgumentError, match=r"`image_size` must be|`scale` must be"):
        ImagePreprocessor(*arguments)
