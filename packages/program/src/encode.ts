import { createHash } from "node:crypto";
import { RootTree } from "@assay/tensor";
import { encodeAbiParameters, hexToBytes, toHex } from "viem";
import { toleranceBits } from "./tolerance.ts";
import type { Instruction, Port, Program } from "./types.ts";

/** ABI of `Instruction` in contracts/program/Program.sol. */
const INSTRUCTION = {
  type: "tuple",
  components: [
    { name: "family", type: "uint8" },
    { name: "op", type: "uint8" },
    { name: "dtype", type: "uint8" },
    { name: "dims", type: "uint64[]" },
    { name: "reduction", type: "uint64[]" },
    {
      name: "operands",
      type: "tuple[]",
      components: [
        { name: "origin", type: "uint8" },
        { name: "index", type: "uint32" },
        { name: "dtype", type: "uint8" },
        { name: "length", type: "uint64" },
        { name: "reduced", type: "bool" },
        { name: "fill", type: "uint64" },
        {
          name: "axes",
          type: "tuple[]",
          components: [
            { name: "size", type: "uint64" },
            { name: "stride", type: "uint64" },
            { name: "base", type: "int64" },
            { name: "divisor", type: "uint64" },
            { name: "lookup", type: "uint8" },
            { name: "coefficients", type: "int64[]" },
          ],
        },
      ],
    },
    { name: "params", type: "bytes" },
  ],
} as const;

const PORT = [
  { name: "name", type: "string" },
  { name: "dtype", type: "uint8" },
  { name: "dims", type: "uint64[]" },
  { name: "factors", type: "uint64[]" },
  { name: "order", type: "uint8[]" },
  { name: "index", type: "uint32" },
  { name: "toleranceAbsolute", type: "uint32" },
  { name: "toleranceRelative", type: "uint32" },
] as const;

/** ABI of `ProgramHeader` in contracts/program/Program.sol. */
export const PROGRAM_HEADER_ABI = {
  type: "tuple",
  components: [
    { name: "version", type: "uint16" },
    { name: "accuracyProfile", type: "uint16" },
    { name: "instructionsRoot", type: "bytes32" },
    { name: "instructionCount", type: "uint32" },
    { name: "constantsRoot", type: "bytes32" },
    { name: "constantCount", type: "uint32" },
    { name: "inputs", type: "tuple[]", components: PORT },
    { name: "outputs", type: "tuple[]", components: PORT },
  ],
} as const;

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** Canonical bytes of an instruction: `abi.encode(Instruction)`. */
export function encodeInstruction(instruction: Instruction): Uint8Array {
  const { family, op, dtype, dims, reduction, operands, params } = instruction;
  const encoded = encodeAbiParameters(
    [INSTRUCTION],
    [
      {
        family,
        op,
        dtype,
        dims: dims.map(BigInt),
        reduction: reduction.map(BigInt),
        operands: operands.map((operand) => ({
          ...operand,
          length: BigInt(operand.length),
          axes: operand.axes.map((axis) => ({
            size: BigInt(axis.size),
            stride: BigInt(axis.stride),
            base: BigInt(axis.base),
            divisor: BigInt(axis.divisor),
            lookup: axis.lookup,
            coefficients: axis.coefficients.map(BigInt),
          })),
        })),
        params: toHex(params),
      },
    ],
  );
  return hexToBytes(encoded);
}

/** The tree of a program's instructions: leaves are SHA-256 of their canonical bytes. */
export function instructionTree(program: Program): RootTree {
  return new RootTree(program.instructions.map((instruction) => sha256(encodeInstruction(instruction))));
}

function port({ name, dtype, dims, layout, index, tolerance }: Port) {
  const { absolute, relative } = toleranceBits(tolerance);
  return {
    name,
    dtype,
    dims: dims.map(BigInt),
    factors: layout.factors.map(BigInt),
    order: [...layout.order],
    index,
    toleranceAbsolute: absolute,
    toleranceRelative: relative,
  };
}

/**
 * Canonical bytes of a program's header, `abi.encode(ProgramHeader)`: what is published on-chain.
 *
 * @param constantsRoot root over the tensor roots of the program's constants (32 zero bytes when it has none)
 */
export function encodeHeader(program: Program, constantsRoot: Uint8Array): Uint8Array {
  const encoded = encodeAbiParameters(
    [PROGRAM_HEADER_ABI],
    [
      {
        version: program.version,
        accuracyProfile: program.accuracyProfile,
        instructionsRoot: toHex(instructionTree(program).root),
        instructionCount: program.instructions.length,
        constantsRoot: toHex(constantsRoot),
        constantCount: program.constants.length,
        inputs: program.inputs.map(port),
        outputs: program.outputs.map(port),
      },
    ],
  );
  return hexToBytes(encoded);
}

/** A program's identity: SHA-256 of its header. */
export function programRoot(header: Uint8Array): Uint8Array {
  return sha256(header);
}
