import { AssayError, DType, dtypeName, elementCount, float32Values, type Tensor } from "@assay/tensor";
import { type Program, tableSizes } from "@assay/program";
import type { Tensors } from "./worker.ts";

/** What a model asks of one input. */
export interface InputSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Random integers are below this; default: 0 and 1. */
  readonly below?: number | undefined;
}

/** Throws `MISSING_INPUT`, `UNKNOWN_INPUT`, `INPUT_DTYPE`, `INPUT_SHAPE`, `INPUT_BOOL` or `INPUT_NAN` for what cannot be run. */
export function checkInputs(specs: readonly InputSpec[], inputs: Tensors): void {
  checkInputTypes(specs, inputs);
  checkInputElements(specs, inputs);
}

/** The part of {@link checkInputs} that looks at no element. */
export function checkInputTypes(specs: readonly InputSpec[], inputs: Tensors): void {
  for (const name of Object.keys(inputs))
    if (!specs.some((spec) => spec.name === name))
      throw new AssayError("UNKNOWN_INPUT", `the model has no input "${name}"`);
  for (const { name, dtype, dims } of specs) {
    const given = inputs[name];
    if (!given) throw new AssayError("MISSING_INPUT", `input "${name}" is missing`);
    if (given.dtype !== dtype)
      throw new AssayError(
        "INPUT_DTYPE",
        `input "${name}" must be ${dtypeName(dtype)}, not ${dtypeName(given.dtype)}`,
      );
    if (given.dims.join() !== dims.join())
      throw new AssayError(
        "INPUT_SHAPE",
        `input "${name}" must be [${dims.join(", ")}], not [${given.dims.join(", ")}]`,
      );
  }
}

/** The part of {@link checkInputs} that looks at every element. */
export function checkInputElements(specs: readonly InputSpec[], inputs: Tensors): void {
  for (const { name, dtype } of specs) {
    const given = inputs[name]!;
    if (dtype === DType.bool && given.data.some((byte) => byte > 1))
      throw new AssayError("INPUT_BOOL", `input "${name}" holds a boolean that is neither 0 nor 1`);
    if (dtype === DType.float32 && holdsNan(float32Values(given)))
      throw new AssayError("INPUT_NAN", `input "${name}" holds a NaN`, {
        hint: "NaN has many encodings, and engines do not agree which one comes out",
      });
  }
}

/** What `some(Number.isNaN)` says, without a call for each element. */
function holdsNan(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return true;
  return false;
}

/** A small generator (mulberry32): probes need to differ, not to be unpredictable. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Random inputs of a program; those that index a table are drawn over all of it. */
export function sampleInputs(program: Program, seed: number): Record<string, Tensor> {
  const sizes = tableSizes(program);
  return randomInputs(
    program.inputs.map((port, i) => ({ ...port, below: sizes.get(i) })),
    seed,
  );
}

/** Random inputs: floats in [-1, 1), integers as their spec says or from `least` to 1 (which index almost any table). */
export function randomInputs(
  specs: readonly InputSpec[],
  seed: number,
  least: 0 | 1 = 0,
): Record<string, Tensor> {
  const next = generator(seed);
  return Object.fromEntries(
    specs.map(({ name, dtype, dims, below }) => {
      const count = elementCount(dims);
      const bit = () => (below ? Math.floor(next() * below) : next() < 0.5 ? least : 1);
      const fill = <T>(make: () => T) => Array.from({ length: count }, make);
      const data = {
        [DType.float32]: () => Float32Array.from(fill(() => next() * 2 - 1)),
        [DType.float64]: () => Float64Array.from(fill(() => next() * 2 - 1)),
        [DType.float16]: () => Uint16Array.from(fill(() => 0x3800 + Math.floor(next() * 0x400))),
        [DType.int64]: () => BigInt64Array.from(fill(() => BigInt(bit()))),
        [DType.int32]: () => Int32Array.from(fill(bit)),
        [DType.uint64]: () => BigUint64Array.from(fill(() => BigInt(bit()))),
        [DType.uint32]: () => Uint32Array.from(fill(bit)),
        [DType.int16]: () => Int16Array.from(fill(bit)),
        [DType.uint16]: () => Uint16Array.from(fill(bit)),
        [DType.int8]: () => Int8Array.from(fill(bit)),
        [DType.uint8]: () => Uint8Array.from(fill(bit)),
        [DType.bool]: () => Uint8Array.from(fill(() => (next() < 0.5 ? least : 1))),
      }[dtype]();
      return [name, { dtype, dims, data: new Uint8Array(data.buffer) }];
    }),
  );
}
