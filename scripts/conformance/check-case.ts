import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UnsupportedModelError } from "@assay/program";
import { AssayError } from "@assay/tensor";
import { type CaseFacts, factsOf, loadDataSets } from "./cases.ts";
import { CaseFailure, type Counts, judgeCase, type JudgeOptions } from "./judge-case.ts";
import { compileCase } from "./pinning.ts";

export type CaseStatus = "pass" | "unsupported" | "fail";

export interface CaseResult extends CaseFacts {
  name: string;
  status: CaseStatus;
  reason?: string;
  /** Inputs that became constants because the compiler needs their values. */
  pinned?: string[];
  counts?: Counts;
  milliseconds: number;
}

/** What a compiler may decline without being wrong. */
const DECLINED = new Set([
  "UNSUPPORTED_MODEL",
  "DATA_DEPENDENT_SHAPE",
  "UNKNOWN_DTYPE",
  "ONNX_SPARSE_INITIALISER",
  "NOTHING_LEFT",
]);

/** Compiles and judges one case; never throws for what the case brings. */
export async function checkCase(folder: string, name: string, options: JudgeOptions): Promise<CaseResult> {
  const started = performance.now();
  const onnx = readFileSync(join(folder, name, "model.onnx"));
  const facts = factsOf(onnx);
  const verdict = await judged(join(folder, name), onnx, facts, options).catch(
    (error: unknown): Verdict => declined(error) ?? { status: "fail", reason: reasonOf(error) },
  );
  return { name, ...verdict, ...facts, milliseconds: Math.round(performance.now() - started) };
}

type Verdict = Pick<CaseResult, "status" | "reason" | "pinned" | "counts">;

async function judged(
  folder: string,
  onnx: Uint8Array,
  { obstacle }: CaseFacts,
  options: JudgeOptions,
): Promise<Verdict> {
  if (obstacle !== undefined) return { status: "unsupported", reason: obstacle };
  const total: Counts = {
    instructions: 0,
    honest: 0,
    expected: 0,
    expectedOutside: 0,
    tampered: 0,
    proofs: 0,
  };
  const pinned = new Set<string>();
  for (const { inputs, expected } of loadDataSets(folder, onnx)) {
    const compiled = await compileCase(onnx, inputs, options.worker);
    for (const name of compiled.pinned) pinned.add(name);
    const counts = await judgeCase(compiled, expected, options);
    for (const key of Object.keys(total) as (keyof Counts)[]) total[key] += counts[key];
  }
  return { status: "pass", pinned: [...pinned], counts: total };
}

function declined(error: unknown): Verdict | undefined {
  if (!(error instanceof AssayError) || !DECLINED.has(error.code)) return undefined;
  return { status: "unsupported", reason: reasonOf(error) };
}

function reasonOf(error: unknown): string {
  if (error instanceof UnsupportedModelError) {
    const reasons = error.reasons.map(({ operator, reason }) =>
      reason.startsWith(`the operator`) ? reason : `${operator}: ${reason}`,
    );
    return [...new Set(reasons)].join("; ");
  }
  if (error instanceof CaseFailure) return error.message;
  const text = error instanceof AssayError ? `${error.code}: ${error.message}` : String(error);
  return text.slice(0, 300);
}
