/** What the real contracts refuse: every bad input with its named error, and nobody's tokens move. */
import { commitmentOf, type Proof } from "@assay/challenger";
import {
  buildElementProof,
  buildOutputProof,
  CommittedTensors,
  type ElementProof,
  encodeInstruction,
  instructionTree,
  type Opening,
} from "@assay/program";
import {
  addVersion,
  type Claim,
  claimTypedData,
  commitProof,
  type ElementProofArgs,
  eventIn,
  getClaim,
  getRequest,
  inferenceMarketAbi,
  postClaim,
  publishProgram,
  refereeAbi,
  request,
  signClaim,
  toAssayError,
} from "@assay/protocol";
import { type Address, encodeFunctionData, type Hex, toHex } from "viem";
import { call, getBlock, getTransactionReceipt, sendTransaction, signTypedData } from "viem/actions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nudge } from "./actors/backends.ts";
import {
  commit,
  freshSalt,
  post,
  type Posted,
  send,
  SLASHED,
  UNCHANGED,
  watchEverybody,
} from "./actors/claims.ts";
import { openScene, type Person, type Scene, ROYALTY, until } from "./actors/scene.ts";

const unit = 10n ** 18n;
/** The second convolution of the digits model: its operands lie in the trace and among the constants. */
const WRONG = { instruction: 1, element: 9, recompute: true };

let scene: Scene;
let constants: Uint8Array[];
/** Two claims of wrong traces on different inputs. */
let claimed: Posted;
let another: Posted;

const wrongTrace = async (sample: number) => {
  const inputs = scene.inputs(sample);
  const trace = await scene.backend.trace(inputs);
  return { inputs, trace: nudge(scene.model.program, { inputs, constants, trace }, WRONG) };
};

beforeAll(async () => {
  scene = await openScene();
  constants = scene.model.constants.trees.map(({ stored }) => stored);
  claimed = await post(scene, await wrongTrace(0));
  another = await post(scene, await wrongTrace(1));
});
afterAll(() => scene?.close());

function elementProof(run: Posted["run"], index = WRONG.instruction, element = WRONG.element): ElementProof {
  const { program } = scene.model;
  return buildElementProof(program, instructionTree(program), run, index, element);
}

const asProof = (args: ElementProofArgs): Proof => ({ kind: "element", args });
const cut = (bytes: Hex, count: number) => bytes.slice(0, -2 * count) as Hex;
const pieces = (bytes: Hex) => bytes.slice(2).match(/.{64}/g)!;
const joined = (list: readonly string[]): Hex => `0x${list.join("")}`;
const swapped = <T>([first, second, ...rest]: readonly T[]) => [second!, first!, ...rest];
/** The proof with its output's, or its trace operand's, opening changed. */
const output = (proof: ElementProof, change: (opening: Opening) => Partial<Opening>) => ({
  ...proof,
  output: { ...proof.output, ...change(proof.output) },
});
const operand = (proof: ElementProof, change: (opening: Opening) => Partial<Opening>) => ({
  ...proof,
  openings: [{ ...proof.openings[0]!, ...change(proof.openings[0]!) }, ...proof.openings.slice(1)],
});
/** A run with one byte of one of its tensors changed. */
const forged = (run: Posted["run"], origin: keyof Posted["run"]) => {
  const stored = run[origin].trees.map((tree) => tree.stored.slice());
  stored[0]![0]! ^= 1;
  return { ...run, [origin]: new CommittedTensors(stored) };
};

/**
 * Gets a transaction into a block that the SDK, which tries it first, would not send; it must revert with `code`.
 */
async function expectReverted({ client, account }: Person, code: string, to: Address, data: Hex) {
  const { number } = await getBlock(client);
  const transaction = { account, to, data, gas: 8_000_000n };
  // Hardhat refuses what reverts, and mines it; anvil only mines it.
  const sent = await sendTransaction(client, { ...transaction, chain: null }).catch(toAssayError);
  if (sent instanceof Error) expect(sent).toMatchObject({ code });
  const blockNumber = number + 1n;
  const block = await until("its block", () => getBlock(client, { blockNumber }).catch(() => undefined));
  const { status } = await getTransactionReceipt(client, { hash: block.transactions[0]! });
  expect(status).toBe("reverted");
  // Once more in the second of its block and on the state that it left, which is the one that it found.
  const again = await call(client, { ...transaction, blockNumber }).catch(toAssayError);
  expect(again).toMatchObject({ code });
}

/** Commits to a proof and sends it: refused with `code`, and nothing has changed. */
async function refused(proof: Proof, code: string, prover: Person = scene.people.challenger) {
  const { deployment, people } = scene;
  const changes = await watchEverybody(scene);
  const { claimId } = claimed;
  const salt = await commit(scene, prover, claimId, proof);
  await expect(send(scene, prover, claimId, salt, proof)).rejects.toMatchObject({ code });
  if (proof.kind === "steps" || proof.kind === "outputElement")
    throw new Error("these proofs are single transactions");
  const data =
    proof.kind === "element"
      ? encodeFunctionData({
          abi: refereeAbi,
          functionName: "proveElement",
          args: [claimId, salt, proof.args],
        })
      : encodeFunctionData({
          abi: refereeAbi,
          functionName: "proveOutput",
          args: [claimId, salt, proof.args],
        });
  await expectReverted(prover, code, deployment.referee, data);
  expect(await changes()).toEqual(UNCHANGED);
  expect((await getClaim(people.other.client, { deployment, claimId })).phase).toBe("Provable");
}

describe("a proof that is not exactly right", () => {
  const cases: [string, string, (proof: ElementProof) => ElementProofArgs][] = [
    ["half a chunk", "ChunkBytesMismatch", (p) => output(p, ({ chunks }) => ({ chunks: cut(chunks, 16) }))],
    ["a node too few", "NodesTooShort", (p) => operand(p, ({ nodes }) => ({ nodes: cut(nodes, 32) }))],
    [
      "a node too many",
      "NodesTooLong",
      (p) => operand(p, (o) => ({ nodes: `${o.nodes}${"00".repeat(32)}` })),
    ],
    ["a path cut short", "PathLengthMismatch", (p) => output(p, ({ path }) => ({ path: path.slice(1) }))],
    [
      "an instruction's path cut short",
      "PathLengthMismatch",
      (p) => ({ ...p, instructionPath: p.instructionPath.slice(1) }),
    ],
    ["an instruction cut short", "RootMismatch", (p) => ({ ...p, instruction: cut(p.instruction, 32) })],
    ["an opening too few", "UnknownOpening", (p) => ({ ...p, openings: p.openings.slice(0, -1) })],
    ["no openings", "UnknownOpening", (p) => ({ ...p, openings: [] })],
    ["an operand too few", "OperandCountMismatch", (p) => ({ ...p, openingOf: p.openingOf.slice(1) })],
    ["an opening too many", "UnusedOpening", (p) => ({ ...p, openings: [...p.openings, p.openings[0]!] })],
    ["no runs", "NoRuns", (p) => operand(p, () => ({ runs: [] }))],
    ["runs out of order", "RunsNotAscending", (p) => operand(p, ({ runs }) => ({ runs: swapped(runs) }))],
    [
      "chunks out of order",
      "RootMismatch",
      (p) => operand(p, ({ chunks }) => ({ chunks: joined(swapped(pieces(chunks))) })),
    ],
    [
      "nodes out of order",
      "RootMismatch",
      (p) => operand(p, ({ nodes }) => ({ nodes: joined(swapped(pieces(nodes))) })),
    ],
    ["a path out of order", "RootMismatch", (p) => output(p, ({ path }) => ({ path: path.toReversed() }))],
    ["openings out of order", "NodesTooShort", (p) => ({ ...p, openings: p.openings.toReversed() })],
    [
      "one opening for two operands",
      "OpeningOfAnotherValue",
      (p) => ({ ...p, openingOf: [p.openingOf[0]!, p.openingOf[0]!, ...p.openingOf.slice(2)] }),
    ],
    ["another instruction's index", "RootMismatch", (p) => ({ ...p, index: p.index + 1 })],
    ["an index behind the last", "LeafOutOfRange", (p) => ({ ...p, index: 6 })],
    ["an element behind the last", "ElementOutOfRange", (p) => ({ ...p, element: 1024n })],
    ["an element that is not opened", "ChunkNotOpened", (p) => ({ ...p, element: p.element + 8n })],
    [
      "another program's instruction",
      "RootMismatch",
      (p) => ({
        ...p,
        instruction: toHex(encodeInstruction({ ...scene.model.program.instructions[1]!, op: 1 })),
      }),
    ],
    ["the proof of another claim", "RootMismatch", () => elementProof(another.run)],
    ["weights of another tree", "RootMismatch", () => elementProof(forged(claimed.run, "constants"))],
    ["a trace of another tree", "RootMismatch", () => elementProof(forged(claimed.run, "trace"))],
    ["an input of another tree", "RootMismatch", () => elementProof(forged(claimed.run, "inputs"), 0, 3)],
    ["an honest element", "ElementAcceptable", () => elementProof(claimed.run, 0, 3)],
  ];
  test.each(cases)("%s: %s", async (_, code, change) => {
    await refused(asProof(change(elementProof(claimed.run))), code);
  });

  test("proofs about the output", async () => {
    const good = buildOutputProof(scene.model.program, claimed.outputTensors, claimed.run.trace, 0);
    const { claimedRoot } = buildOutputProof(
      scene.model.program,
      another.outputTensors,
      another.run.trace,
      0,
    );
    await refused({ kind: "output", args: good }, "OutputMatches");
    await refused({ kind: "output", args: { ...good, output: 1 } }, "UnknownOutput");
    await refused({ kind: "output", args: { ...good, claimedRoot } }, "RootMismatch");
    await refused({ kind: "output", args: { ...good, tracedRoot: claimedRoot } }, "RootMismatch");
    const tracedPath = good.tracedPath.slice(1);
    await refused({ kind: "output", args: { ...good, tracedPath } }, "PathLengthMismatch");
  });
});

test("a proof is its committer's alone, and good for one claim once", async () => {
  const { deployment, people } = scene;
  const { challenger, other } = people;
  const { claimId } = claimed;
  const proof = asProof(elementProof(claimed.run));
  const changes = await watchEverybody(scene);
  const uncommitted = send(scene, other, claimId, freshSalt(), proof);
  await expect(uncommitted).rejects.toMatchObject({ code: "NotCommitted" });

  const salt = await commit(scene, challenger, claimId, proof);
  const commitment = commitmentOf(claimId, challenger.account.address, salt, proof);
  await expect(commitProof(challenger.client, { deployment, claimId, commitment })).rejects.toMatchObject({
    code: "AlreadyCommitted",
  });
  // Who watches can copy the commitment, and later salt and proof: they name another prover.
  await commitProof(other.client, { deployment, claimId, commitment });
  await scene.pass(1);
  for (const [prover, id, withSalt, what] of [
    [other, claimId, salt, proof],
    [challenger, claimId, freshSalt(), proof],
    [challenger, another.claimId, salt, proof],
    [challenger, claimId, salt, asProof(elementProof(claimed.run, 0, 3))],
  ] as const)
    await expect(send(scene, prover, id, withSalt, what)).rejects.toMatchObject({ code: "NotCommitted" });
  expect(await changes()).toEqual(UNCHANGED);

  const unknown = commit(scene, challenger, claimed.requestId, proof);
  await expect(unknown).rejects.toMatchObject({ code: "UnknownClaim" });

  // Nothing above was refused for another reason than the one named: the proof itself is good. Once.
  const late = await commit(scene, other, claimId, proof);
  const receipt = await send(scene, challenger, claimId, salt, proof);
  const { args } = eventIn(receipt, "ClaimSlashed");
  const settled = await changes();
  // Escrow and collateral of this claim were taken before; the requester's refund is the fee and the royalty.
  expect(settled).toEqual({
    ...SLASHED,
    requester: SLASHED.requester + args.refund,
  });
  expect(args.refund).toBe(5n * unit + ROYALTY);
  await expect(send(scene, challenger, claimId, salt, proof)).rejects.toMatchObject({ code: "WrongPhase" });
  await expect(send(scene, other, claimId, late, proof)).rejects.toMatchObject({ code: "WrongPhase" });
  expect(await changes()).toEqual(settled);
});

describe("a claim that is not exactly right", () => {
  let claim: Claim;
  let outputs: Uint8Array;

  beforeAll(async () => {
    const inputs = scene.inputs(2);
    const requestId = await scene.ask({ inputs });
    const { executor } = scene.people;
    const [answer] = await scene.backend.run(inputs);
    claim = {
      ...another.claim,
      requestId,
      inputRoot: toHex(new CommittedTensors(inputs).root),
      outputRoot: toHex(new CommittedTensors([answer!]).root),
      executor: executor.account.address,
    };
    outputs = answer!;
  });

  /** The claim as its executor signs it, then changed: refused, and nothing has changed. */
  async function refusedClaim(
    code: string,
    change: { sign?: Partial<Claim>; claim?: Partial<Claim>; outputs?: Uint8Array; signer?: Person },
  ) {
    const { deployment, people } = scene;
    const { client, account } = change.signer ?? people.executor;
    const said = { ...claim, ...change.sign };
    const signature = await signTypedData(client, { account, ...claimTypedData(deployment, said) });
    const changes = await watchEverybody(scene);
    const posted = {
      claim: { ...said, ...change.claim },
      signature,
      outputs: change.outputs ?? outputs,
    };
    const posting = postClaim(people.other.client, { deployment, ...posted });
    await expect(posting).rejects.toMatchObject({ code });
    const data = encodeFunctionData({
      abi: inferenceMarketAbi,
      functionName: "postClaim",
      args: [posted.claim, signature, toHex(posted.outputs)],
    });
    await expectReverted(people.other, code, deployment.inferenceMarket, data);
    expect(await changes()).toEqual(UNCHANGED);
  }

  test("foreign and reused signatures", async () => {
    const { deployment, people } = scene;
    await refusedClaim("InvalidSignature", { signer: people.other });
    await refusedClaim("InvalidSignature", { sign: { requestId: another.requestId }, claim });
    await refusedClaim("InvalidSignature", { claim: { traceRoot: claim.inputRoot } });
    await refusedClaim("InvalidSignature", { claim: { executor: people.other.account.address } });
    const signing = signClaim(people.other.client, { deployment, claim });
    await expect(signing).rejects.toMatchObject({ code: "WRONG_SIGNER" });
    const typed = claimTypedData({ ...deployment, chainId: deployment.chainId + 1 }, claim);
    const { client, account } = people.executor;
    const signature = await signTypedData(client, { account, ...typed });
    const posting = postClaim(client, { deployment, claim, signature, outputs });
    await expect(posting).rejects.toMatchObject({ code: "InvalidSignature" });
  });

  test("a claim again, for the same request or for one that is settled", async () => {
    const { deployment, people } = scene;
    const changes = await watchEverybody(scene);
    for (const posted of [another, claimed])
      await expect(postClaim(people.executor.client, { deployment, ...posted })).rejects.toMatchObject({
        code: "RequestNotOpen",
      });
    expect(await changes()).toEqual(UNCHANGED);
    await refusedClaim("UnknownRequest", { sign: { requestId: claim.inputRoot } });
  });

  test("another program, input, output or executor", async () => {
    const { other } = scene.people;
    await refusedClaim("WrongProgram", { sign: { programRoot: claim.inputRoot } });
    await refusedClaim("WrongInput", { sign: { inputRoot: another.claim.inputRoot } });
    await refusedClaim("OutputsMismatch", { outputs: another.outputs });
    await refusedClaim("LengthMismatch", { outputs: outputs.slice(0, -4) });
    await refusedClaim("OutputsMissing", { outputs: new Uint8Array() });
    const stranger = { executor: other.account.address };
    await refusedClaim("InsufficientFreeStake", { sign: stranger, signer: other });
  });

  test("an unknown program can neither be asked for nor become a model's version", async () => {
    const { deployment, people, modelId, model } = scene;
    const inputs = scene.inputs(3);
    const changes = await watchEverybody(scene);
    const asked = {
      deployment,
      modelId,
      programRoot: model.programRoot,
      inputRoot: toHex(new CommittedTensors(inputs).root),
      inputs: inputs[0]!,
      fee: unit,
      maxRoyalty: ROYALTY,
      deadline: (await getBlock(people.other.client)).timestamp + 3600n,
    };
    const unknown = toHex(7, { size: 32 });
    const asking = (change: Partial<typeof asked>) =>
      request(people.requester.client, { ...asked, ...change });
    await expect(asking({ programRoot: unknown })).rejects.toMatchObject({ code: "UnknownVersion" });
    await expect(asking({ modelId: unknown })).rejects.toMatchObject({ code: "UnknownModel" });
    await expect(asking({ inputRoot: unknown })).rejects.toMatchObject({ code: "InputsMismatch" });
    const adding = addVersion(people.owner.client, {
      deployment,
      modelId,
      programRoot: unknown,
      artifactHash: unknown,
    });
    await expect(adding).rejects.toMatchObject({ code: "UnknownProgram" });
    const header = model.header.slice(0, -32);
    const publishing = publishProgram(people.owner.client, { deployment, header });
    await expect(publishing).rejects.toMatchObject({ code: "MalformedHeader" });
    expect(await changes()).toEqual(UNCHANGED);
  });

  test("the claim itself is good", async () => {
    const { deployment, people } = scene;
    const { client } = people.executor;
    const { signature } = await signClaim(client, { deployment, claim });
    const { claimId } = await postClaim(client, { deployment, claim, signature, outputs });
    const { status } = await getRequest(client, { deployment, requestId: claim.requestId });
    expect((await getClaim(client, { deployment, claimId })).phase).toBe("Provable");
    expect(status).toBe("Claimed");
  });
});
