import { Family, NormalizationOp } from "@assay/numerics";
import { axis, digits, type IterationAxis } from "../compile/draft.ts";
import type { LoweringGraph, OperandSpec } from "../compile/graph.ts";
import { DEFAULT_LAMBDA, encodeWords, float32Bits, SUM_LAMBDA } from "../compile/params.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { broadcastIndices, input, normalAxis, onlyOutput, optionalInput } from "./arguments.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";

/** Parameters of every operation of the family but the softmaxes. */
function params(epsilon: number): Uint8Array {
  return encodeWords([float32Bits(epsilon), DEFAULT_LAMBDA]);
}

/** An element x and the row that it is part of: the axes of which `inRow` holds. */
function rowAndElement(graph: LoweringGraph, x: string, inRow: (i: number) => boolean) {
  const dims = graph.dims(x);
  const axes = dims.map(axis);
  const row = dims.map(axis);
  const operands: OperandSpec[] = [
    { value: x, reduced: true, indices: axes.map((a, i) => digits([inRow(i) ? row[i]! : a])) },
    { value: x, indices: axes.map((a) => digits([a])) },
  ];
  return { axes, row: row.filter((_, i) => inRow(i)), operands };
}

function writeRow(
  node: OnnxNode,
  graph: LoweringGraph,
  op: number,
  epsilon: number,
  { axes, row, operands }: ReturnType<typeof rowAndElement>,
): void {
  graph.write(node.outputs[0] ?? unsupported("it has no output"), node, {
    family: Family.Normalization,
    op,
    dims: axes.map((a) => [a]),
    reduction: row,
    operands,
    params: params(epsilon),
  });
}

/** Reads a value of one element for each coordinate of one axis. */
const along = (value: string, a: IterationAxis): OperandSpec => ({ value, indices: [digits([a])] });

/** LayerNormalization, and with `centred` false RMSNormalization: the axes from `axis` on are a row. */
function layer(centred: boolean): Lowering {
  return (node, graph) => {
    const x = input(node, 0);
    const dims = graph.dims(x);
    const first = normalAxis(node.attributes.int("axis", -1), dims.length);
    const inRow = (i: number) => i >= first;
    const epsilon = node.attributes.float("epsilon", 1e-5);
    const found = rowAndElement(graph, x, inRow);
    for (const name of [optionalInput(node, 1), optionalInput(node, 2)])
      if (name !== undefined)
        found.operands.push({
          value: name,
          indices: broadcastIndices(
            graph.dims(name),
            found.axes.map((a) => [a]),
          ),
        });
    const op = centred ? NormalizationOp.Standardise : NormalizationOp.RootMeanSquare;
    writeRow(node, graph, op, epsilon, found);

    // the row's mean and inverse deviation, one element each
    const [, mean, inverse] = node.outputs;
    if (!centred && (mean || inverse)) unsupported("only its first output is supported");
    const statistic = (name: string, normalization: boolean) => {
      const axes = dims.map(axis);
      const row = axes.filter((_, i) => inRow(i));
      graph.write(name, node, {
        family: normalization ? Family.Normalization : Family.Contraction,
        op: normalization ? NormalizationOp.InverseDeviation : 0,
        dims: axes.map((a, i) => (inRow(i) ? [] : [a])),
        reduction: row,
        operands: [{ value: x, reduced: true, indices: axes.map((a) => digits([a])) }],
        params: normalization
          ? params(epsilon)
          : {
              ...plainContraction(),
              divisor: row.reduce((count, { size }) => count * size, 1),
              lambda: SUM_LAMBDA,
            },
      });
    };
    if (mean) statistic(mean, false);
    if (inverse) statistic(inverse, true);
  };
}

const instance: Lowering = (node, graph) => {
  onlyOutput(node);
  const x = input(node, 0);
  const found = rowAndElement(graph, x, (i) => i > 1);
  found.operands.push(along(input(node, 1), found.axes[1]!), along(input(node, 2), found.axes[1]!));
  const epsilon = node.attributes.float("epsilon", 1e-5);
  writeRow(node, graph, NormalizationOp.Standardise, epsilon, found);
};

const meanVariance: Lowering = (node, graph) => {
  onlyOutput(node);
  const x = input(node, 0);
  const rank = graph.dims(x).length;
  const given = node.attributes.ints("axes") ?? [0, 2, 3];
  const axes = new Set(given.map((a) => normalAxis(a, rank)));
  const found = rowAndElement(graph, x, (i) => axes.has(i));
  writeRow(node, graph, NormalizationOp.Standardise, 0, found);
};

const lp: Lowering = (node, graph) => {
  onlyOutput(node);
  const x = input(node, 0);
  const along = normalAxis(node.attributes.int("axis", -1), graph.dims(x).length);
  const p = node.attributes.int("p", 2);
  if (p !== 1 && p !== 2) unsupported(`p = ${p}; only 1 and 2 are supported`);
  const op = p === 1 ? NormalizationOp.UnitL1 : NormalizationOp.UnitL2;
  writeRow(
    node,
    graph,
    op,
    0,
    rowAndElement(graph, x, (i) => i === along),
  );
};

/** With given mean and variance, each element by itself. */
const batch: Lowering = (node, graph) => {
  if (node.attributes.int("training_mode", 0) !== 0) unsupported("training mode is not supported");
  const output = onlyOutput(node);
  const x = input(node, 0);
  const axes = graph.dims(x).map(axis);
  const channel = axes[1] ?? unsupported("its input has no channels");
  const rest = [1, 2, 3, 4].map((i) => input(node, i));
  if (rest.some((name) => graph.dims(name).length !== 1))
    unsupported("its scale is not one for each channel");
  graph.write(output, node, {
    family: Family.Normalization,
    op: NormalizationOp.BatchNorm,
    dims: axes.map((a) => [a]),
    operands: [
      { value: x, indices: axes.map((a) => digits([a])) },
      ...rest.map((name) => along(name, channel)),
    ],
    params: params(node.attributes.float("epsilon", 1e-5)),
  });
};

export const normalizations: Record<string, Lowering> = {
  LayerNormalization: layer(true),
  RMSNormalization: layer(false),
  SimplifiedLayerNormalization: layer(false),
  InstanceNormalization: instance,
  MeanVarianceNormalization: meanVariance,
  LpNormalization: lp,
  BatchNormalization: batch,
};
