import { elementCount } from "@assay/tensor";
import { numbers } from "./arguments.ts";
import type { Expansion } from "./index.ts";

/**
 * A scatter to places that are known is a choice, for every place, between what was there and an update: one Gather
 * from both. (A scatter to places that depend on data has to be judged against all of the indices.)
 */
const scatterND: Expansion = ({ inputs, attributes }, graph) => {
  const [data, indices, updates] = inputs as [string, string, string];
  if (!graph.constant(indices) || attributes.string("reduction", "none") !== "none") return undefined;
  const dims = graph.dims(data);
  const depth = graph.dims(indices).at(-1)!;
  const rows = elementCount(dims.slice(0, depth));
  const width = elementCount(dims.slice(depth));
  const places = numbers(graph, indices, "indices");
  const count = places.length / Math.max(depth, 1);
  if (depth === 0 || rows === 0 || width === 0 || count === 0) return undefined;
  const source = Array.from({ length: rows }, (_, row) => row);
  for (let i = 0; i < count; i++) {
    let row = 0;
    for (let axis = 0; axis < depth; axis++) {
      const size = dims[axis]!;
      const at = places[i * depth + axis]!;
      row = row * size + (at < 0 ? at + size : at);
    }
    // ONNX leaves open which of two updates of one place remains.
    if (source[row] !== row) return undefined;
    source[row] = rows + i;
  }
  const both = graph.op(
    "Concat",
    [graph.reshape(data, [rows, width]), graph.reshape(updates, [count, width])],
    { axis: 0 },
  );
  return [graph.reshape(graph.op("Gather", [both, graph.int64(source)], { axis: 0 }), dims)];
};

export const scatters: Record<string, Expansion> = { ScatterND: scatterND };
