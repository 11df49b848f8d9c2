export { audit, type AuditOptions, type AuditReport, type Finding, worstFinding } from "./audit.ts";
export { type Challenger, disputeClaim, type DisputeResult, startChallenger } from "./challenger.ts";
export { evaluate } from "./evaluate.ts";
export { fetchTrace, type FetchTraceOptions } from "./fetch-trace.ts";
export type { ChallengerOptions, DisputeOptions } from "./options.ts";
export { commitmentOf, decodeProof, elementProof, encodeProof, type Proof } from "./proofs.ts";
export { type Estimator, estimator } from "./estimate.ts";
export { type OperandReader, operandReaders, unravel, type Values } from "./reader.ts";
export type { Case, CaseState } from "./state.ts";
