import { unsupported } from "../compile/unsupported.ts";
import { range, required, requireFloat32 } from "./arguments.ts";
import type { Expansion } from "./index.ts";

/** x/(bias + alpha/size·Σ x²)^beta, the sum over neighbouring channels. */
const localResponse: Expansion = (node, graph) => {
  const x = required(node, 0);
  requireFloat32(graph, x);
  const dims = graph.dims(x);
  const [n, c, ...space] = dims;
  const size = node.attributes.int("size", 0);
  if (c === undefined || size < 1) unsupported("its size or input is malformed");
  const area = space.reduce((product, dim) => product * dim, 1);
  const before = Math.floor((size - 1) / 2);
  const planes = graph.reshape(graph.op("Mul", [x, x]), [n!, 1, c, area]);
  const means = graph.op("AveragePool", [planes], {
    kernel_shape: [size, 1],
    pads: [before, 0, size - 1 - before, 0],
    count_include_pad: 1,
  });
  const scaled = graph.op("Mul", [
    graph.reshape(means, dims),
    graph.float32([], [node.attributes.float("alpha", 1e-4)]),
  ]);
  const sum = graph.op("Add", [scaled, graph.float32([], [node.attributes.float("bias", 1)])]);
  return [
    graph.op("Div", [x, graph.op("Pow", [sum, graph.float32([], [node.attributes.float("beta", 0.75)])])]),
  ];
};

/** Training mode: mean and variance of the batch take the place of the given ones, and move these. */
const batchInTraining: Expansion = (node, graph) => {
  if (node.attributes.int("training_mode", 0) === 0) return undefined;
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => required(node, i)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  requireFloat32(graph, x);
  const dims = graph.dims(x);
  const axes = range(dims.length).filter((i) => i !== 1);
  const channels = [dims[1] ?? unsupported("its input has no channels")];
  const centre = graph.reduce("ReduceMean", x, axes);
  const centred = graph.op("Sub", [x, centre]);
  const batchMean = graph.reshape(centre, channels);
  const squares = graph.reduce("ReduceMean", graph.op("Mul", [centred, centred]), axes);
  const batchVariance = graph.reshape(squares, channels);
  const y = graph.op("BatchNormalization", [x, scale, bias, batchMean, batchVariance], {
    epsilon: { float: node.attributes.float("epsilon", 1e-5) },
  });
  const momentum = node.attributes.float("momentum", 0.9);
  const moved = (old: string, now: string) =>
    graph.op("Add", [
      graph.op("Mul", [old, graph.float32([], [momentum])]),
      graph.op("Mul", [now, graph.float32([], [1 - momentum])]),
    ]);
  return [y, moved(mean, batchMean), moved(variance, batchVariance)];
};

export const normalizations: Record<string, Expansion> = {
  LRN: localResponse,
  BatchNormalization: batchInTraining,
};
