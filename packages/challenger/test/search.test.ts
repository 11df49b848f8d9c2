/** The search of a trace that is shown page by page, against a small program: what it asks for, and what it finds. */
import { Verdict } from "@assay/numerics";
import { CommittedTensors, type Program } from "@assay/program";
import { Data, type Demand, type PageArgs, ROOTS } from "@assay/protocol";
import { dataSizes, pageAnswer, rootOf, shownData, type StoredValues } from "@assay/service";
import { expect, test } from "vitest";
import { search, type SearchResult } from "@assay/challenger";

/** y_i = relu(y_(i-1)), element by element: `lengths` float32 each. */
function reluChain(count: number, length: number): Program {
  const axis = { size: length, stride: 1, base: 0, divisor: 1, lookup: 0, coefficients: [1] };
  const port = { dtype: 1, dims: [length], layout: { factors: [length], order: [0] } };
  return {
    version: 1,
    accuracyProfile: 1,
    inputs: [{ name: "x", ...port, index: 0 }],
    outputs: [{ name: "y", ...port, index: count - 1 }],
    instructions: Array.from({ length: count }, (_, i) => ({
      family: 1,
      op: 4,
      dtype: 1,
      dims: [length],
      reduction: [],
      operands: [
        {
          ...{ origin: i === 0 ? 0 : 2, index: Math.max(0, i - 1), dtype: 1, length },
          ...{ reduced: false, fill: 0n, axes: [axis] },
        },
      ],
      params: new Uint8Array(),
    })),
    trace: [],
    constants: [],
    nodes: [],
  } as unknown as Program;
}

function floats(length: number, value: (i: number) => number): Uint8Array {
  return new Uint8Array(Float32Array.from({ length }, (_, i) => value(i)).buffer);
}

interface Executor {
  trace: StoredValues;
  outputs: StoredValues;
  /** Pages that it does not show. */
  withholds?: (page: PageArgs) => boolean;
}

/** Plays the rounds of a dispute; returns the last result and the pages that were demanded. */
async function dispute(
  program: Program,
  input: Uint8Array,
  own: StoredValues,
  executor: Executor,
  claimed?: StoredValues,
): Promise<{ result: SearchResult; asked: PageArgs[] }> {
  const committed = { [Data.Trace]: executor.trace, [Data.Output]: executor.outputs };
  const roots = { [Data.Trace]: rootOf(executor.trace), [Data.Output]: rootOf(executor.outputs) };
  const demands: Demand[] = [];
  const shown = (data: 0 | 2) => shownData(demands, data, dataSizes(program, data), roots[data]);
  for (;;) {
    const result = await search({
      ...{ program, inputs: [input], constants: [], own, claimed },
      traceRoot: roots[Data.Trace],
      outputRoot: roots[Data.Output],
      trace: shown(Data.Trace),
      outputs: shown(Data.Output),
    });
    const asked = demands.map(({ page }) => page);
    if (result.kind !== "pages" || result.pages.some((page) => executor.withholds?.(page)))
      return { result, asked };
    for (const page of result.pages) {
      const answer = pageAnswer(new CommittedTensors(committed[page.data as 0 | 2]), page);
      demands.push({ page, answer, status: "answered", demandId: "0x" } as unknown as Demand);
    }
  }
}

const place = (page: PageArgs) =>
  `${page.tensor === ROOTS ? "roots" : page.tensor}/${page.height}/${page.index}`;

// 20,000 float32: 2,500 chunks, three pages and one above them.
const LENGTH = 20_000;
const input = floats(LENGTH, (i) => i - 7);
const honest = (count: number) =>
  Array.from({ length: count }, () => floats(LENGTH, (i) => Math.max(0, i - 7)));

function changed(bytes: Uint8Array, ...elements: number[]): Uint8Array {
  const copy = new Float32Array(bytes.slice().buffer);
  for (const element of elements) copy[element] = 1e6;
  return new Uint8Array(copy.buffer);
}

test("one wrong element: roots, nodes, chunks, and the proof", async () => {
  const own = honest(3);
  const wrong = changed(own[1]!, 15_000);
  const trace = [own[0]!, wrong, wrong];
  const { result, asked } = await dispute(reluChain(3, LENGTH), input, own, { trace, outputs: [wrong] });
  // Chunk 1,875 is on the second page.
  expect(asked.map(place)).toEqual(["roots/0/0", "1/1/0", "1/0/1"]);
  expect(result).toMatchObject({ kind: "element", finding: { instruction: 1, element: 15_000 } });
  if (result.kind !== "element") return;
  expect(result.finding.judgement.verdict).toBe(Verdict.Fraudulent);
  // Everything that the proof opens is right, though two pages were never seen.
  expect(result.trace.root).toEqual(new CommittedTensors(trace).root);
  const full = new CommittedTensors(trace);
  const runs = [{ first: 1_875, count: 1 }];
  expect(result.trace.trees[1]!.openRuns(runs)).toEqual(full.trees[1]!.openRuns(runs));
  expect(result.trace.tree.path(1)).toEqual(full.tree.path(1));
});

test("the page with the wrong element is withheld: it is the one that is asked for", async () => {
  const own = honest(3);
  const wrong = changed(own[2]!, 3);
  const executor = {
    trace: [own[0]!, own[1]!, wrong],
    outputs: [wrong],
    withholds: (page: PageArgs) => page.tensor === 2 && page.height === 0,
  };
  const { result } = await dispute(reluChain(3, LENGTH), input, own, executor);
  expect(result).toMatchObject({ kind: "pages" });
  if (result.kind === "pages") expect(result.pages.map(place)).toEqual(["2/0/0"]);
});

test("outputs that are not the trace's need its roots only", async () => {
  const own = honest(2);
  const claimed = changed(own[1]!, 4);
  const trace = [own[0]!, changed(own[1]!, 9)];
  const executor = { trace, outputs: [claimed] };
  const { result, asked } = await dispute(reluChain(2, LENGTH), input, own, executor, [claimed]);
  expect(asked.map(place)).toEqual(["roots/0/0"]);
  expect(result).toMatchObject({ kind: "output", proof: { output: 0 } });
  // Nor are the output's bytes needed: what is claimed is shown by its root.
  const unseen = await dispute(reluChain(2, LENGTH), input, own, executor);
  expect(unseen.result).toEqual(result);
});

test("differences within the bands: the whole value is asked for, and the search goes on behind it", async () => {
  const own = honest(3);
  // Zeros of the other sign are acceptable for Relu of negatives.
  const other = new Float32Array(own[0]!.slice().buffer);
  other[0] = -0;
  const shifted = new Uint8Array(other.buffer);
  const wrong = changed(shifted, 19_999);
  const trace = [shifted, shifted, wrong];
  const { result, asked } = await dispute(reluChain(3, LENGTH), input, own, { trace, outputs: [wrong] });
  expect(result).toMatchObject({ kind: "element", finding: { instruction: 2, element: 19_999 } });
  expect(asked.map(place)).toEqual([
    "roots/0/0",
    "0/1/0",
    "0/0/0",
    "1/1/0",
    "1/0/0",
    "2/1/0",
    "2/0/0",
    "2/0/2",
  ]);
});

test("an honest trace that differs within the bands is put together whole", async () => {
  const own = honest(2);
  const other = new Float32Array(own[0]!.slice().buffer);
  other[1] = -0;
  const bytes = new Uint8Array(other.buffer);
  const executor = { trace: [bytes, bytes], outputs: [bytes] };
  const { result } = await dispute(reluChain(2, LENGTH), input, own, executor);
  expect(result.kind).toBe("complete");
  if (result.kind === "complete") expect(rootOf(result.trace)).toBe(rootOf(executor.trace));
});

test("a single chunk with something behind its last byte is asked for, and cannot be shown", async () => {
  const own = [floats(2, (i) => i), floats(2, (i) => i)];
  const padded = new Uint8Array(16);
  padded.set(own[0]!);
  padded[12] = 1;
  const executor = {
    trace: [padded, own[1]!],
    outputs: [own[1]!],
    withholds: ({ tensor }: PageArgs) => tensor === 0,
  };
  const { result } = await dispute(
    reluChain(2, 2),
    floats(2, (i) => i),
    own,
    executor,
  );
  if (result.kind !== "pages") throw new Error(result.kind);
  expect(result.pages.map(place)).toEqual(["0/0/0"]);
});
