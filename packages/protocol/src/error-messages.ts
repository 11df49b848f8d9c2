import { phaseName, requestStatusName } from "./types.ts";

interface Text {
  message: string;
  hint?: string;
}

type Args = Record<string, unknown>;

const time = (seconds: unknown): string => new Date(Number(seconds) * 1000).toISOString();

/** Sentences for the errors people meet; the others are shown as name and arguments. */
const texts: Record<string, (args: Args) => Text> = {
  WrongPhase: ({ claimId, phase }) => ({
    message: `claim ${claimId as string} is ${phaseName(Number(phase))}, in which this cannot be done`,
    hint: "`assay claim show` lists what can be done now and by when",
  }),
  ChallengeWindowOver: ({ claimId, challengeEnd }) => ({
    message: `the challenge window of claim ${claimId as string} ended at ${time(challengeEnd)}`,
  }),
  UnknownClaim: ({ claimId }) => ({
    message: `there is no claim ${claimId as string}`,
    hint: "check the id and that the deployment file belongs to this chain",
  }),
  UnknownRequest: ({ requestId }) => ({
    message: `there is no request ${requestId as string}`,
    hint: "check the id and that the deployment file belongs to this chain",
  }),
  RequestNotOpen: ({ requestId, status }) => ({
    message: `request ${requestId as string} is ${requestStatusName(Number(status))}, not open`,
  }),
  UnknownProgram: ({ programRoot }) => ({
    message: `program ${programRoot as string} is not published`,
    hint: "publish it with `assay model publish`",
  }),
  ProgramAlreadyPublished: ({ programRoot }) => ({
    message: `program ${programRoot as string} is already published`,
    hint: "nothing to do: a program is named by its content",
  }),
  UnknownModel: ({ modelId }) => ({ message: `there is no model ${modelId as string}` }),
  UnknownVersion: ({ modelId, programRoot }) => ({
    message: `program ${programRoot as string} is no version of model ${modelId as string}`,
  }),
  ModelExists: ({ modelId }) => ({
    message: `model ${modelId as string} exists already`,
    hint: "use another name, or add a version to it",
  }),
  VersionExists: ({ modelId, programRoot }) => ({
    message: `program ${programRoot as string} is already a version of model ${modelId as string}`,
  }),
  NotModelOwner: ({ modelId, caller }) => ({
    message: `${caller as string} does not own model ${modelId as string}`,
  }),
  RoyaltyAboveMax: ({ royalty, maxRoyalty }) => ({
    message: `the model's owner asks a royalty of ${String(royalty)}, more than the ${String(maxRoyalty)} allowed`,
    hint: "raise maxRoyalty",
  }),
  InsufficientFreeStake: ({ executor, free, needed }) => ({
    message: `${executor as string} has ${String(free)} of free stake and needs ${String(needed)}`,
    hint: "deposit more stake, or wait until open claims are settled",
  }),
  ERC20InsufficientAllowance: ({ spender, allowance, needed }) => ({
    message: `${spender as string} may take ${String(allowance)} tokens and needs ${String(needed)}`,
    hint: "approve the StakeManager for more (`approve`)",
  }),
  ERC20InsufficientBalance: ({ sender, balance, needed }) => ({
    message: `${sender as string} has ${String(balance)} tokens and needs ${String(needed)}`,
    hint: "on a development chain DevToken.mint gives tokens to anyone",
  }),
  WithdrawalNotReady: ({ withdrawableAt }) => ({
    message: `the stake can be withdrawn from ${time(withdrawableAt)} on`,
  }),
  NoPayout: ({ account }) => ({ message: `${account as string} has nothing to collect` }),
  DeadlinePassed: ({ deadline }) => ({ message: `the request's deadline was ${time(deadline)}` }),
  DeadlineNotReached: ({ deadline }) => ({ message: `the request can be answered until ${time(deadline)}` }),
  InputsMismatch: ({ inputRoot, actual }) => ({
    message: `the inputs have root ${actual as string}, not ${inputRoot as string}`,
    hint: "inputs are sent as stored bytes, in the commitment layout of the program's ports",
  }),
  OutputsMismatch: ({ outputRoot, actual }) => ({
    message: `the outputs have root ${actual as string}, not ${outputRoot as string}`,
    hint: "outputs are sent as stored bytes, in the commitment layout of the program's ports",
  }),
  InvalidSignature: ({ executor, claimId }) => ({
    message: `the signature of claim ${claimId as string} is not ${executor as string}'s`,
  }),
  NotExecutor: ({ claimId, caller }) => ({
    message: `${caller as string} is not the executor of claim ${claimId as string}`,
  }),
  NotCommitted: ({ prover }) => ({
    message: `${prover as string} has not committed to this proof with this salt`,
    hint: "send commitProof first; the commitment binds prover, salt and proof",
  }),
  CommitmentTooYoung: ({ committedAt }) => ({
    message: `the commitment was made in this very second (${time(committedAt)})`,
    hint: "send the proof in the next block",
  }),
  AlreadyDemanded: () => ({
    message: "this page of the claim was demanded before",
    hint: "its answer is in the claim's history, or still to come",
  }),
  DemandWindowOver: ({ claimId, demandEnd }) => ({
    message: `data of claim ${claimId as string} could be demanded until ${time(demandEnd)}`,
  }),
  AnswerTooLate: ({ answerBy }) => ({ message: `the answer was due before ${time(answerBy)}` }),
  AnswerNotOverdue: ({ answerBy }) => ({ message: `the demand can be answered until ${time(answerBy)}` }),
  BondAboveMax: ({ bond, maxBond }) => ({
    message: `the demand costs ${String(bond)}, more than the ${String(maxBond)} allowed`,
    hint: "much is demanded of this executor; it gets cheaper with time",
  }),
  ElementAcceptable: ({ instruction, element }) => ({
    message: `element ${String(element)} of instruction ${String(instruction)} is within its bands: nothing to settle`,
    hint: "is the model file the published one, and this machine's onnxruntime the pinned version?",
  }),
};

/** The sentence and hint for a custom error; every error has one. */
export function describeContractError(name: string, args: Args): Text {
  const known = texts[name];
  if (known !== undefined) return known(args);
  const list = Object.entries(args).map(([key, value]) => `${key} ${String(value)}`);
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return { message: list.length === 0 ? words : `${words} (${list.join(", ")})` };
}
