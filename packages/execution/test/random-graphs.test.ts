// Random graphs of convolutions, products, pools and movement, shared values and several outputs: whatever layouts are
// chosen, every access map must read what onnxruntime computed from.
import { elementCount } from "@assay/tensor";
import { afterAll, expect, it } from "vitest";
import { buildOnnx, type GraphSpec, type NodeSpec } from "../../program/test/onnx-builder.ts";
import { OnnxWorker, randomInputs } from "../src/index.ts";
import { checkSmallModel } from "./check.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

function generator(seed: number) {
  let state = seed * 2654435761 + 1;
  return (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
}

/** A random graph; every value keeps a known shape, so that the next operator can be chosen to fit. */
function randomGraph(seed: number): GraphSpec {
  const random = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;
  const nodes: NodeSpec[] = [];
  const constants: NonNullable<GraphSpec["constants"]> = {};
  const first = [1 + random(2), pick([2, 4, 6]), 4 + random(3), pick([4, 6])];
  const values: [string, number[]][] = [["x", first]];
  const constant = (dims: number[], ints?: number[]) => {
    const name = `k${Object.keys(constants).length}`;
    constants[name] = ints ? { dims, values: ints, int64: true } : { dims };
    return name;
  };
  const list = (...ints: number[]) => constant([ints.length], ints);
  const add = (operator: string, inputs: string[], dims: number[], attributes = {}) => {
    const name = `v${nodes.length}`;
    nodes.push([operator, inputs, [name], attributes]);
    values.push([name, dims]);
  };
  const shuffled = (rank: number) => {
    const left = Array.from({ length: rank }, (_, i) => i);
    return Array.from({ length: rank }, () => left.splice(random(left.length), 1)[0]!);
  };

  const steps: ((name: string, dims: number[]) => void)[] = [
    (name, dims) => {
      if (dims.length !== 4 || dims[2]! < 2 || dims[3]! < 2) return;
      const group = pick(divisors(dims[1]!));
      const [outputs, kernel, pad] = [group * (1 + random(3)), 1 + random(2), random(2)];
      const size = (d: number) => d + 2 * pad - kernel + 1;
      const weights = constant([outputs, dims[1]! / group, kernel, kernel]);
      const shape = [dims[0]!, outputs, size(dims[2]!), size(dims[3]!)];
      add("Conv", [name, weights], shape, { group, pads: [pad, pad, pad, pad] });
    },
    (name, dims) => {
      if (dims.length < 2) return;
      const columns = 1 + random(5);
      add("MatMul", [name, constant([dims.at(-1)!, columns])], [...dims.slice(0, -1), columns]);
    },
    (name, dims) => {
      if (dims.length !== 4 || dims[2]! < 2 || dims[3]! < 2) return;
      const stride = 1 + random(2);
      const size = (d: number) => Math.floor((d - 2) / stride) + 1;
      const shape = [dims[0]!, dims[1]!, size(dims[2]!), size(dims[3]!)];
      const attributes = { kernel_shape: [2, 2], strides: [stride, stride] };
      add(pick(["MaxPool", "AveragePool"]), [name], shape, attributes);
    },
    (name, dims) => {
      const to: number[] = [];
      let rest = elementCount(dims);
      while (rest > 1 && to.length < 3) {
        to.push(pick(divisors(rest).slice(1)));
        rest /= to.at(-1)!;
      }
      to.push(rest);
      add("Reshape", [name, list(...to)], to);
    },
    (name, dims) => {
      const perm = shuffled(dims.length);
      add(
        "Transpose",
        [name],
        perm.map((i) => dims[i]!),
        { perm },
      );
    },
    (name, dims) => {
      const axis = random(dims.length);
      const start = random(dims[axis]!);
      const end = start + 1 + random(dims[axis]! - start);
      add("Slice", [name, list(start), list(end), list(axis)], dims.with(axis, end - start));
    },
    (name, dims) => add("Softmax", [name], dims, { axis: random(dims.length) }),
    (name, dims) => {
      const axis = random(dims.length);
      add(pick(["ReduceMean", "ReduceMax"]), [name], dims.with(axis, 1), { axes: [axis] });
    },
    (name, dims) => {
      const other = values.find(([n, d]) => n !== name && d.join() === dims.join());
      if (other) add("Add", [name, other[0]], dims);
    },
    (name, dims) => add("Add", [name, constant([dims.at(-1)!])], dims),
    (name, dims) => add(pick(["Relu", "Tanh"]), [name], dims),
  ];
  while (nodes.length < 8) pick(steps)(...(random(3) === 0 ? pick(values) : values.at(-1)!));
  const read = new Set(nodes.flatMap(([, inputs]) => inputs));
  const outputs = values.slice(1).map(([name]) => name);
  return {
    inputs: { x: first },
    constants,
    nodes,
    outputs: outputs.filter((name) => !read.has(name) || random(6) === 0),
  };
}

const count = Number(process.env.ASSAY_RANDOM_GRAPHS ?? 150);

it(`${count} random graphs: every element of every trace is acceptable`, { timeout: 900_000 }, async () => {
  let instructions = 0;
  for (let seed = 1; seed <= count; seed++) {
    const spec = randomGraph(seed);
    try {
      const { program } = await checkSmallModel(
        worker,
        buildOnnx(spec),
        ({ program: p }) => randomInputs(p.inputs, seed),
        64,
      );
      instructions += program.instructions.length;
    } catch (error) {
      throw new Error(`seed ${seed}: ${JSON.stringify(spec.nodes)}`, { cause: error });
    }
  }
  expect(instructions).toBeGreaterThan(count * 3);
});
