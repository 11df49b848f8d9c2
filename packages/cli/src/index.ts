export { drawLie, type Lie } from "./bait/draw.ts";
export { type Ended, endBaits } from "./bait/end.ts";
export { layBaits, type LayOptions } from "./bait/lay.ts";
export { planBaits, type PlanOptions } from "./bait/plan.ts";
export { baitsAtRate } from "./bait/rate.ts";
export { type BaitPlan, type PlannedBait, readPlans, writePlan } from "./bait/records.ts";
export {
  applyCalibration,
  type CalibratedInstruction,
  type CalibrateOptions,
  type CalibrationReport,
  measureCalibration,
} from "./calibrate.ts";
export { developmentAccount } from "./accounts.ts";
export { type ContractJudge, type ProofCost, type ProofRoots, startContractJudge } from "./contract-judge.ts";
export { deployAssay, type DeployAssayOptions, type DeploymentTerms } from "./deploy-assay.ts";
export {
  type CheckFailure,
  type CheckFailureKind,
  checkModel,
  type CheckModelOptions,
  type InstructionReport,
  type ModelReport,
} from "./model-check.ts";
export { readInputs, tensorJson } from "./tensor-io.ts";
export { runCli } from "./run-cli.ts";
