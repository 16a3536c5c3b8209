"""OpenML, spoken by a server on this machine; only its addresses differ from the real one."""

import hashlib
import json
import socket
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from sklearn.datasets import _openml

from plainmlp.data import openml
from plainmlp.data.datasets import fetch_dataset
from plainmlp.data.openml import fetch_openml_dataset
from plainmlp.system.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 784))
FLOWERS = "@RELATION t\n" + "\n".join(
    [
        "@ATTRIBUTE size NUMERIC",
        "@ATTRIBUTE colour {red,'dark blue'}",
        "@ATTRIBUTE count INTEGER",
        "@ATTRIBUTE level {0,1}",
        "@ATTRIBUTE kind {a,b}",
        "@DATA",
        "1.5,red,1,0,a",
        "2.5,'dark blue',?,1,b",
        "3.5,red,3,1,a",
        "4.5,?,4,0,b",
    ]
)
DIGITS = "\n".join(
    [
        "@RELATION mnist_784",
        *(f"@ATTRIBUTE pixel{number} INTEGER" for number in range(1, 785)),
        "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}",
        "@DATA",
        *(",".join(map(str, [*row, label % 10])) for label, row in enumerate(PIXELS.tolist())),
    ]
)


def attribute(name, kind, *, target=False):
    flags = {"is_target": str(target).lower(), "is_ignore": "false", "is_row_identifier": "false"}
    return {"name": name, "data_type": kind, "number_of_missing_values": "0", **flags}


FEATURES = {
    1: [
        attribute("size", "numeric"),
        attribute("colour", "nominal"),
        attribute("count", "numeric"),
        attribute("level", "nominal"),
        attribute("kind", "nominal", target=True),
    ],
    554: [attribute(f"pixel{number}", "numeric") for number in range(1, 785)]
    + [attribute("class", "nominal", target=True)],
}
FEATURES[2] = [{**each, "is_target": "false"} for each in FEATURES[1]]
ARFF = {1: FLOWERS, 2: FLOWERS, 554: DIGITS}


def answers():
    """Return what the server has at each path."""
    pages = {}
    for number, arff in ARFF.items():
        data = {
            "id": str(number),
            "name": "t",
            "version": "1",
            "status": "active",
            "format": "ARFF",
            "description": "",
            "url": f"https://www.openml.org/data/v1/download/{number}/t.arff",
            "file_id": str(number),
            "md5_checksum": hashlib.md5(arff.encode()).hexdigest(),
        }
        api = "/api/v1/json/data"
        pages[f"{api}/{number}"] = {"data_set_description": data}
        pages[f"{api}/features/{number}"] = {"data_features": {"feature": FEATURES[number]}}
        count = arff.split("@DATA\n")[1].count("\n") + 1
        quality = [{"name": "NumberOfInstances", "value": str(count)}]
        pages[f"{api}/qualities/{number}"] = {"data_qualities": {"quality": quality}}
        pages[f"/data/v1/download/{number}/t.arff"] = arff
    return {path: page if isinstance(page, str) else json.dumps(page) for path, page in pages.items()}


class Slow(str):
    """A page that is sent late."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        if isinstance(page, Slow):
            time.sleep(0.4)
        self.send_response(self.server.refusal if page is None else 200)
        self.end_headers()
        self.wfile.write((page or "{}").encode())

    def log_message(self, *_):
        """Keep the tests' output quiet."""


def answer_from(monkeypatch, port):
    """Let scikit-learn ask a port of this machine in place of OpenML."""

    def opened(request):
        request.full_url = request.full_url.replace("https://www.openml.org", f"http://127.0.0.1:{port}")
        return urllib.request.urlopen(request)

    monkeypatch.setattr(_openml, "urlopen", opened)


@pytest.fixture
def server(monkeypatch, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.pages, server.asked, server.refusal = answers(), [], 412
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
        answer_from(monkeypatch, server.server_port)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("server")
def test_a_data_set_with_its_default_target():
    dataset = fetch_dataset("openml", data_id=1, missing="mean")
    assert dataset.description.name == "openml"
    assert dataset.description.target_names == ("kind",)
    assert dataset.description.class_names == ("a", "b")
    assert [column.name for column in dataset.description.columns] == ["size", "colour", "count", "level"]
    assert dataset.description.columns[1].categories == ("dark blue", "red")
    assert dataset.description.columns[3].categories == ("0", "1")
    nan = np.nan
    expected = [[1.5, 1, 1, 0], [2.5, 0, nan, 1], [3.5, 1, 3, 1], [4.5, nan, 4, 0]]
    np.testing.assert_array_equal(dataset.rows.features, expected)
    assert dataset.rows.targets.tolist() == [0, 1, 0, 1]


@pytest.mark.usefixtures("server")
def test_another_target_makes_the_default_one_a_feature():
    dataset = fetch_dataset("openml", data_id=1, target="size", missing="median")
    assert dataset.description.task == "regression"
    assert [column.name for column in dataset.description.columns] == ["colour", "count", "level", "kind"]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data_id": 1}, "OpenML data set 1: column 'count' has no value in row 2"),
        ({"data_id": 1, "target": "sise"}, "did you mean 'size'"),
        ({"data_id": 2}, r"dataset.target is missing: .* no default target \(columns: size, colour"),
        ({"data_id": 3}, "OpenML data set 3 cannot be fetched: Dataset with data_id 3 not found"),
    ],
)
def test_what_cannot_be_used_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        fetch_dataset("openml", **options)


@pytest.mark.usefixtures("server")
def test_mnist():
    dataset = fetch_dataset("mnist")
    assert dataset.rows.features.dtype == np.uint8
    np.testing.assert_array_equal(dataset.rows.features, PIXELS)
    assert dataset.rows.targets.tolist() == [row % 10 for row in range(20)]
    assert dataset.description.image_shape == (28, 28)


def test_what_was_fetched_is_not_asked_for_again(server):
    fetch_dataset("mnist")
    asked = len(server.asked)
    assert asked == 4
    fetch_dataset("mnist")
    assert len(server.asked) == asked


def test_altered_data_are_refused(server):
    server.pages["/data/v1/download/1/t.arff"] += "\n5,red,5,0,a"
    with pytest.raises(InputError, match="md5 checksum") as caught:
        fetch_dataset("openml", data_id=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("page", ["{", "[]", "{}"])
def test_an_answer_of_another_kind_is_refused(server, page):
    server.pages["/api/v1/json/data/1"] = page
    with pytest.raises(InputError, match="OpenML data set 1 cannot be fetched"):
        fetch_dataset("openml", data_id=1)


def test_a_refusal_is_told_with_its_number(server):
    server.refusal = 404
    with pytest.raises(InputError, match=r"OpenML answered 404 Not Found to http://127\.0\.0\.1"):
        fetch_dataset("openml", data_id=3)


def test_without_a_server_the_answer_comes_soon(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    answer_from(monkeypatch, port)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    before = time.perf_counter()
    with pytest.raises(InputError, match=r"OpenML cannot be reached .*refused.*dataset.path") as caught:
        fetch_dataset("mnist")
    assert time.perf_counter() - before < 2
    assert "\n" not in str(caught.value)


def test_a_server_that_does_not_answer_is_given_up(server, monkeypatch):
    monkeypatch.setattr(openml, "SECONDS_PER_ANSWER", 0.1)
    server.pages["/api/v1/json/data/1"] = Slow("{}")
    with pytest.raises(InputError, match=r"OpenML cannot be reached \(.*timed out"):
        fetch_openml_dataset(1)
    assert socket.getdefaulttimeout() is None
