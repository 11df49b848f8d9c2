import { ElementwiseOp, IntegerOp } from "@assay/numerics";
import { encodeWords } from "../compile/params.ts";
import { unsupported } from "../compile/unsupported.ts";
import { input } from "./arguments.ts";
import { exact, type ExactOps, writeElementwise, writeExact } from "./elementwise.ts";
import type { Lowering } from "./index.ts";

const comparison = (name: "Equal" | "Less" | "LessOrEqual"): ExactOps => ({
  float: ElementwiseOp[name],
  integer: IntegerOp[name],
  bool: IntegerOp[name],
});

/** a > b is b < a. */
const swapped =
  (ops: ExactOps): Lowering =>
  (node, graph) =>
    writeExact(node, graph, ops, [input(node, 1), input(node, 0)]);

const logical = (op: number, count = 2): Lowering => exact({ bool: op }, count);
const bitwise = (op: number, count = 2): Lowering => exact({ integer: op }, count);

const bitShift: Lowering = (node, graph) => {
  const direction = node.attributes.string("direction", "");
  if (direction !== "LEFT" && direction !== "RIGHT") unsupported(`its direction is "${direction}"`);
  bitwise(direction === "LEFT" ? IntegerOp.ShiftLeft : IntegerOp.ShiftRight)(node, graph);
};

const isInf: Lowering = (node, graph) => {
  const negative = node.attributes.int("detect_negative", 1) !== 0;
  const positive = node.attributes.int("detect_positive", 1) !== 0;
  const params = encodeWords([(negative ? 1 : 0) + (positive ? 2 : 0)]);
  writeElementwise(node, graph, ElementwiseOp.IsInf, [input(node, 0)], params);
};

const where: Lowering = (node, graph) =>
  writeElementwise(node, graph, ElementwiseOp.Select, [input(node, 0), input(node, 1), input(node, 2)]);

/** Comparisons, logic, bits and selection. */
export const logic: Record<string, Lowering> = {
  Equal: exact(comparison("Equal"), 2),
  Less: exact(comparison("Less"), 2),
  LessOrEqual: exact(comparison("LessOrEqual"), 2),
  Greater: swapped(comparison("Less")),
  GreaterOrEqual: swapped(comparison("LessOrEqual")),
  And: logical(IntegerOp.And),
  Or: logical(IntegerOp.Or),
  Xor: logical(IntegerOp.Xor),
  Not: logical(IntegerOp.Not, 1),
  BitwiseAnd: bitwise(IntegerOp.And),
  BitwiseOr: bitwise(IntegerOp.Or),
  BitwiseXor: bitwise(IntegerOp.Xor),
  BitwiseNot: bitwise(IntegerOp.Not, 1),
  BitShift: bitShift,
  IsNaN: exact({ float: ElementwiseOp.IsNaN }, 1),
  IsInf: isInf,
  Where: where,
};
