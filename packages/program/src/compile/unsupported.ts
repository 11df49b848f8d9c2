import { AssayError } from "@assay/tensor";

/** Why one node of a model has no instruction. */
export interface UnsupportedReason {
  readonly operator: string;
  /** ONNX node name, or its first output where it has none. */
  readonly node: string;
  readonly reason: string;
}

/** A model that cannot be compiled, with every reason at once. */
export class UnsupportedModelError extends AssayError {
  readonly reasons: readonly UnsupportedReason[];

  constructor(reasons: readonly UnsupportedReason[], cause?: unknown) {
    const list = reasons.map(({ operator, node, reason }) => `  ${operator} "${node}": ${reason}`);
    super("UNSUPPORTED_MODEL", `${reasons.length} node(s) cannot be compiled:\n${list.join("\n")}`, {
      hint: "docs/compiler.md says how an operator is added",
      cause,
    });
    this.reasons = reasons;
  }
}

/** Thrown by a lowering; the compiler collects them all. */
export class Unsupported extends Error {}

/** Ends a lowering: this node cannot be said in the instruction set, because of `reason`. */
export function unsupported(reason: string): never {
  throw new Unsupported(reason);
}
