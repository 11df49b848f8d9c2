import { estimator, operandReaders, unravel, type Values } from "@assay/challenger";
import {
  type CompiledModel,
  compileModel,
  forProcessor,
  ModelRunner,
  type Runner,
  storedInputs,
  type Tensors,
} from "@assay/execution";
import { WasmRunner } from "@assay/execution/wasm";
import { Family, kernelOf, Verdict } from "@assay/numerics";
import {
  type Calibration,
  DEFAULT_LAMBDA,
  elementBits,
  type Instruction,
  kernelInput,
  lambdaOf,
  MAX_LAMBDA,
  termsOfBand,
  withLambda,
  writeCalibration,
} from "@assay/program";
import { AssayError, elementCount } from "@assay/tensor";
import { generator, sample } from "./random.ts";

export interface CalibrateOptions {
  model: CompiledModel;
  /** Inputs to run, each on every backend. */
  samples: readonly Tensors[];
  /** Times the largest error measured. Default 4, at least 1. */
  safety?: number;
  /** Elements of an instruction and run that the exact kernels judge where no fast screen covers all. Default 256. */
  elements?: number;
  /** Backends; default: onnxruntime native in a child process, and its WebAssembly build. They are left open. */
  runners?: readonly Runner[];
  onProgress?(done: number, total: number): void;
}

/** What was found of one instruction; multipliers are in 1/256. */
export interface CalibratedInstruction {
  index: number;
  /** The ONNX value that it writes. */
  name: string;
  nodes: string[];
  family: string;
  /** K. */
  terms: number;
  elements: number;
  /** The least λ at which every measured element is acceptable; at least what one rounding of the result needs. */
  measured: number;
  lambda: number;
}

export interface CalibrationReport {
  instructions: CalibratedInstruction[];
  calibration: Calibration;
}

const FAMILIES = Object.keys(Family);
const SAFETY = 4;
const ELEMENTS = 256;

/**
 * Measures each instruction's integrity multiplier: the least λ at which every element of honest runs is acceptable,
 * over samples and backends, times a safety factor.
 *
 * @example
 * const { calibration } = await measureCalibration({ model, samples });
 * const calibratedModel = await applyCalibration(model, calibration);
 */
export async function measureCalibration(options: CalibrateOptions): Promise<CalibrationReport> {
  const { model, samples, safety = SAFETY } = options;
  if (!(safety >= 1))
    throw new AssayError("SAFETY_INVALID", `a safety factor of ${safety} would refuse what was measured`);
  if (samples.length === 0) throw new AssayError("NO_SAMPLES", "a calibration needs at least one sample");
  const { program } = model;
  const own = options.runners === undefined;
  const runners = options.runners ?? [new ModelRunner(await forProcessor(model)), new WasmRunner(model)];
  const meters = program.instructions.flatMap((instruction, index) =>
    lambdaOf(instruction) === undefined ? [] : [new Meter(instruction, index, options.elements ?? ELEMENTS)],
  );
  const constants = model.constants.trees.map(({ stored }) => stored);
  let done = 0;
  try {
    for (const tensors of samples) {
      const inputs = storedInputs(program, tensors);
      for (const runner of runners) {
        const values = { inputs, constants, trace: await runner.trace(tensors) };
        for (const meter of meters) meter.measure(values);
        options.onProgress?.(++done, samples.length * runners.length);
      }
    }
  } finally {
    if (own) for (const runner of runners) await runner.close();
  }
  const instructions = meters.map(({ instruction, index, elements, least }): CalibratedInstruction => {
    return {
      index,
      name: program.trace[index]!.name,
      nodes: program.nodes[index] ?? [],
      family: FAMILIES[instruction.family]!,
      terms: termsOfBand(instruction),
      elements,
      measured: least,
      lambda: multiplier(least, safety),
    };
  });
  const entries = instructions
    .filter(({ lambda }) => lambda !== DEFAULT_LAMBDA)
    .map(({ name, lambda }) => [name, lambda] as const);
  return { instructions, calibration: new Map(entries) };
}

/** The default is the most, unless more was measured. */
function multiplier(measured: number, safety: number): number {
  const wanted = Math.min(MAX_LAMBDA, Math.ceil(measured * safety));
  return measured > DEFAULT_LAMBDA ? wanted : Math.min(DEFAULT_LAMBDA, wanted);
}

/** The model with a calibration in its canonical graph: compiling that file gives the same program again. */
export function applyCalibration(
  { canonical }: CompiledModel,
  calibration: Calibration,
): Promise<CompiledModel> {
  return compileModel(writeCalibration(canonical, calibration));
}

/** Finds the least multiplier that accepts every element shown. */
class Meter {
  readonly instruction: Instruction;
  readonly index: number;
  elements = 0;
  /** In 1/256. One rounding of the result is up to u·M whatever the samples show, so λ·√K is at least 1. */
  least: number;
  readonly #most: number;
  readonly #next: () => number;

  constructor(instruction: Instruction, index: number, most: number) {
    this.instruction = instruction;
    this.index = index;
    this.least = Math.ceil(256 / Math.sqrt(termsOfBand(instruction)));
    this.#most = most;
    this.#next = generator(index + 1);
  }

  measure(values: Values): void {
    const { dims } = this.instruction;
    const total = elementCount(dims);
    const output = values.trace[this.index]!;
    const readers =
      this.instruction.family === Family.Contraction && operandReaders(this.instruction, values);
    const screenAt = (lambda: number) =>
      readers ? estimator(withLambda(this.instruction, lambda), readers) : undefined;
    let screen = screenAt(this.least);
    if (!readers || !screen) {
      const chosen = sample(total, this.#most, this.#next);
      for (const element of chosen) this.#judge(element, output, values);
      this.elements += chosen.length;
      return;
    }
    const coordinates = new Float64Array(dims.length);
    for (let element = 0; element < total; element++) {
      unravel(element, dims, coordinates);
      const valid = readers.map((reader) => reader.load(coordinates));
      if (screen!.clear(Number(elementBits(this.instruction, element, output)), valid[0]!)) continue;
      if (this.#judge(element, output, values)) screen = screenAt(this.least);
    }
    this.elements += total;
  }

  /** Raises the multiplier where the exact kernel asks for it. */
  #judge(element: number, output: Uint8Array, { inputs, constants, trace }: Values): boolean {
    const { instruction } = this;
    const kernel = kernelOf(instruction.family);
    const input = kernelInput(instruction, element, output, (o, i) => [inputs, constants, trace][o]![i]!);
    const hint = kernel.hint(input);
    const accepts = (lambda: number) => {
      const { params } = withLambda(instruction, lambda);
      return kernel.judge({ ...input, params, hint }).verdict === Verdict.Acceptable;
    };
    if (accepts(this.least)) return false;
    let [refused, accepted] = [this.least, 2 * this.least];
    while (!accepts(accepted)) {
      if (accepted >= MAX_LAMBDA)
        throw new AssayError(
          "HONEST_NOT_ACCEPTABLE",
          `element ${element} of instruction ${this.index} is outside the provable band on a backend at hand`,
        );
      [refused, accepted] = [accepted, Math.min(2 * accepted, MAX_LAMBDA)];
    }
    while (accepted - refused > 1) {
      const middle = (accepted + refused) >> 1;
      if (accepts(middle)) accepted = middle;
      else refused = middle;
    }
    this.least = accepted;
    return true;
  }
}
