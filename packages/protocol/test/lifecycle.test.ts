import { readFile } from "node:fs/promises";
import { compileModel, type CompiledModel, ModelRunner, randomInputs, storedInputs } from "@assay/execution";
import { buildElementProof, buildOutputProof, CommittedTensors, instructionTree } from "@assay/program";
import { RootTree, tensorRoot } from "@assay/tensor";
import { type Hash, keccak256, sha256, stringToBytes, toHex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployAssay } from "../../cli/src/deploy-assay.ts";
import { localChain } from "../../cli/test/chain.ts";
import * as assay from "../src/index.ts";

const WINDOW = 600;
const FEE = 1_000n;
const ROYALTY = 7n;

let chain: Awaited<ReturnType<typeof localChain>>;
let deployment: assay.Deployment;
let model: CompiledModel;
let modelId: Hash;
let inputs: Uint8Array[];
let trace: Uint8Array[];

/** A client per role. */
const role = (index: number) => chain.clients[index]!;
const [OWNER, EXECUTOR, REQUESTER, CHALLENGER] = [1, 2, 3, 4] as const;
const address = (index: number) => role(index).account.address;
const join = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const rootOf = (stored: readonly Uint8Array[]) => toHex(new RootTree(stored.map(tensorRoot)).root);

beforeAll(async () => {
  chain = await localChain();
  deployment = await deployAssay(role(0), {
    challengeWindow: WINDOW,
    revealWindow: WINDOW,
    proofWindow: WINDOW,
    // As long as a proof window of that length allows.
    answerWindow: WINDOW / 8,
    demandInterval: 1,
  });
  const onnx = await readFile(new URL("../../../models/digits/digits.onnx", import.meta.url));
  model = await compileModel(onnx, { shapes: { pixels: [1, 1, 8, 8] } });
  const runner = new ModelRunner(model);
  const tensors = randomInputs(model.program.inputs, 5);
  inputs = storedInputs(model.program, tensors);
  trace = await runner.trace(tensors);
  await runner.close();

  const { programRoot } = await assay.publishProgram(role(OWNER), { deployment, header: model.header });
  expect(programRoot).toBe(toHex(model.root));
  ({ modelId } = await assay.createModel(role(OWNER), { deployment, name: "digits", royalty: ROYALTY }));
  await assay.addVersion(role(OWNER), { deployment, modelId, programRoot, artifactHash: sha256(onnx) });
  for (const index of [EXECUTOR, REQUESTER, CHALLENGER]) {
    await assay.mintDevTokens(role(0), { deployment, to: address(index), amount: 10n ** 21n });
    await assay.approve(role(index), { deployment });
  }
  const { collateral } = await assay.getTerms(role(0), { deployment });
  await assay.deposit(role(EXECUTOR), { deployment, amount: 3n * collateral });
}, 600_000);

afterAll(() => chain.close());

async function makeRequest(): Promise<Hash> {
  const { timestamp } = await role(0).getBlock();
  const { requestId } = await assay.request(role(REQUESTER), {
    deployment,
    modelId,
    programRoot: toHex(model.root),
    inputRoot: rootOf(inputs),
    inputs: join(inputs),
    fee: FEE,
    maxRoyalty: ROYALTY,
    deadline: timestamp + 3600n,
  });
  return requestId;
}

async function postClaim(requestId: Hash, outputs: Uint8Array[]) {
  const claim: assay.Claim = {
    requestId,
    programRoot: toHex(model.root),
    inputRoot: rootOf(inputs),
    outputRoot: rootOf(outputs),
    traceRoot: assay.ZERO_ROOT,
    executor: address(EXECUTOR),
  };
  const { signature, claimId } = await assay.signClaim(role(EXECUTOR), { deployment, claim });
  const posted = await assay.postClaim(role(0), { deployment, claim, signature, outputs: join(outputs) });
  expect(posted.claimId).toBe(claimId);
  return { claim, claimId };
}

const outputsOf = (values: Uint8Array[]) => model.program.outputs.map(({ index }) => values[index]!);
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: unknown) => (error as { code?: string }).code,
  );

test("an honest claim is finalised and everybody is paid", async () => {
  const requestId = await makeRequest();
  const { claim, claimId } = await postClaim(requestId, outputsOf(trace));
  const open = await assay.getClaim(role(0), { deployment, claimId });
  expect(open).toMatchObject({ phase: "Open", settlement: "Pending", outputRoot: claim.outputRoot });
  expect(open.request).toMatchObject({ requestId, status: "Claimed", claimId, fee: FEE, royalty: ROYALTY });

  expect(await codeOf(assay.finalise(role(0), { deployment, claimId }))).toBe("WrongPhase");
  await chain.pass(WINDOW);
  const before = await assay.stakeOf(role(0), { deployment, account: address(EXECUTOR) });
  await assay.finalise(role(0), { deployment, claimId });
  const after = await assay.stakeOf(role(0), { deployment, account: address(EXECUTOR) });
  expect(after.payout - before.payout).toBe(FEE);
  expect(after.locked).toBe(0n);
  expect(after.free).toBe(before.free + open.terms.collateral);
  const { amount } = await assay.claimPayout(role(0), { deployment, account: address(OWNER) });
  expect(amount).toBe(ROYALTY);
  expect(await assay.balanceOf(role(0), { deployment, account: address(OWNER) })).toBe(ROYALTY);
  expect((await assay.getClaim(role(0), { deployment, claimId })).phase).toBe("Finalised");

  const names = (await assay.getHistory(role(0), { deployment, id: claimId })).map(
    (event) => event.eventName,
  );
  expect(names).toEqual(["ClaimPosted", "ClaimFinalised"]);
});

test("one wrong number is slashed by one fraud-proof transaction", async () => {
  const requestId = await makeRequest();
  // The dense layer's output is one off, and everything after it is honest: a wrong number in the middle.
  const index = model.program.instructions.length - 2;
  const forged = trace.map((value) => value.slice());
  new Float32Array(forged[index]!.buffer)[4]! += 0.5;
  const { claimId } = await postClaim(requestId, outputsOf(forged));
  const { bond, revealEnd } = await assay.challenge(role(CHALLENGER), { deployment, claimId });
  expect(bond).toBeGreaterThan(0n);
  expect(revealEnd).toBeGreaterThan(0n);
  const run = {
    inputs: new CommittedTensors(inputs),
    constants: model.constants,
    trace: new CommittedTensors(forged),
  };
  await assay.revealTrace(role(EXECUTOR), {
    deployment,
    claimId,
    traceRoot: toHex(run.trace.root),
    uri: "http://127.0.0.1/none",
  });

  const proof = buildElementProof(model.program, instructionTree(model.program), run, index, 4);
  const salt = keccak256(stringToBytes("salt"));
  const prove = () => assay.proveElement(role(CHALLENGER), { deployment, claimId, salt, proof });
  expect(await codeOf(prove())).toBe("NotCommitted");
  const commitment = assay.elementCommitment({ claimId, prover: address(CHALLENGER), salt, proof });
  await assay.commitProof(role(CHALLENGER), { deployment, claimId, commitment });
  const { verdict } = await prove();
  expect(verdict).toBe("Fraudulent");

  const claim = await assay.getClaim(role(0), { deployment, claimId });
  expect(claim.phase).toBe("Slashed");
  expect(claim.request.status).toBe("Refunded");
  await assay.reclaimBond(role(0), { deployment, claimId, challenger: address(CHALLENGER) });
  const { payout } = await assay.stakeOf(role(0), { deployment, account: address(CHALLENGER) });
  const bounty = (claim.terms.collateral * BigInt(claim.terms.bountyBps)) / 10_000n;
  expect(payout).toBe(bounty + bond);
});

test("an honest element cannot be proven wrong; an output that is not the trace's can", async () => {
  const lie = outputsOf(trace).map((value) => value.slice());
  lie[0]![0]! ^= 1;
  const { claimId } = await postClaim(await makeRequest(), lie);
  await assay.challenge(role(CHALLENGER), { deployment, claimId });
  const run = {
    inputs: new CommittedTensors(inputs),
    constants: model.constants,
    trace: new CommittedTensors(trace),
  };
  await assay.revealTrace(role(EXECUTOR), { deployment, claimId, traceRoot: toHex(run.trace.root), uri: "" });
  const salt = keccak256(stringToBytes("other salt"));
  const prover = address(CHALLENGER);

  const honest = buildElementProof(model.program, instructionTree(model.program), run, 0, 3);
  const first = assay.elementCommitment({ claimId, prover, salt, proof: honest });
  await assay.commitProof(role(CHALLENGER), { deployment, claimId, commitment: first });
  const attempt = assay.proveElement(role(CHALLENGER), { deployment, claimId, salt, proof: honest });
  await expect(attempt).rejects.toMatchObject({
    code: "ElementAcceptable",
    args: { instruction: 0, element: 3n },
  });

  const proof = buildOutputProof(model.program, new CommittedTensors(lie), run.trace, 0);
  const commitment = assay.outputCommitment({ claimId, prover, salt, proof });
  await assay.commitProof(role(CHALLENGER), { deployment, claimId, commitment });
  await assay.proveOutput(role(CHALLENGER), { deployment, claimId, salt, proof });
  expect((await assay.getClaim(role(0), { deployment, claimId })).phase).toBe("Slashed");
});

test("errors carry the contract's error name, its arguments and a sentence", async () => {
  const claimId: Hash = `0x${"11".repeat(32)}`;
  await expect(assay.getClaim(role(0), { deployment, claimId })).rejects.toMatchObject({
    name: "AssayError",
    code: "UnknownClaim",
    args: { claimId },
    message: `there is no claim ${claimId}`,
  });
  expect(await codeOf(assay.publishProgram(role(0), { deployment, header: model.header }))).toBe(
    "ProgramAlreadyPublished",
  );
  expect(await codeOf(assay.deposit(role(5), { deployment, amount: 1n }))).toBe("ERC20InsufficientAllowance");
  expect(await codeOf(assay.withdraw(role(5), { deployment }))).toBe("NoWithdrawal");
});

test("stake is withdrawn only after the delay", async () => {
  const client = role(EXECUTOR);
  const { withdrawableAt } = await assay.requestWithdrawal(client, { deployment, amount: 5n });
  expect(await codeOf(assay.withdraw(client, { deployment }))).toBe("WithdrawalNotReady");
  const { timestamp } = await client.getBlock();
  await chain.pass(Number(withdrawableAt - timestamp));
  expect((await assay.withdraw(client, { deployment })).amount).toBe(5n);
});

test("an unanswered request is refunded", async () => {
  const requestId = await makeRequest();
  expect(await codeOf(assay.expire(role(0), { deployment, requestId }))).toBe("DeadlineNotReached");
  await chain.pass(3600);
  expect((await assay.expire(role(0), { deployment, requestId })).refund).toBe(FEE + ROYALTY);
});
