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
   * Every trace value, computed on the operands that another trace has; undefined where that cannot be done. A backend
   * that only claims needs none.
   */
  replay?(inputs: StoredValues, trace: StoredValues): Promise<Uint8Array[] | undefined>;
  close(): Promise<void>;
}
