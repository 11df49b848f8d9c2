/**
 * `pnpm bench:attack [--json]`: what an attacker with gradients gains who stays inside a band at every instruction.
 *
 * Every element of the trace goes to the edge of its band on the side that lowers the margin between the two largest
 * outputs (or the largest output itself), and what follows is computed from it. Compared: the provable band, the
 * default integrity band, the calibrated one, and what honest backends differ by. Models: the shipped digits, and
 * MNIST, transformers and int8 models from ../shared where that folder is there.
 */
import { parseArgs } from "node:util";
import { audit } from "@assay/challenger";
import { applyCalibration, measureCalibration } from "@assay/cli";
import {
  type CompiledModel,
  compileModel,
  forProcessor,
  ModelRunner,
  storedInputs,
  type Tensors,
} from "@assay/execution";
import { WasmRunner } from "@assay/execution/wasm";
import { Verdict } from "@assay/numerics";
import type { Program } from "@assay/program";
import { type DType, float32Tensor, toStored } from "@assay/tensor";
import { attackModels, type AttackModel } from "./attack-models.ts";
import { Attack, numbers, type Objective, type Run } from "./attack-run.ts";

/** Inputs attacked of each model: those with the smallest margins. */
const ATTACKED = 3;
/** Other inputs, on which it is calibrated. */
const CALIBRATED_ON = 8;

interface Outcome {
  band: string;
  /** Largest |change of an output| / largest |output|. */
  shift: number;
  /** Largest part of the attacked margin that is gone; 1 flips the label. */
  margin: number;
  flips: number;
  runs: number;
}

interface Row {
  first: number;
  second: number;
  margin: number;
}

/** The first output's elements in stored order, row by row (a row is what the last dimension counts). */
class Output {
  readonly index: number;
  readonly #rows: number[][];

  constructor(program: Program) {
    const { dims, layout, index } = program.outputs[0]!;
    this.index = index;
    const count = dims.reduce((product, dim) => product * dim, 1);
    const logical = float32Tensor(
      dims,
      Array.from({ length: count }, (_, i) => i),
    );
    const order = new Float32Array(toStored(logical, layout).slice().buffer);
    const width = dims.at(-1)!;
    this.#rows = Array.from({ length: count / width }, () => new Array<number>(width));
    for (const [stored, i] of order.entries()) this.#rows[Math.floor(i / width)]![i % width] = stored;
  }

  values(trace: readonly Uint8Array[], dtype: DType): Float64Array {
    return numbers(trace[this.index]!, dtype);
  }

  /** The row whose two largest elements are nearest to each other. */
  closest(y: Float64Array): Row {
    const rows = this.#rows.map((row): Row => {
      const [first, second] = row.toSorted((a, b) => y[b]! - y[a]!) as [number, number];
      return { first, second, margin: y[first]! - y[second]! };
    });
    // A tie has no label to flip.
    return rows.reduce((a, b) => (b.margin > 0 && (b.margin < a.margin || a.margin === 0) ? b : a));
  }

  /** Whether another element of the row is the largest now. */
  flipped({ first }: Row, y: Float64Array): boolean {
    return this.#rows.find((row) => row.includes(first))!.some((at) => y[at]! > y[first]!);
  }
}

function compare(output: Output, row: Row, honest: Float64Array, other: Float64Array) {
  const largest = honest.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
  const change = honest.reduce((most, y, i) => Math.max(most, Math.abs(other[i]! - y)), 0);
  return {
    shift: change / largest,
    margin: 1 - (other[row.first]! - other[row.second]!) / row.margin,
    flipped: output.flipped(row, other),
  };
}

/** The whole trace must be what the band allows: the audit and its exact kernels say so. */
async function requireInside(program: Program, run: Run, worst: Verdict): Promise<void> {
  const { findings } = await audit({ program, values: run, all: true });
  const outside = findings.find(({ judgement }) => judgement.verdict > worst);
  if (outside)
    throw new Error(
      `the attack left the band at instruction ${outside.instruction}, element ${outside.element}`,
    );
}

async function measure(source: AttackModel) {
  const { name, onnx, shapes } = source;
  const model = await compileModel(onnx, { shapes });
  const inputs = source.inputsFor(model.program);
  const native = new ModelRunner(await forProcessor(model));
  const wasm = new WasmRunner(model);
  try {
    const output = new Output(model.program);
    const { dtype } = model.program.outputs[0]!;
    const ranked = [];
    for (const tensors of inputs) {
      const trace = await native.trace(tensors);
      const y = output.values(trace, dtype);
      const row = output.closest(y);
      ranked.push({
        tensors,
        trace,
        y,
        row,
        relative: row.margin / y.reduce((m, v) => Math.max(m, Math.abs(v)), 0),
      });
    }
    const last = (relative: number) => (relative > 0 ? relative : Infinity);
    ranked.sort((a, b) => last(a.relative) - last(b.relative));
    const attacked = ranked.slice(0, ATTACKED);
    const samples: Tensors[] = ranked.slice(ATTACKED, ATTACKED + CALIBRATED_ON).map(({ tensors }) => tensors);
    const { calibration } = await measureCalibration({ model, samples, runners: [native, wasm] });
    const calibrated = await applyCalibration(model, calibration);
    const bands = [
      { band: "provable", program: model.program, worst: Verdict.Imprecise },
      { band: "integrity, default", program: model.program, worst: Verdict.Acceptable },
      { band: "integrity, calibrated", program: calibrated.program, worst: Verdict.Acceptable },
    ];
    const outcomes = [...bands.map(({ band }) => band), "honest: WebAssembly"].map((band): Outcome => ({
      band,
      shift: 0,
      margin: 0,
      flips: 0,
      runs: 0,
    }));
    const record = (outcome: Outcome, row: Row, honest: Float64Array, other: Float64Array) => {
      const { shift, margin, flipped } = compare(output, row, honest, other);
      outcome.shift = Math.max(outcome.shift, shift);
      outcome.margin = Math.max(outcome.margin, margin);
      outcome.flips += Number(flipped);
      outcome.runs++;
    };
    for (const { tensors, trace, y, row } of attacked) {
      const values: Run = { inputs: storedInputs(model.program, tensors), constants: stored(model), trace };
      const attack = new Attack(model.program, values);
      const margin: Objective = {
        instruction: output.index,
        weights: new Map([
          [row.first, 1],
          [row.second, -1],
        ]),
      };
      const largest: Objective = { instruction: output.index, weights: new Map([[row.first, 1]]) };
      for (const objective of [margin, largest]) {
        const adjoints = attack.gradients(objective);
        for (const [i, { program, worst }] of bands.entries()) {
          const forged = attack.trace(adjoints, worst, program);
          await requireInside(program, { ...values, trace: forged }, worst);
          record(outcomes[i]!, row, y, output.values(forged, dtype));
        }
      }
      record(outcomes.at(-1)!, row, y, output.values(await wasm.trace(tensors), dtype));
    }
    const margins = attacked.map(({ relative }) => relative);
    return { model: name, inputs: inputs.length, smallestMargin: Math.min(...margins), outcomes };
  } finally {
    await native.close();
    await wasm.close();
  }
}

function stored({ constants }: CompiledModel): Uint8Array[] {
  return constants.trees.map(({ stored: bytes }) => bytes);
}

const { values, positionals } = parseArgs({ options: { json: { type: "boolean" } }, allowPositionals: true });
const results = [];
for (const model of attackModels()) {
  if (positionals.length > 0 && !positionals.includes(model.name)) continue;
  const result = await measure(model);
  results.push(result);
  if (values.json) continue;
  console.log(`\n${result.model}: smallest margin ${result.smallestMargin.toExponential(1)} of max|y|`);
  for (const { band, shift, margin, flips, runs } of result.outcomes)
    console.log(
      `  ${band.padEnd(24)}shift ${shift.toExponential(1)}  margin taken ${margin.toExponential(1)}  flips ${flips}/${runs}`,
    );
}
if (values.json) console.log(JSON.stringify({ attack: results }, null, 2));
