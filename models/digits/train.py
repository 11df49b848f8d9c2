"""Trains the digit classifiers of this folder from scikit-learn's bundled digits, with plain numpy.

Needs numpy, scikit-learn and onnx; takes about a minute:  python models/digits/train.py
Writes digits.onnx, digits-small.onnx, samples.json and accuracy.json next to this file.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
SEED = 20
KEPT = 0.2  # part of the weights that digits-small.onnx keeps


def im2col(x):
    """3x3 patches with padding 1: [n, h, w, c] -> [n, h, w, 9c] in (kh, kw, c) order."""
    n, h, w, c = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.concatenate([padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], axis=3)


def col2im(d, c):
    n, h, w, _ = d.shape
    padded = np.zeros((n, h + 2, w + 2, c), np.float32)
    for k in range(9):
        i, j = divmod(k, 3)
        padded[:, i : i + h, j : j + w] += d[..., k * c : (k + 1) * c]
    return padded[:, 1:-1, 1:-1]


class Network:
    """Convolutions with Relu, one 2x2 maximum pool, dense layers with Relu between, softmax."""

    def __init__(self, rng, channels, hidden):
        sizes = [1, *channels]
        he = lambda fan_in, *shape: (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
        self.convs = len(channels)
        self.params = []
        for c, o in zip(sizes, sizes[1:]):
            self.params += [he(9 * c, 9 * c, o), np.zeros(o, np.float32)]
        dense = [16 * channels[-1], *hidden, 10]
        for a, b in zip(dense, dense[1:]):
            self.params += [he(a, a, b), np.zeros(b, np.float32)]
        self.layers = len(self.params) // 2
        self.kept = [np.float32(1)] * len(self.params)

    def forward(self, x, drop=None):
        self.saved = []
        for layer in range(self.layers):
            w, b = self.params[2 * layer : 2 * layer + 2]
            columns = im2col(x) if layer < self.convs else x
            y = columns @ w + b
            if layer < self.layers - 1:
                y = np.maximum(y, 0)
            self.saved.append((columns, y))
            x = y
            if layer == self.convs - 1:
                n, h, w_, c = x.shape
                blocks = x.reshape(n, h // 2, 2, w_ // 2, 2, c)
                pooled = blocks.max(axis=(2, 4))
                self.mask = blocks == pooled[:, :, None, :, None, :]
                x = pooled.reshape(n, -1)
                if drop is not None:
                    x = x * drop
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def gradients(self, probabilities, labels, drop):
        d = probabilities.copy()
        d[np.arange(len(labels)), labels] -= 1
        d /= len(labels)
        grads = [None] * len(self.params)
        for layer in reversed(range(self.layers)):
            columns, y = self.saved[layer]
            if layer == self.convs - 1:
                n, h, w_, c = y.shape
                d = (d * drop).reshape(n, h // 2, 1, w_ // 2, 1, c)
                d = (self.mask * d).reshape(n, h, w_, c)
            if layer < self.layers - 1:
                d = d * (y > 0)
            flat = d.reshape(-1, d.shape[-1])
            grads[2 * layer] = columns.reshape(-1, columns.shape[-1]).T @ flat
            grads[2 * layer + 1] = flat.sum(axis=0)
            d = d @ self.params[2 * layer].T
            if layer < self.convs and layer > 0:
                d = col2im(d, self.params[2 * layer].shape[0] // 9)
        return grads

    def train(self, rng, x, labels, epochs):
        m = [np.zeros_like(p) for p in self.params]
        v = [np.zeros_like(p) for p in self.params]
        step = 0
        for epoch in range(epochs):
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
            order = rng.permutation(len(x))
            for batch in np.array_split(order, len(x) // 64):
                shift = rng.integers(-1, 2, 2)
                moved = np.roll(x[batch], shift, axis=(1, 2)) if rng.random() < 0.3 else x[batch]
                width = self.params[2 * self.convs].shape[0]
                drop = ((rng.random((len(batch), width)) < 0.8) / 0.8).astype(np.float32)
                grads = self.gradients(self.forward(moved, drop), labels[batch], drop)
                step += 1
                for i, g in enumerate(grads):
                    m[i] = 0.9 * m[i] + 0.1 * g
                    v[i] = 0.999 * v[i] + 0.001 * g * g
                    update = (m[i] / (1 - 0.9**step)) / (np.sqrt(v[i] / (1 - 0.999**step)) + 1e-8)
                    self.params[i] = ((self.params[i] - rate * update) * self.kept[i]).astype(np.float32)

    def prune(self, kept):
        """Keeps only the largest weights of each layer: less to compute for an engine that skips zeros."""
        for i in range(0, len(self.params), 2):
            size = np.abs(self.params[i])
            self.kept[i] = (size >= np.quantile(size, 1 - kept)).astype(np.float32)
            self.params[i] = self.params[i] * self.kept[i]

    def export(self, path, name):
        """Writes standard ONNX (NCHW, opset 17)."""
        nodes, weights, value = [], [], "pixels"
        for layer in range(self.layers):
            w, b = self.params[2 * layer : 2 * layer + 2]
            last = layer == self.layers - 1
            if layer < self.convs:
                c, o = w.shape[0] // 9, w.shape[1]
                label, w = f"conv{layer + 1}", w.reshape(3, 3, c, o).transpose(3, 2, 0, 1)
                operator, options = "Conv", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
            else:
                label, operator, options = f"dense{layer - self.convs + 1}", "Gemm", {"transB": 1}
                if layer == self.convs:  # our flattening is (h, w, c), ONNX's is (c, h, w)
                    w = w.reshape(4, 4, -1, w.shape[1]).transpose(2, 0, 1, 3).reshape(w.shape)
                w = w.T
            weights += [
                numpy_helper.from_array(np.ascontiguousarray(w), f"{label}.weight"),
                numpy_helper.from_array(b, f"{label}.bias"),
            ]
            out = "logits" if last else f"{label}.out"
            nodes.append(
                helper.make_node(operator, [value, f"{label}.weight", f"{label}.bias"], [out], label, **options)
            )
            value = out
            if not last:
                nodes.append(helper.make_node("Relu", [value], [f"{label}.relu"], f"{label}.relu"))
                value = f"{label}.relu"
            if layer == self.convs - 1:
                nodes.append(
                    helper.make_node("MaxPool", [value], ["pool"], "pool", kernel_shape=[2, 2], strides=[2, 2])
                )
                nodes.append(helper.make_node("Flatten", ["pool"], ["features"], "flatten"))
                value = "features"
        nodes.append(helper.make_node("Softmax", [value], ["probabilities"], "softmax", axis=1))
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 1, 8, 8])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
            weights,
        )
        model = helper.make_model(graph, producer_name="assay", opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())


def main():
    digits = load_digits()
    x = (digits.images / 16).astype(np.float32)[..., None]
    indices = np.arange(len(x))
    train, test = train_test_split(indices, test_size=0.2, random_state=SEED, stratify=digits.target)

    rng = np.random.default_rng(SEED)
    network = Network(rng, channels=[8, 16], hidden=[32])
    network.train(rng, x[train], digits.target[train], epochs=60)
    accuracy = lambda part: float(np.mean(network.forward(x[part]).argmax(axis=1) == digits.target[part]))

    report = {"trained_on": len(train), "tested_on": len(test)}
    for name in ["digits", "digits-small"]:
        if name == "digits-small":
            network.prune(KEPT)
            network.train(rng, x[train], digits.target[train], epochs=10)
        network.export(HERE / f"{name}.onnx", name)
        report[name] = {
            "weights": sum(int(np.count_nonzero(p)) for p in network.params),
            "train_accuracy": round(accuracy(train), 4),
            "test_accuracy": round(accuracy(test), 4),
        }
    print(json.dumps(report, indent=2))
    (HERE / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n")

    chosen = [i for digit in range(10) for i in test[digits.target[test] == digit][:2]]
    samples = [
        {"label": int(digits.target[i]), "pixels": digits.images[i].astype(int).flatten().tolist()}
        for i in chosen
    ]
    lines = ",\n".join("  " + json.dumps(sample) for sample in samples)
    (HERE / "samples.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
