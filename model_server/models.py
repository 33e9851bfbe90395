"""The labs' models, small and the same on every machine: `python -m model_server.models FOLDER [--conv]`.

Run at image-build time with nothing but NumPy installed. Writes `<FOLDER>/<model>/<version>/model.onnx`:

    mlp/1, mlp/2   float input [batch,20] → probabilities [batch,10]; 49,930 weights; the versions differ in weights
    fixed/1        the same network for exactly one row, so that it cannot be batched
    text/1         a sentence [batch] (BYTES) → label [batch] (BYTES) and probabilities [batch,4]
    conv/1         an image [batch,3,64,64] → probabilities [batch,1000]; 10 MB, so only with `--conv`

Not imported by the server.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np

from model_server import onnx_writer as onnx

LAYERS = (20, 208, 208, 10)
CONV_INPUT = (3, 64, 64)
_CHANNELS = (3, 16, 32, 40)
_CLASSES = 1000

#: What a `text` request can be about, and the words that say so.
TOPICS = {
    "billing": ("invoice", "charged", "refund", "price", "payment", "card"),
    "delivery": ("parcel", "late", "courier", "tracking", "arrived", "address"),
    "technical": ("error", "crash", "login", "password", "slow", "update"),
    "praise": ("thanks", "great", "love", "excellent", "happy", "perfect"),
}


def mlp(name: str, seed: int, rows: int | str) -> bytes:
    """Return a network of three layers with softmax.

    Args:
        name: Of the graph.
        seed: Of the weights.
        rows: A fixed number of rows, or the name of a dimension that may vary.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    nodes: list[bytes] = []
    constants: list[bytes] = []
    current = "input"
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(LAYERS), start=1):
        scale = np.sqrt(2 / fan_in)
        constants.append(
            onnx.weights(f"w{layer}", (random.random((fan_in, fan_out)) * 2 - 1).astype(np.float32) * np.float32(scale))
        )
        constants.append(onnx.weights(f"b{layer}", (random.random(fan_out) * 0.2 - 0.1).astype(np.float32)))
        nodes.append(onnx.node("Gemm", [current, f"w{layer}", f"b{layer}"], [f"z{layer}"]))
        current = f"z{layer}"
        if layer < len(LAYERS) - 1:
            nodes.append(onnx.node("Relu", [current], [f"a{layer}"]))
            current = f"a{layer}"
    nodes.append(onnx.node("Softmax", [current], ["output"], axis=-1))
    inputs = [onnx.value("input", onnx.FLOAT, [rows, LAYERS[0]])]
    outputs = [onnx.value("output", onnx.FLOAT, [rows, LAYERS[-1]])]
    return onnx.model(name, nodes=nodes, constants=constants, inputs=inputs, outputs=outputs, opsets={"": 17})


def text() -> bytes:
    """Return a word-counting classifier that takes the sentence itself: no tokenizer in front of it."""
    words = [word for topic in TOPICS.values() for word in topic]
    table = np.zeros((len(words), len(TOPICS)), dtype=np.float32)
    for column, topic in enumerate(TOPICS.values()):
        for word in topic:
            table[words.index(word), column] = 2.0
    # Locale "C": a slim image has no other, and ONNX Runtime refuses to load a model whose locale is missing.
    nodes = [
        onnx.node("StringNormalizer", ["text"], ["lower"], case_change_action="LOWER", locale="C"),
        onnx.node("StringSplit", ["lower"], ["tokens", "count"], maxsplit=63),
        onnx.node(
            "TfIdfVectorizer",
            ["tokens"],
            ["counts"],
            mode="TF",
            min_gram_length=1,
            max_gram_length=1,
            max_skip_count=0,
            ngram_counts=[0],
            ngram_indexes=list(range(len(words))),
            pool_strings=words,
        ),
        onnx.node("Gemm", ["counts", "table", "bias"], ["scores"]),
        onnx.node("Softmax", ["scores"], ["probabilities"], axis=-1),
        onnx.node("ArgMax", ["probabilities"], ["best"], axis=1, keepdims=0),
        onnx.node(
            "LabelEncoder",
            ["best"],
            ["label"],
            domain="ai.onnx.ml",
            keys_int64s=list(range(len(TOPICS))),
            values_strings=list(TOPICS),
        ),
    ]
    constants = [onnx.weights("table", table), onnx.weights("bias", np.zeros(len(TOPICS), dtype=np.float32))]
    inputs = [onnx.value("text", onnx.STRING, ["batch"])]
    outputs = [
        onnx.value("label", onnx.STRING, ["batch"]),
        onnx.value("probabilities", onnx.FLOAT, ["batch", len(TOPICS)]),
    ]
    return onnx.model(
        "text", nodes=nodes, constants=constants, inputs=inputs, outputs=outputs, opsets={"": 20, "ai.onnx.ml": 2}
    )


def conv() -> bytes:
    """Return a network of three convolutions, each halving the image, and a layer of 1000 classes."""
    random = np.random.Generator(np.random.PCG64(4))
    nodes: list[bytes] = []
    constants: list[bytes] = []
    current = "input"
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(_CHANNELS), start=1):
        kernel = (random.random((fan_out, fan_in, 3, 3)) - 0.5).astype(np.float32) * np.float32(0.5)
        constants.append(onnx.weights(f"k{layer}", kernel))
        nodes.append(
            onnx.node("Conv", [current, f"k{layer}"], [f"z{layer}"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        )
        nodes.append(onnx.node("Relu", [f"z{layer}"], [f"a{layer}"]))
        current = f"a{layer}"
    features = _CHANNELS[-1] * (CONV_INPUT[1] // 8) * (CONV_INPUT[2] // 8)
    constants.append(onnx.weights("w", ((random.random((features, _CLASSES)) - 0.5) * 0.05).astype(np.float32)))
    constants.append(onnx.weights("b", np.zeros(_CLASSES, dtype=np.float32)))
    nodes.append(onnx.node("Flatten", [current], ["flat"], axis=1))
    nodes.append(onnx.node("Gemm", ["flat", "w", "b"], ["scores"]))
    nodes.append(onnx.node("Softmax", ["scores"], ["output"], axis=-1))
    inputs = [onnx.value("input", onnx.FLOAT, ["batch", *CONV_INPUT])]
    outputs = [onnx.value("output", onnx.FLOAT, ["batch", _CLASSES])]
    return onnx.model("conv", nodes=nodes, constants=constants, inputs=inputs, outputs=outputs, opsets={"": 17})


def write_conv(folder: Path) -> Path:
    """Write `conv/1` and return its file.

    Args:
        folder: The model repository.
    """
    file = folder / "conv" / "1" / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(conv())
    return file


def write(folder: Path) -> list[Path]:
    """Write all models and return the files.

    Args:
        folder: The model repository; made when it is not there.
    """
    contents = {
        "mlp/1": mlp("mlp", 1, "batch"),
        "mlp/2": mlp("mlp", 2, "batch"),
        "fixed/1": mlp("fixed", 3, 1),
        "text/1": text(),
    }
    files = []
    for place, content in contents.items():
        file = folder / place / "model.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        files.append(file)
    return files


def main(argv: list[str]) -> int:
    """Write the models into the folder named on the command line and list the files on stdout."""
    folders = [argument for argument in argv if argument != "--conv"]
    if len(folders) != 1 or folders[0].startswith("-"):
        sys.stderr.write("usage: python -m model_server.models FOLDER [--conv]\n")
        return 2
    files = write(Path(folders[0]))
    if "--conv" in argv:
        files.append(write_conv(Path(folders[0])))
    for file in files:
        sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
