import { DType, elementCount, type Tensor, tensor } from "@assay/tensor";
import { broadcastView, reshapeView, sliceView, transposeView } from "../compile/view.ts";
import { unsupported } from "../compile/unsupported.ts";
import { input, integers, normalAxis, onlyOutput, optionalInput } from "./arguments.ts";
import type { Lowering } from "./index.ts";

export const identity: Lowering = (node, graph) =>
  graph.define(onlyOutput(node), input(node, 0), (view) => view);

/** Reshape and its relatives: the traced output dims say everything. */
const reshape: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  graph.define(output, input(node, 0), (view) => reshapeView(view, graph.dims(output)));
};

/** Inference only: all elements are kept, and so says the mask. */
const dropout: Lowering = (node, graph) => {
  const [output, mask] = node.outputs;
  const given = (index: number) => {
    const name = optionalInput(node, index);
    return name === undefined
      ? undefined
      : (graph.constant(name) ?? unsupported("its settings are computed"));
  };
  const isZero = (value: Tensor | undefined) => value?.data.every((byte) => byte === 0) ?? false;
  const training = given(2);
  if (training && !isZero(training) && !isZero(given(1))) unsupported("training mode is not supported");
  graph.define(output!, input(node, 0), (view) => view);
  if (mask === undefined || mask === "") return;
  const { dtype, dims } = graph.shape(mask);
  if (dtype !== DType.bool) unsupported("its mask is not of booleans");
  const kept = tensor(dtype, dims, new Uint8Array(elementCount(dims)).fill(1));
  graph.define(mask, graph.derive(mask, kept), (view) => view);
};

const transpose: Lowering = (node, graph) => {
  const x = input(node, 0);
  const rank = graph.dims(x).length;
  const order = node.attributes.ints("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  graph.define(onlyOutput(node), x, (view) => transposeView(view, order));
};

const expand: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  graph.define(output, input(node, 0), (view) => broadcastView(view, graph.dims(output)));
};

const slice: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const x = input(node, 0);
  const dims = graph.dims(x);
  const list = (index: number, what: string) => {
    const name = optionalInput(node, index);
    return name === undefined ? node.attributes.ints(what) : integers(graph, name, what);
  };
  const starts = list(1, "starts") ?? unsupported("it has no starts");
  const axes = (list(3, "axes") ?? starts.map((_, i) => i)).map((a) => normalAxis(a, dims.length));
  const steps = list(4, "steps") ?? starts.map(() => 1);
  graph.define(output, x, (view) => {
    let sliced: typeof view | undefined = view;
    for (const [i, a] of axes.entries()) {
      const [size, step] = [dims[a]!, steps[i]!];
      const from = starts[i]! < 0 ? starts[i]! + size : starts[i]!;
      const start = Math.min(Math.max(from, 0), step < 0 ? size - 1 : size);
      sliced = sliced && sliceView(sliced, a, start, step, graph.dims(output)[a]!);
    }
    return sliced;
  });
};

const split: Lowering = (node, graph) => {
  const x = input(node, 0);
  const a = normalAxis(node.attributes.int("axis", 0), graph.dims(x).length);
  let start = 0;
  for (const output of node.outputs) {
    const count = graph.dims(output)[a]!;
    const from = start;
    graph.define(output, x, (view) => sliceView(view, a, from, 1, count));
    start += count;
  }
};

/** [n, c, h, w] with blocks b: which factor order takes which meaning depends on `mode`. */
const depthToSpace: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const x = input(node, 0);
  const [n, c, h, w] = graph.dims(x) as [number, number, number, number];
  const block = node.attributes.int("blocksize", 1);
  const depth = c / (block * block);
  const columnFirst = node.attributes.string("mode", "DCR") === "CRD";
  const split = columnFirst ? [n, depth, block, block, h, w] : [n, block, block, depth, h, w];
  const order = columnFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
  graph.define(output, x, (view) => {
    const factors = reshapeView(view, split);
    return factors && reshapeView(transposeView(factors, order), graph.dims(output));
  });
};

const spaceToDepth: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const x = input(node, 0);
  const [n, c, h, w] = graph.dims(x) as [number, number, number, number];
  const block = node.attributes.int("blocksize", 1);
  graph.define(output, x, (view) => {
    const factors = reshapeView(view, [n, c, h / block, block, w / block, block]);
    return factors && reshapeView(transposeView(factors, [0, 3, 5, 1, 2, 4]), graph.dims(output));
  });
};

/** Operators that only move elements by an affine map: readers follow the map, and nothing is computed. */
export const views: Record<string, Lowering> = {
  Identity: identity,
  Dropout: dropout,
  Reshape: reshape,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Transpose: transpose,
  Expand: expand,
  Slice: slice,
  Split: split,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
