import type { Program } from "@assay/program";
import type { Hex } from "viem";
import type { StoredValues } from "./values.ts";

/** Runs one program. Values go in and come out as stored bytes, in the order of the program's lists. */
export interface Backend {
  readonly programRoot: Hex;
  readonly program: Program;
  /** The program's outputs. */
  run(inputs: StoredValues): Promise<Uint8Array[]>;
  /** Every trace value, by instruction. */
  trace(inputs: StoredValues): Promise<Uint8Array[]>;
  /**
   * The elements of a trace whose bytes are not what this backend computes on that trace's own operands, by instruction,
   * ascending; undefined where that cannot be found out. A backend that only claims needs none.
   */
  replay?(inputs: StoredValues, trace: StoredValues): Promise<Uint32Array[] | undefined>;
  close(): Promise<void>;
}
