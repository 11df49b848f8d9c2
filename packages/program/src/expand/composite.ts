import { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import { integerTable, product, range, required } from "./arguments.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";

/** Operators that are a few others and belong nowhere else. */

/** Determinants up to 5 × 5 by expansion along the rows, each minor once. */
const determinant: Expansion = (node, graph) => {
  const x = required(node, 0);
  const dims = graph.dims(x);
  const size = dims.at(-1)!;
  if (size > 5) unsupported("a determinant of more than 5 rows");
  const outer = dims.slice(0, -2);
  const flat = graph.reshape(x, [product(outer), size * size]);
  const element = (row: number, column: number) =>
    graph.reshape(graph.slice(flat, 1, row * size + column, row * size + column + 1), outer);
  // Minors of the last rows, by the columns that they take.
  let minors = new Map(range(size).map((column) => [1 << column, element(size - 1, column)]));
  for (let row = size - 2; row >= 0; row--) {
    const sums = new Map<number, string>();
    for (const set of range(2 ** size)) {
      const columns = range(size).filter((column) => set & (1 << column));
      if (columns.length !== size - row) continue;
      const terms = columns.map((column) =>
        graph.op("Mul", [element(row, column), minors.get(set & ~(1 << column))!]),
      );
      sums.set(
        set,
        terms.reduce((sum, term, i) => graph.op(i % 2 === 1 ? "Sub" : "Add", [sum, term])),
      );
    }
    minors = sums;
  }
  return [minors.get(2 ** size - 1)!];
};

/** Counts n-grams: every window is compared with every entry of the pool that is as long. */
const tfIdfVectorizer: Expansion = (node, graph) => {
  const { attributes } = node;
  const x = required(node, 0);
  const pool = attributes.ints("pool_int64s") ?? unsupported("a pool of strings");
  const starts = attributes.ints("ngram_counts") ?? unsupported("ngram_counts are missing");
  const indexes = attributes.ints("ngram_indexes") ?? unsupported("ngram_indexes are missing");
  const mode = attributes.string("mode", "TF");
  const [least, most] = [attributes.int("min_gram_length", 1), attributes.int("max_gram_length", 1)];
  const skips = attributes.int("max_skip_count", 0);
  const dims = graph.dims(x);
  const [rows, length] = dims.length === 1 ? [1, dims[0]!] : [dims[0]!, dims[1]!];
  graph.requireOpset(13, "counting");
  const value = graph.reshape(graph.dtype(x) === DType.int64 ? x : graph.cast(x, DType.int64), [
    rows,
    length,
  ]);
  const counts: string[] = [];
  const entries: number[] = [];
  let number = 0;
  for (const [i, start] of starts.entries()) {
    const size = i + 1;
    const grams = pool.slice(start, starts[i + 1] ?? pool.length);
    const count = grams.length / size;
    const own = range(count).map((gram) => indexes[number + gram]!);
    number += count;
    if (size < least || size > most || count === 0) continue;
    // A single word has no gaps to skip in.
    const steps = size === 1 ? [1] : range(skips + 1).map((skip) => skip + 1);
    const windows = steps.flatMap((step) =>
      range(Math.max(0, length - (size - 1) * step)).map((at) => range(size).map((j) => at + j * step)),
    );
    if (windows.length === 0) continue;
    let same: string | undefined;
    for (const j of range(size)) {
      const words = graph.op("Gather", [value, graph.int64(windows.map((window) => window[j]!))], {
        axis: 1,
      });
      const wanted = integerTable(
        graph,
        [count, 1],
        range(count).map((gram) => grams[gram * size + j]!),
      );
      const equal = graph.op("Equal", [graph.reshape(words, [rows, 1, windows.length]), wanted]);
      same = same === undefined ? equal : graph.op("And", [same, equal]);
    }
    counts.push(graph.reduce("ReduceSum", graph.cast(same!, DType.float32), [2], false));
    entries.push(...own);
  }
  const width = Math.max(...indexes) + 1;
  if (counts.length === 0) return [zeros(graph, dims.length === 1 ? [width] : [rows, width])];
  // Column by column, from the entry that has it or from a column of zeros.
  const order = range(width).map((column) => entries.indexOf(column));
  const missing = order.includes(-1) ? [zeros(graph, [rows, 1])] : [];
  const all = graph.concat([...counts, ...missing], 1);
  const places = order.map((at) => (at < 0 ? entries.length : at));
  const counted = graph.op("Gather", [all, graph.int64(places)], { axis: 1 });
  return [weighted(graph.reshape(counted, dims.length === 1 ? [width] : [rows, width]), width)];

  function weighted(table: string, columns: number): string {
    if (mode === "TF") return table;
    const given = attributes.floats("weights");
    const weights = new Float32Array(columns).fill(1);
    for (const [i, column] of indexes.entries()) if (given) weights[column] = given[i]!;
    const factors = graph.float32([columns], weights);
    if (mode === "TFIDF") return graph.op("Mul", [table, factors]);
    const some = graph.op("Greater", [table, graph.float32([], [0])]);
    return graph.op("Where", [some, factors, graph.float32([], [0])]);
  }
};

function zeros(graph: ExpansionGraph, dims: readonly number[]): string {
  return graph.float32(dims, new Float32Array(product(dims)));
}

/**
 * A range whose bounds are lists of one: onnxruntime runs that, but refuses to load it once it knows their values.
 * Everything else is left to it, which folds what is constant.
 */
const rangeOfLists: Expansion = (node, graph) => {
  const scalars = node.inputs.map((name) => {
    const known = graph.constant(name);
    const isScalar = known ? known.dims.length === 0 : graph.producer(name)?.operator === "Reshape";
    return isScalar ? name : graph.reshape(name, []);
  });
  return graph.nodes.length === 0 ? undefined : [graph.op("Range", scalars)];
};

export const composites: Record<string, Expansion> = {
  Det: determinant,
  Range: rangeOfLists,
  TfIdfVectorizer: tfIdfVectorizer,
};
