"""Large JSON requests: with the short way for their numbers they get what they get without it, bit for bit."""

from __future__ import annotations

import json
import random
import struct
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_server import bulk, codec, datatypes
from model_server.errors import BadRequest
from model_server.runtime import Tensor

if TYPE_CHECKING:
    import httpx

KINDS = {row.name: row for row in datatypes._ROWS.values()}
FLOATS = ("FP16", "BF16", "FP32", "FP64")
NUMBERS = "1, 2.5,\n-3e-2"


def model(kind: str, *names: str) -> Any:
    inputs = {name: Tensor(name, KINDS[kind], (-1,), None) for name in names or ("x",)}
    return SimpleNamespace(inputs=inputs, outputs={"y": None}, batchable=True)


def body(numbers: str, *, kind: str = "FP32", size: int = 3, before: str = "", behind: str = "", more: str = "") -> str:
    item = f'{{{before}"name": "x", "datatype": "{kind}", "shape": [{size}], "data": [{numbers}]{behind}}}'
    return f'{{"inputs": [{item}]{more}}}'


def outcome(text: bytes, served: Any, least: int) -> Any:
    """What a request comes to: everything that was read of it, or the words of the refusal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "LEAST", least)
        try:
            request = codec.decode(text, None, served)
        except BadRequest as error:
            return error.message
    feeds = {name: (each.dtype, each.shape, each.tobytes()) for name, each in request.feeds.items()}
    return feeds, request.id, request.rows, request.key, request.wanted, request.binary, request.timeout_s


def same(text: str | bytes, kind: str = "FP32", *names: str) -> Any:
    """Ask both ways, insist on one outcome and return it."""
    text = text if isinstance(text, bytes) else text.encode()
    served = model(kind, *names)
    usual = outcome(text, served, 1 << 60)
    assert outcome(text, served, 0) == usual
    return usual


def goes_the_short_way(text: str | bytes) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "LEAST", 0)
        return bulk.read(text if isinstance(text, bytes) else text.encode()) is not None


@pytest.mark.parametrize("kind", FLOATS)
def test_plain_requests_go_the_short_way(kind: str) -> None:
    for text in (
        body(NUMBERS, kind=kind),
        body(NUMBERS, kind=kind, more=', "id": "a", "parameters": {"timeout": 5}, "outputs": [{"name": "y"}]'),
        body(NUMBERS, kind=kind).replace('"x"', '"data"'),
        json.dumps(json.loads(body(NUMBERS, kind=kind)), separators=(",", ":")),
    ):
        assert goes_the_short_way(text)
        assert not isinstance(same(text, kind, "data" if '"data",' in text else "x"), str)


@pytest.mark.parametrize(
    "text",
    [
        body("[1, 2], [3, 4], []"),
        body("[1, 2, 3]"),
        body("[[1], [2], [3]]"),
        body("[1, 2], [3]", size=3),
        body("1, [2], 3"),
        body("1, [2, 3], []", size=3),
        body("true, 2, 3"),
        body("1, true, 3"),
        body("1, null, 3"),
        body('1, "2", 3'),
        body('1, "]", 3'),
        body("1, {}, 3"),
        body("1, NaN, 3"),
        body("1, -Infinity, 3"),
        body("1, 1e400, 3"),
        body("1, -1e400, 3"),
        body("1, 1e39, 3"),
        body("1, 18446744073709551615, 3"),
        body("1, 18446744073709551616, 3"),
        body("1, -9223372036854775809, 3"),
        body("1, -0, -0.0"),
        body("1, 01, 3"),
        body("1, 2., 3"),
        body("1, .5, 3"),
        body("1, +5, 3"),
        body("1, 2, 3,"),
        body("1, 2 3"),
        body("1, 2, 3 /* */"),
        body("1, 2, 3\0"),
        body("1,\v2, 3"),
        body("1, 2\N{NO-BREAK SPACE}, 3"),
        body(""),
        body(NUMBERS, size=4),
        body(NUMBERS) + "x",
        body(NUMBERS) + "\0",
        body(NUMBERS)[:-1],
        body(NUMBERS).replace("]", "", 2),
        "\N{BYTE ORDER MARK}" + body(NUMBERS),
        body(NUMBERS, before='"data": [4, 5, 6], '),
        body(NUMBERS, behind=', "data": [4, 5, 6]'),
        body(NUMBERS, behind=', "data": null'),
        body(NUMBERS, behind=', "d\\u0061ta": [4, 5, 6]'),
        body(NUMBERS, before='"d\\u0061ta": [4, 5, 6], '),
        body(NUMBERS, behind=', "data" : 7'),
        body(NUMBERS, behind=', "parameters": {"data": [4, 5, 6]}'),
        body(NUMBERS, before='"parameters": {"data": [4, 5, 6]}, '),
        body(NUMBERS, behind=', "parameters": {"binary_data_size": 12}'),
        body(NUMBERS, behind=', "shape": [2]'),
        body(NUMBERS, more=', "inputs": []'),
        body(NUMBERS, more=', "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [7]}]'),
        body(NUMBERS, more=', "inputs": {"x": 1}'),
        body(NUMBERS, more=', "id": "\\"data\\": [1]"'),
        body(NUMBERS, more=', "id": "x\\\\"'),
        body(NUMBERS, more=', "id": 5'),
        body(NUMBERS, more=', "outputs": [{"name": "unknown"}]'),
        body(NUMBERS).replace('"name"', '"x\\"data": [1, 2, 3], "name"'),
        body(NUMBERS).replace('"data"', '"x\\"data"').replace('"name"', '"d\\u0061ta": null, "name"'),
        body(NUMBERS).replace('"data"', '"parameters": {"data"').replace("]}", ']}, "d\\u0061ta": null}', 1),
        body(NUMBERS).replace('"name": "x", ', '"name": "x"data": [1, 2], '),
        body(NUMBERS).replace('"data": ', '"date": ') + ', "data": [1, 2, 3]}',
        body(NUMBERS).replace('"x"', '"other"'),
        '{"data": [1, 2, 3], "inputs": [{"name": "x", "datatype": "FP32", "shape": [3]}]}',
        '{"data": [1, 2, 3], "inputs": [{"name": "x", "datatype": "FP32", "shape": [3], "d": [1]}]}',
        '{"inputs": ["data", {"data": [1, 2, 3]}]}',
        '{"inputs": [[{"data": [1, 2, 3]}]]}',
        '{"inputs": {"data": [1, 2, 3]}}',
        '{"inputs": {"x": {"data": [1, 2, 3]}}}',
        '[{"data": [1, 2, 3]}]',
        '"data": [1, 2, 3]',
        '{"data": [1, 2, 3]}',
        '{"data": [1, 2, 3]',
        '"data"' * 50,
        '"data":' * 50,
        '"data":[1' * 50,
    ],
)
def test_what_is_unusual_is_answered_as_ever(text: str) -> None:
    for kind in ("FP32", "FP64", "FP16", "INT64", "BOOL", "BYTES"):
        same(text.replace("FP32", kind), kind)
    same(text.encode()[:-1] + b"\xff")
    same(text.replace("2", "\udcff").encode(errors="surrogateescape"))


def test_two_inputs_are_answered_as_ever() -> None:
    item = '{"name": "%s", "datatype": "FP32", "shape": [3], "data": [1, 2, 3]}'
    first, second = item % "x", item % "z"
    assert not isinstance(same(f'{{"inputs": [{first}, {second}]}}', "FP32", "x", "z"), str)
    assert same(f'{{"inputs": [{first}]}}', "FP32", "x", "z") == "missing input z"
    assert same(f'{{"inputs": [{first}, {first}]}}', "FP32", "x", "z") == "input x is given twice"


def test_numbers_that_do_not_fit_their_datatype_stay_what_they_were() -> None:
    feeds = same(body("1e39, -1e39, 1e-46"))[0]
    assert feeds["x"][2] == np.array([np.inf, -np.inf, 0], np.float32).tobytes()
    assert same(body("1, 1e400, 3")).startswith("the request is not valid JSON")


def halfway(number: float) -> str:
    """Return exactly the middle between a FP64 number and the next, of which the even one is right."""
    return format((Decimal(number) + Decimal(float(np.nextafter(number, np.inf)))) / 2, "f")


@pytest.mark.parametrize("kind", FLOATS)
def test_every_number_is_rounded_as_ever(kind: str) -> None:
    chance = random.Random(3)  # noqa: S311 - nothing secret
    texts = []
    for _ in range(4000):
        number = struct.unpack("<d", chance.randbytes(8))[0]
        single = struct.unpack("<f", chance.randbytes(4))[0]
        texts += [repr(each) for each in (number, single) if np.isfinite(each)]
        texts.append(halfway(chance.uniform(-100, 100)))
        texts.append(f"{chance.uniform(-1, 1) * 10 ** chance.randint(-50, 50):.{chance.randint(0, 25)}e}")
        texts.append(str(chance.randint(-(1 << chance.randint(1, 63)), 1 << chance.randint(1, 63))))
    text = body(", ".join(texts), kind=kind, size=len(texts))
    assert goes_the_short_way(text)
    assert not isinstance(same(text, kind), str)


NUMBER = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(1 << 70), 1 << 70).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
)
ODD = st.sampled_from(
    [*("true", "null", '"1"', '"]"', '"\\u0031"', "[1]", "[]", "{}", "NaN", "-0", "01", "1.", "-", "", "\0", "]")]
)
SPACES = st.text(" \t\r\n", max_size=2)
FIELDS = st.sampled_from(
    [
        *('"name":"x"', '"name":"x"', '"name":"x"', '"name":"data"', '"name":["x"]'),
        *('"datatype":"FP32"', '"datatype":"FP32"', '"datatype":"FP64"', '"shape":[2]', '"shape":[3]', '"shape":[]'),
        *('"parameters":{}', '"parameters":{"data":[1,2]}', '"parameters":{"binary_data_size":8}'),
        *('"data":"x"', '"data":null', '"d\\u0061ta":[1,2]', '"more":"\\"data\\":[1]"', '"data"', '"x":"\\\\"'),
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A request that is mostly right: fields in any order, some twice, and in the end perhaps one wrong byte."""
    size = draw(st.integers(0, 4))
    elements = [draw(NUMBER) if draw(st.integers(0, 9)) else draw(ODD) for _ in range(size)]
    numbers = ",".join(draw(SPACES) + each + draw(SPACES) for each in elements)
    fields = [f'"data"{draw(SPACES)}:{draw(SPACES)}[{numbers}]', '"name":"x"', '"datatype":"FP32"', f'"shape":[{size}]']
    fields = draw(st.permutations(fields + draw(st.lists(FIELDS, max_size=2))))
    more = draw(st.sampled_from(["", "", ',"id":"a"', ',"inputs":[]', ',"id":"\\n"', ',"data":[1]', ',"outputs":[]']))
    text = f'{{"inputs":[{{{",".join(fields)}}}]{more}}}'.encode()
    if draw(st.integers(0, 2)):
        return text
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.binary(max_size=1)) + text[at + draw(st.integers(0, 1)) :]


@settings(max_examples=500, deadline=None)
@given(texts())
def test_any_request_is_answered_as_ever(text: bytes) -> None:
    same(text)


def test_a_large_request_comes_through_the_server_unchanged(client: httpx.Client) -> None:
    numbers = np.random.Generator(np.random.PCG64(7)).standard_normal(5000).astype(np.float32)
    item = {"name": "FLOAT", "datatype": "FP32", "shape": [2, 2500], "data": [float(each) for each in numbers]}
    answer = client.post("/v2/models/grid/infer", json={"inputs": [item]})
    assert answer.status_code == 200, answer.text
    assert np.array(answer.json()["outputs"][0]["data"], np.float32).tobytes() == numbers.tobytes()
    item["data"][4000] = True  # type: ignore[index]
    item["data"][4001] = "1"  # type: ignore[index]
    answer = client.post("/v2/models/grid/infer", json={"inputs": [item]})
    assert answer.json() == {"error": "data of input FLOAT is ragged or not all FP32"}
