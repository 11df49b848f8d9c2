import { DType, elementCount, type Tensor } from "@assay/tensor";
import { nodeOf } from "../onnx/model.ts";
import type { GraphProto, NodeProto } from "../onnx/protobuf.ts";
import type { ExpansionGraph } from "./graph.ts";
import { resolveValue } from "./inline.ts";

/** A single element, as a loop's condition is computed from: integers and booleans as bigint, float32 as number. */
type Scalar = bigint | number;

function scalarOf(value: Tensor): Scalar | undefined {
  if (elementCount(value.dims) !== 1) return undefined;
  const view = new DataView(value.data.buffer, value.data.byteOffset, value.data.length);
  switch (value.dtype) {
    case DType.int64:
      return view.getBigInt64(0, true);
    case DType.int32:
      return BigInt(view.getInt32(0, true));
    case DType.bool:
      return BigInt(view.getUint8(0));
    case DType.float32:
      return view.getFloat32(0, true);
    default:
      return undefined;
  }
}

const flag = (holds: boolean): bigint => (holds ? 1n : 0n);
const same = (x: Scalar): Scalar => x;

/** What loop conditions are made of. Integers are taken to stay in range. */
const functions: Readonly<Record<string, (...x: [Scalar, Scalar]) => Scalar>> = {
  Identity: same,
  Squeeze: same,
  Unsqueeze: same,
  Reshape: same,
  Add: (a, b) =>
    arithmetic(
      a,
      b,
      (x, y) => x + y,
      (x, y) => x + y,
    ),
  Sub: (a, b) =>
    arithmetic(
      a,
      b,
      (x, y) => x - y,
      (x, y) => x - y,
    ),
  Mul: (a, b) =>
    arithmetic(
      a,
      b,
      (x, y) => x * y,
      (x, y) => x * y,
    ),
  Less: (a, b) => flag(a < b),
  LessOrEqual: (a, b) => flag(a <= b),
  Greater: (a, b) => flag(a > b),
  GreaterOrEqual: (a, b) => flag(a >= b),
  Equal: (a, b) => flag(a === b),
  And: (a, b) => flag(Boolean(a) && Boolean(b)),
  Or: (a, b) => flag(Boolean(a) || Boolean(b)),
  Not: (a) => flag(!a),
};

function arithmetic(
  a: Scalar,
  b: Scalar,
  exact: (a: bigint, b: bigint) => bigint,
  rounded: (a: number, b: number) => number,
): Scalar {
  if (typeof a === "bigint" && typeof b === "bigint") return exact(a, b);
  return Math.fround(rounded(Number(a), Number(b)));
}

function cast(x: Scalar, to: number): Scalar | undefined {
  if (to === DType.bool) return flag(Boolean(x));
  if (to === DType.float32) return Math.fround(Number(x));
  const integer = to === DType.int64 || to === DType.int32;
  return integer && Number.isFinite(Number(x)) ? BigInt(Math.trunc(Number(x))) : undefined;
}

/**
 * How often a loop's body runs, if its condition needs no more than the iteration's number, constants and scalars that
 * it carries along; undefined where it needs data.
 */
export function iterations(
  graph: ExpansionGraph,
  proto: GraphProto,
  initial: readonly string[],
  limit: number,
): number | undefined {
  let state = initial.map((name) => {
    const value = graph.constant(name);
    return value && scalarOf(value);
  });
  let goOn: Scalar = 1n;
  let count = 0;
  for (; count < limit && goOn; count++) {
    const inputs = [BigInt(count), goOn, ...state];
    const known = new Map<string, Scalar | undefined>();
    const evaluate = (name: string): Scalar | undefined => {
      if (!known.has(name)) known.set(name, valueOf(name));
      return known.get(name);
    };
    const valueOf = (name: string): Scalar | undefined => {
      const found = resolveValue(graph, proto, name);
      if ("input" in found) return inputs[found.input];
      if ("constant" in found) return scalarOf(found.constant);
      return "node" in found ? apply(found.node, evaluate) : undefined;
    };
    const next = evaluate(proto.output[0]!.name);
    if (next === undefined) return undefined;
    goOn = next;
    state = state.map((_, i) => evaluate(proto.output[1 + i]!.name));
  }
  return count;
}

function apply(node: NodeProto, evaluate: (name: string) => Scalar | undefined): Scalar | undefined {
  if (node.domain) return undefined;
  const { operator, attributes } = nodeOf(node);
  const [a, b] = node.input.slice(0, 2).map((name) => (name === "" ? undefined : evaluate(name)));
  if (a === undefined) return undefined;
  if (operator === "Cast") return cast(a, attributes.int("to", 0));
  const compute = functions[operator];
  if (!compute) return undefined;
  if (compute === same || operator === "Not") return compute(a, a);
  return b === undefined || typeof a !== typeof b ? undefined : compute(a, b);
}
