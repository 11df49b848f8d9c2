import { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import {
  integerTable,
  numbers,
  optional,
  product,
  range,
  required,
  requireFloat32,
  strides,
} from "./arguments.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";

/*
 * Sampling at computed places: for each place, the few elements around it are gathered as rows of all channels and
 * summed with weights that are polynomials of the place's fraction. Places outside weigh 0, or are moved inside.
 */

type Padding = "zeros" | "border" | "reflection";
type Kind = "nearest" | "linear" | "cubic";

const CUBIC = -0.75;
/** Polynomials of the fraction that weigh each tap, constant term first. */
const TAPS: Record<Kind, { offsets: number[]; weights: number[][] }> = {
  nearest: { offsets: [0], weights: [[1]] },
  linear: {
    offsets: [0, 1],
    weights: [
      [1, -1],
      [0, 1],
    ],
  },
  cubic: {
    offsets: [-1, 0, 1, 2],
    weights: [
      [0, CUBIC, -2 * CUBIC, CUBIC],
      [1, 0, -(CUBIC + 3), CUBIC + 2],
      [0, -CUBIC, 2 * CUBIC + 3, -(CUBIC + 2)],
      [0, 0, CUBIC, -CUBIC],
    ],
  },
};

interface Taps {
  /** Coordinates within the axis, float32 [places, taps]. */
  at: string;
  /** Weights [places, taps]; undefined: all 1. */
  weights: string | undefined;
  count: number;
}

/** What one axis contributes: `place` is [places, 1], in elements. */
function tapsOf(
  graph: ExpansionGraph,
  place: string,
  size: number,
  kind: Kind,
  padding: Padding,
  aligned: boolean,
): Taps {
  const op = (name: string, ...inputs: string[]) => graph.op(name, inputs);
  const { offsets, weights } = TAPS[kind];
  const count = offsets.length;
  const origin = kind === "nearest" ? op("Round", place) : op("Floor", place);
  const taps = count === 1 ? origin : op("Add", origin, graph.float32([count], offsets));
  const at = inside(graph, taps, size, padding, aligned);
  let weight: string | undefined;
  if (kind !== "nearest") {
    const fraction = op("Sub", place, origin);
    const terms = range(weights[0]!.length).map((power) =>
      graph.float32(
        [count],
        weights.map((polynomial) => polynomial[power]!),
      ),
    );
    weight = terms
      .slice(0, -1)
      .reduceRight((sum, term) => op("Add", op("Mul", sum, fraction), term), terms.at(-1)!);
  }
  if (padding === "zeros") {
    const here = graph.cast(op("Equal", at, taps), DType.float32);
    weight = weight === undefined ? here : op("Mul", weight, here);
  }
  return { at: clamped(graph, at, size), weights: weight, count };
}

function clamped(graph: ExpansionGraph, at: string, size: number): string {
  const low = graph.op("Max", [at, graph.float32([], [0])]);
  return graph.op("Min", [low, graph.float32([], [size - 1])]);
}

/** Coordinates moved into an axis. */
function inside(graph: ExpansionGraph, at: string, size: number, padding: Padding, aligned: boolean): string {
  if (padding !== "reflection") return clamped(graph, at, size);
  // A triangle wave about the edges: the centres of the outermost elements, or half an element further out.
  const low = aligned ? 0 : -0.5;
  const length = aligned ? size - 1 : size;
  if (length === 0) return clamped(graph, at, size);
  const constant = (value: number) => graph.float32([], [value]);
  const op = (name: string, ...inputs: string[]) => graph.op(name, inputs);
  const distance = op("Abs", op("Sub", at, constant(low)));
  const periods = op("Floor", op("Div", distance, constant(2 * length)));
  const rest = op("Sub", distance, op("Mul", periods, constant(2 * length)));
  return op("Add", op("Min", rest, op("Sub", constant(2 * length), rest)), constant(low));
}

/**
 * Samples images at places. `axes` has, per axis of the image, the places [places, 1]; `rows` are the images as
 * [images · elements, channels], and `first` the row at which each place's image begins, float32 [places, 1]. Gives
 * [places, channels].
 */
function sample(
  graph: ExpansionGraph,
  rows: { value: string; first: string; images: number; channels: number },
  axes: readonly string[],
  sizes: readonly number[],
  places: number,
  { kind, padding, aligned }: { kind: Kind; padding: Padding; aligned: boolean },
): string {
  const { value, first, images, channels } = rows;
  // Row numbers are computed in float32, which is exact below 2^24.
  if (images * product(sizes) >= 2 ** 24) unsupported("more than 2^24 places to read");
  const steps = strides(sizes);
  const taps = axes.map((place, i) => tapsOf(graph, place, sizes[i]!, kind, padding, aligned));
  const total = taps.reduce((count, each) => count * each.count, 1);
  const spread = (name: string, axis: number) =>
    graph.reshape(name, [places, ...taps.map((each, i) => (i === axis ? each.count : 1))]);
  const combine = (operator: string, parts: readonly string[]) =>
    parts.slice(1).reduce((all, part) => graph.op(operator, [all, part]), parts[0]!);
  const offsets = taps.map(({ at }, i) =>
    spread(steps[i] === 1 ? at : graph.op("Mul", [at, graph.float32([], [steps[i]!])]), i),
  );
  const begin = images > 1 ? [graph.reshape(first, [places, ...taps.map(() => 1)])] : [];
  const row = graph.cast(combine("Add", [...offsets, ...begin]), DType.int64);
  const read = graph.op("Gather", [value, graph.reshape(row, [places, total])], { axis: 0 });
  const given = taps.flatMap(({ weights }, i) => (weights === undefined ? [] : [spread(weights, i)]));
  if (given.length === 0) return graph.reshape(read, [places, channels]);
  const weights = graph.reshape(combine("Mul", given), [places, 1, total]);
  return graph.reshape(graph.op("MatMul", [weights, read]), [places, channels]);
}

/** Elements of an image as rows of its channels; `groups` of channels are images of their own. */
function asRows(graph: ExpansionGraph, x: string, groups = 1): { value: string; channels: number } {
  const [batch, depth, ...sizes] = graph.dims(x) as [number, number, ...number[]];
  const channels = depth / groups;
  const flat = graph.reshape(x, [batch * groups, channels, product(sizes)]);
  const turned = graph.transpose(flat, [0, 2, 1]);
  return { value: graph.reshape(turned, [batch * groups * product(sizes), channels]), channels };
}

const gridSample: Expansion = (node, graph) => {
  const { attributes } = node;
  const [x, grid] = [required(node, 0), required(node, 1)];
  requireFloat32(graph, x);
  graph.requireOpset(12, "sampling");
  const mode = attributes.string("mode", "linear").replace("bilinear", "linear").replace("bicubic", "cubic");
  const padding = attributes.string("padding_mode", "zeros") as Padding;
  if (!(mode in TAPS) || !["zeros", "border", "reflection"].includes(padding))
    unsupported(`the mode ${mode} with ${padding}`);
  const aligned = attributes.int("align_corners", 0) !== 0;
  const [batch, depth, ...sizes] = graph.dims(x) as [number, number, ...number[]];
  const outer = graph.dims(grid).slice(1, -1);
  const places = batch * product(outer);
  const flat = graph.reshape(grid, [places, sizes.length]);
  // The grid's last axis names the image's axes from the last; -1 and 1 are its edges.
  const axes = sizes.map((size, i) => {
    const at = sizes.length - 1 - i;
    const unit = graph.slice(flat, 1, at, at + 1);
    const shifted = graph.op("Add", [unit, graph.float32([], [1])]);
    if (aligned) return graph.op("Mul", [shifted, graph.float32([], [(size - 1) / 2])]);
    const scaled = graph.op("Mul", [shifted, graph.float32([], [size])]);
    const moved = graph.op("Sub", [scaled, graph.float32([], [1])]);
    return graph.op("Mul", [moved, graph.float32([], [0.5])]);
  });
  const each = product(outer);
  const begins = Float32Array.from(range(places), (p) => Math.floor(p / each) * product(sizes));
  const rows = { ...asRows(graph, x), first: graph.float32([places, 1], begins), images: batch };
  const sampled = sample(graph, rows, axes, sizes, places, { kind: mode as Kind, padding, aligned });
  const image = graph.reshape(sampled, [batch, each, depth]);
  return [graph.reshape(graph.transpose(image, [0, 2, 1]), [batch, depth, ...outer])];
};

/** Each place of an affine grid is a product of a constant and theta. */
const affineGrid: Expansion = (node, graph) => {
  const theta = required(node, 0);
  requireFloat32(graph, theta);
  const [batch, , ...sizes] = numbers(graph, required(node, 1), "sizes") as [number, number, ...number[]];
  const aligned = node.attributes.int("align_corners", 0) !== 0;
  const steps = strides(sizes);
  const places = product(sizes);
  const unit = (i: number, axis: number) => {
    const size = sizes[axis]!;
    const at = Math.floor(i / steps[axis]!) % size;
    if (!aligned) return (2 * at + 1) / size - 1;
    return size === 1 ? 1 : (2 * at) / (size - 1) - 1;
  };
  const rank = sizes.length;
  const base = range(places).flatMap((i) => [...range(rank).map((axis) => unit(i, rank - 1 - axis)), 1]);
  const table = graph.float32([places, rank + 1], base);
  const grid = graph.op("MatMul", [table, graph.transpose(theta, [0, 2, 1])]);
  return [graph.reshape(grid, [batch, ...sizes, rank])];
};

/** Deformable convolution of images: samples for each tap of the kernel, then a matrix product. */
const deformConv: Expansion = (node, graph) => {
  const { attributes } = node;
  const [x, weight, offset] = [required(node, 0), required(node, 1), required(node, 2)];
  const [bias, mask] = [optional(node, 3), optional(node, 4)];
  requireFloat32(graph, x);
  const [batch, channels, ...sizes] = graph.dims(x) as [number, number, ...number[]];
  if (sizes.length !== 2) unsupported("only images");
  const [outputs, , ...kernel] = graph.dims(weight) as [number, number, ...number[]];
  const outer = graph.dims(node.outputs[0]!).slice(2);
  const groups = attributes.int("group", 1);
  const offsetGroups = attributes.int("offset_group", 1);
  const ones = [1, 1];
  const stride = attributes.ints("strides") ?? ones;
  const dilation = attributes.ints("dilations") ?? ones;
  const pads = attributes.ints("pads") ?? [0, 0, 0, 0];
  const taps = product(kernel);
  const each = product(outer);
  // Places in the order of the offsets: batch, group, tap, place.
  const places = batch * offsetGroups * taps * each;
  const moved = graph.reshape(offset, [batch * offsetGroups, taps, 2, each]);
  const axes = [0, 1].map((axis) => {
    const base = range(taps).flatMap((tap) =>
      range(each).map((place) => {
        const k = axis === 0 ? Math.floor(tap / kernel[1]!) : tap % kernel[1]!;
        const o = axis === 0 ? Math.floor(place / outer[1]!) : place % outer[1]!;
        return o * stride[axis]! - pads[axis]! + k * dilation[axis]!;
      }),
    );
    const shift = graph.reshape(graph.slice(moved, 2, axis, axis + 1), [batch * offsetGroups, taps, each]);
    return graph.reshape(graph.op("Add", [shift, graph.float32([taps, each], base)]), [places, 1]);
  });
  const begins = Float32Array.from(range(places), (p) => Math.floor(p / (taps * each)) * product(sizes));
  const rows = {
    ...asRows(graph, x, offsetGroups),
    first: graph.float32([places, 1], begins),
    images: batch * offsetGroups,
  };
  const settings = { kind: "linear", padding: "zeros", aligned: true } as const;
  let sampled = sample(graph, rows, axes, sizes, places, settings);
  if (mask !== undefined) sampled = graph.op("Mul", [sampled, graph.reshape(mask, [places, 1])]);
  const split = graph.reshape(sampled, [batch, offsetGroups, taps, each, rows.channels]);
  const columns = graph.reshape(graph.transpose(split, [0, 1, 4, 2, 3]), [
    batch,
    groups,
    (channels / groups) * taps,
    each,
  ]);
  const filters = graph.reshape(weight, [groups, outputs / groups, (channels / groups) * taps]);
  const result = graph.reshape(graph.op("MatMul", [filters, columns]), [batch, outputs, ...outer]);
  if (bias === undefined) return [result];
  return [graph.op("Add", [result, graph.reshape(bias, [outputs, ...outer.map(() => 1)])])];
};

/** Sums overlapping blocks: each element reads the few columns that hold it, and a zero where there are fewer. */
const col2Im: Expansion = (node, graph) => {
  const { attributes } = node;
  const x = required(node, 0);
  const sizes = numbers(graph, required(node, 1), "image sizes");
  const block = numbers(graph, required(node, 2), "block sizes");
  const rank = sizes.length;
  const dilation = attributes.ints("dilations") ?? sizes.map(() => 1);
  const pads = attributes.ints("pads") ?? [...sizes, ...sizes].map(() => 0);
  const stride = attributes.ints("strides") ?? sizes.map(() => 1);
  const [batch, rows, columns] = graph.dims(x) as [number, number, number];
  const channels = rows / product(block);
  const counts = sizes.map(
    (size, i) =>
      Math.floor((size + pads[i]! + pads[i + rank]! - dilation[i]! * (block[i]! - 1) - 1) / stride[i]!) + 1,
  );
  const [blockSteps, countSteps, sizeSteps] = [strides(block), strides(counts), strides(sizes)];
  const digit = (index: number, steps: readonly number[], dims: readonly number[], axis: number) =>
    Math.floor(index / steps[axis]!) % dims[axis]!;
  const sources: number[][] = range(product(sizes)).map(() => []);
  for (const k of range(product(block)))
    for (const l of range(columns)) {
      const at = range(rank).map(
        (i) =>
          digit(l, countSteps, counts, i) * stride[i]! -
          pads[i]! +
          digit(k, blockSteps, block, i) * dilation[i]!,
      );
      if (at.every((place, i) => place >= 0 && place < sizes[i]!))
        sources[at.reduce((sum, place, i) => sum + place * sizeSteps[i]!, 0)]!.push(k * columns + l);
    }
  const most = Math.max(1, ...sources.map(({ length }) => length));
  const nothing = product(block) * columns;
  const flat = graph.reshape(x, [batch, channels, nothing]);
  const short = sources.some(({ length }) => length < most);
  const zero = graph.scalar(graph.dtype(x), 0);
  const padded = short ? graph.op("Pad", [flat, graph.int64([0, 0, 0, 0, 0, 1]), zero]) : flat;
  const table = sources.flatMap((list) => range(most).map((i) => list[i] ?? nothing));
  const read = graph.op("Gather", [padded, integerTable(graph, [sources.length, most], table)], { axis: 2 });
  return [graph.reshape(graph.reduce("ReduceSum", read, [3], false), [batch, channels, ...sizes])];
};

export const samples: Record<string, Expansion> = {
  AffineGrid: affineGrid,
  Col2Im: col2Im,
  DeformConv: deformConv,
  GridSample: gridSample,
};
