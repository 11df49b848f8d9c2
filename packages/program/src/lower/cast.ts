import { ElementwiseOp } from "@assay/numerics";
import { unsupported } from "../compile/unsupported.ts";
import { input, onlyOutput } from "./arguments.ts";
import { dtypeOf, writeElementwise } from "./elementwise.ts";
import type { Lowering } from "./index.ts";
import { identity } from "./view.ts";

/** The output's type says what to cast to. */
const conversion =
  (op: number): Lowering =>
  (node, graph) => {
    const x = input(node, 0);
    if (dtypeOf(graph, x) === dtypeOf(graph, onlyOutput(node))) identity(node, graph);
    else writeElementwise(node, graph, op, [x]);
  };

const cast: Lowering = (node, graph) => {
  const [from, to] = [graph.shape(input(node, 0)).dtype, node.attributes.int("to", 0)];
  if (to !== graph.shape(onlyOutput(node)).dtype)
    unsupported(`casting from data type ${from} to ${to} is not supported`);
  conversion(ElementwiseOp.Cast)(node, graph);
};

/** Conversions between element types. */
export const casts: Record<string, Lowering> = {
  Cast: cast,
  CastLike: conversion(ElementwiseOp.Cast),
  BitCast: conversion(ElementwiseOp.BitCast),
};
