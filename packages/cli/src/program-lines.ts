import { Family } from "@assay/numerics";
import type { Program } from "@assay/program";
import { dtypeName, elementCount } from "@assay/tensor";
import { table } from "./output.ts";

/** By family number. */
export const FAMILY_NAMES = Object.keys(Family);

/** A program as a table for people. */
export function describeProgram(program: Program): string[] {
  const ports = [
    ...program.inputs.map((port) => ["input", port] as const),
    ...program.outputs.map((port) => ["output", port] as const),
  ];
  return [
    ...table(
      ports.map(([kind, port]) => [kind, port.name, `${dtypeName(port.dtype)}[${port.dims.join(", ")}]`]),
    ),
    "",
    ...table([
      ["#", "family", "output", "terms", "ONNX nodes"],
      ...program.instructions.map((instruction, i) => [
        String(i),
        FAMILY_NAMES[instruction.family]!,
        `[${instruction.dims.join(", ")}]`,
        String(elementCount(instruction.reduction)),
        (program.nodes[i] ?? []).join(" "),
      ]),
    ]),
  ];
}
