import { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { axisFrom, boolTable, MAX_TABLE, numbers, optional, product, range, required } from "./arguments.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";
import { type AxisResize, isOutside, nearestIndices, type ResizeMode, weightMatrix } from "./resize-axis.ts";

function modeOf(node: OnnxNode, graph: ExpansionGraph): ResizeMode {
  const { attributes, operator } = node;
  const kind = attributes.string("mode", "nearest");
  if (!["nearest", "linear", "cubic"].includes(kind)) unsupported(`the mode ${kind}`);
  // Upsample, and Resize of opset 10, know no modes of coordinates: both are asymmetric, and nearest rounds down.
  const old = operator === "Upsample" || graph.opset < 11;
  const coordinates = attributes.string("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  return {
    kind: kind as ResizeMode["kind"],
    coordinates,
    nearest: attributes.string("nearest_mode", old ? "floor" : "round_prefer_floor"),
    cubic: attributes.float("cubic_coeff_a", -0.75),
    excludeOutside: attributes.int("exclude_outside", 0) !== 0,
    antialias: attributes.int("antialias", 0) !== 0,
  };
}

/** How each axis that changes is resized. */
function axesOf(node: OnnxNode, graph: ExpansionGraph, mode: ResizeMode): AxisResize[] {
  const { attributes, operator } = node;
  const dims = graph.dims(required(node, 0));
  const output = graph.dims(node.outputs[0]!);
  const listed = attributes.ints("axes")?.map((axis) => axisFrom(axis, dims.length)) ?? range(dims.length);
  const old = operator === "Upsample" || graph.opset < 11;
  const scalesName = old ? optional(node, 1) : optional(node, 2);
  const scales =
    (attributes.has("scales") ? attributes.floats("scales") : undefined) ??
    (scalesName !== undefined && product(graph.dims(scalesName)) > 0
      ? numbers(graph, scalesName, "scales")
      : undefined);
  const sizesName = old || scales ? undefined : optional(node, 3);
  if (!scales && sizesName === undefined) unsupported("it has neither scales nor sizes");
  const sizes = sizesName === undefined ? undefined : numbers(graph, sizesName, "sizes");
  const roiName = old ? undefined : optional(node, 1);
  const cropped = mode.coordinates === "tf_crop_and_resize";
  const roi = cropped && roiName !== undefined ? numbers(graph, roiName, "region") : undefined;
  if (cropped && roi?.length !== 2 * listed.length) unsupported("its region has another rank");
  const policy = attributes.string("keep_aspect_ratio_policy", "stretch");
  const ratios = listed.map((axis, i) => (sizes ? sizes[i]! / dims[axis]! : scales![i]!));
  if (sizes && policy !== "stretch") {
    const common = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
    ratios.fill(common);
  }
  return listed.flatMap((axis, i): AxisResize[] => {
    const [from, to, scale] = [dims[axis]!, output[axis]!, Math.fround(ratios[i]!)];
    const start = roi?.[i] ?? 0;
    const end = roi?.[i + listed.length] ?? 1;
    if (from === to && scale === 1 && start === 0 && end === 1) return [];
    return [{ axis, from, to, scale, start, end }];
  });
}

/** Repeats each coordinate of an axis: a way of reading, not an instruction. */
function repeat(graph: ExpansionGraph, value: string, dims: number[], axis: number, times: number): string {
  const [before, after] = [dims.slice(0, axis + 1), dims.slice(axis + 1)];
  const opened = graph.reshape(value, [...before, 1, ...after]);
  const spread = graph.op("Expand", [opened, graph.int64([...before, times, ...after])]);
  return graph.reshape(spread, [...dims.slice(0, axis), dims[axis]! * times, ...after]);
}

function pick(
  graph: ExpansionGraph,
  value: string,
  dims: number[],
  each: AxisResize,
  mode: ResizeMode,
): string {
  const indices = nearestIndices(each, mode);
  const times = each.to / each.from;
  if (
    indices.every((index, i) => index === Math.floor(i / times)) &&
    Number.isInteger(times) &&
    graph.opset >= 8
  )
    return repeat(graph, value, dims, each.axis, times);
  return graph.op("Gather", [value, graph.int64(indices)], { axis: each.axis });
}

/** Interpolation along one axis is a product with a constant matrix of few weights in each row. */
function interpolate(
  graph: ExpansionGraph,
  value: string,
  dims: readonly number[],
  each: AxisResize,
  mode: ResizeMode,
): string {
  const { axis, from, to } = each;
  if (from * to > MAX_TABLE) unsupported("its axes are too long");
  const matrix = weightMatrix(each, mode);
  const last = dims.length - 1;
  if (axis === last) {
    const turned = range(from * to).map((at) => matrix[(at % to) * from + Math.floor(at / to)]!);
    return graph.op("MatMul", [value, graph.float32([from, to], turned)]);
  }
  if (axis === last - 1) return graph.op("MatMul", [graph.float32([to, from], matrix), value]);
  const flat = graph.reshape(value, [product(dims.slice(0, axis)), from, product(dims.slice(axis + 1))]);
  const product_ = graph.op("MatMul", [graph.float32([to, from], matrix), flat]);
  return graph.reshape(product_, dims.with(axis, to));
}

const resize: Expansion = (node, graph) => {
  const x = required(node, 0);
  const mode = modeOf(node, graph);
  const axes = axesOf(node, graph, mode);
  if (mode.kind !== "nearest" && graph.dtype(x) !== DType.float32)
    unsupported("only float32 is interpolated");
  const dims = [...graph.dims(x)];
  let value = x;
  // The axis that shrinks most goes first: what follows is less.
  for (const each of axes.toSorted((a, b) => a.to / a.from - b.to / b.from)) {
    value =
      mode.kind === "nearest"
        ? pick(graph, value, dims, each, mode)
        : interpolate(graph, value, dims, each, mode);
    dims[each.axis] = each.to;
  }
  return [extrapolate(node, graph, value, dims, axes, mode)];
};

/** tf_crop_and_resize puts one value wherever it would read beyond the input. */
function extrapolate(
  node: OnnxNode,
  graph: ExpansionGraph,
  value: string,
  dims: readonly number[],
  axes: readonly AxisResize[],
  mode: ResizeMode,
): string {
  if (mode.coordinates !== "tf_crop_and_resize") return value;
  let outside: string | undefined;
  for (const each of axes) {
    const marks = range(each.to).map((i) => (isOutside(each, mode, i) ? 1 : 0));
    if (!marks.includes(1)) continue;
    const shape = dims.map((_, axis) => (axis === each.axis ? each.to : 1));
    const here = boolTable(graph, shape, marks);
    outside = outside === undefined ? here : graph.op("Or", [outside, here]);
  }
  if (outside === undefined) return value;
  const fill = graph.scalar(graph.dtype(required(node, 0)), node.attributes.float("extrapolation_value", 0));
  return graph.op("Where", [outside, fill, value]);
}

export const resizes: Record<string, Expansion> = { Resize: resize, Upsample: resize };
