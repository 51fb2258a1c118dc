"""The pretrained models on two photos, against the logits of the models that the weights were published with.

Made on the arrays of `zoo.preprocess`, in float64, by efficientnet_lite_pytorch 0.1.0 and torchvision 0.28.0 with torch
2.13.0 and these same weight files; neither package is needed here.
"""

import numpy as np
import onnxruntime
import pytest

from nearbank import zoo

# (model, photo): the five largest logits by class, and the norm of all 1000.
LOGITS = {
    ("efficientnet-lite0", "chelsea"): (
        {282: 9.256, 285: 9.0744, 281: 8.3621, 287: 5.9754, 904: 3.459},
        38.8892,
    ),
    ("efficientnet-lite0", "coffee"): (
        {967: 11.4004, 968: 7.2504, 925: 6.5871, 960: 5.9465, 504: 5.7599},
        34.7696,
    ),
    ("mobilenet-v2", "chelsea"): (
        {285: 18.8495, 282: 17.2662, 281: 17.1388, 287: 13.8915, 728: 12.4074},
        115.0427,
    ),
    ("mobilenet-v2", "coffee"): (
        {967: 21.0802, 925: 15.6438, 968: 14.5203, 809: 14.4689, 504: 13.2229},
        102.8818,
    ),
}


@pytest.fixture(scope="module")
def logits():
    found = {}
    for name in ("efficientnet-lite0", "mobilenet-v2"):
        model = zoo.build(name).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        for photo in ("chelsea", "coffee"):
            found[name, photo] = session.run(None, {"input": zoo.preprocess(zoo.photo(photo), zoo.info(name))})[0][0]
    return found


@pytest.mark.parametrize(("name", "photo"), sorted(LOGITS))
def test_logits_are_those_of_the_original_model(logits, name, photo):
    top, norm = LOGITS[name, photo]
    found = logits[name, photo]
    assert np.argsort(-found)[:5].tolist() == list(top)
    np.testing.assert_allclose(found[list(top)], list(top.values()), atol=2e-4)
    assert np.linalg.norm(found) == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenet-v2"])
def test_the_cat_is_a_cat_and_the_coffee_an_espresso(logits, name):
    labels = zoo.labels()
    assert len(labels) == 1000
    cats = [labels.index(cat) for cat in ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")]
    assert cats == [281, 282, 283, 284, 285]
    chance = {photo: np.exp(x - x.max()) / np.exp(x - x.max()).sum() for (n, photo), x in logits.items() if n == name}
    assert chance["chelsea"][cats].sum() > 0.9
    assert chance["coffee"][labels.index("espresso")] > 0.9


def test_the_photos_are_those_of_scikit_image():
    assert [zoo.photo(name).shape for name in ("chelsea", "coffee")] == [(300, 451, 3), (400, 600, 3)]
    assert zoo.photo("chelsea")[0, 0].tolist() == [143, 120, 104]
