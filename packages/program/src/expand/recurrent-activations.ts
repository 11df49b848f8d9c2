import type { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { Attributes } from "../onnx/model.ts";
import type { ExpansionGraph } from "./graph.ts";

/** One of a recurrent operator's activation functions, with its parameters. */
export type Activation = {
  readonly name: string;
  apply(graph: ExpansionGraph, dtype: DType, value: string): string;
};

interface Definition {
  /** Parameters it takes, with the value that it has where none is given; null: there is none. */
  readonly alpha?: number | null;
  readonly beta?: number | null;
  build(
    graph: ExpansionGraph,
    x: string,
    constant: (value: number) => string,
    alpha: number,
    beta: number,
  ): string;
}

const plain = (operator: string): Definition => ({ build: (graph, x) => graph.op(operator, [x]) });
const withAlpha = (operator: string, alpha: number): Definition => ({
  alpha,
  build: (graph, x, _, a) => graph.op(operator, [x], { alpha: { float: a } }),
});

/** ONNX's list for RNN, GRU and LSTM; the defaults are those of the operators of these names. */
const definitions: Readonly<Record<string, Definition>> = {
  relu: plain("Relu"),
  tanh: plain("Tanh"),
  sigmoid: plain("Sigmoid"),
  softsign: plain("Softsign"),
  softplus: plain("Softplus"),
  leakyrelu: withAlpha("LeakyRelu", 0.01),
  thresholdedrelu: withAlpha("ThresholdedRelu", 1),
  elu: withAlpha("Elu", 1),
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    build: (graph, x, _, alpha, beta) =>
      graph.op("HardSigmoid", [x], { alpha: { float: alpha }, beta: { float: beta } }),
  },
  affine: {
    alpha: null,
    beta: null,
    build: (graph, x, constant, alpha, beta) =>
      graph.op("Add", [graph.op("Mul", [x, constant(alpha)]), constant(beta)]),
  },
  scaledtanh: {
    alpha: null,
    beta: null,
    build: (graph, x, constant, alpha, beta) =>
      graph.op("Mul", [graph.op("Tanh", [graph.op("Mul", [x, constant(beta)])]), constant(alpha)]),
  },
};

/** The activation functions of all directions, in order. Each takes its alpha and beta from the lists if it has one. */
export function readActivations(attributes: Attributes, defaults: readonly string[]): Activation[] {
  const names = attributes.strings("activations") ?? defaults;
  if (names.length !== defaults.length)
    unsupported(`it has ${names.length} activations instead of ${defaults.length}`);
  const alphas = attributes.floats("activation_alpha") ?? [];
  const betas = attributes.floats("activation_beta") ?? [];
  return names.map((name) => {
    const definition =
      definitions[name.toLowerCase()] ?? unsupported(`its activation ${name} is not supported`);
    const take = (what: string, given: number[], otherwise: number | null | undefined): number => {
      if (otherwise === undefined) return 0;
      return given.shift() ?? otherwise ?? unsupported(`its activation ${name} has no ${what}`);
    };
    const alpha = take("alpha", alphas, definition.alpha);
    const beta = take("beta", betas, definition.beta);
    return {
      name: `${name} ${alpha} ${beta}`,
      apply: (graph, dtype, value) =>
        definition.build(graph, value, (number) => graph.scalar(dtype, number), alpha, beta),
    };
  });
}
