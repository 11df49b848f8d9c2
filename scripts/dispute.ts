/**
 * `hardhat run scripts/dispute.ts --network localhost`: disputes one claim as `assay dispute` does.
 *
 * The environment says what: ASSAY_CLAIM (the claim's id), ASSAY_MODEL (the ONNX file), ASSAY_SHAPES (optional, e.g.
 * `{"pixels":[1,1,8,8]}`), ASSAY_PRIVATE_KEY or ASSAY_ACCOUNT (a development account's number), ASSAY_RPC and
 * ASSAY_DEPLOYMENT.
 */
import { runCli } from "@assay/cli";

const { ASSAY_CLAIM: claim, ASSAY_MODEL: model, ASSAY_SHAPES: shapes, ASSAY_ACCOUNT: account } = process.env;
if (claim === undefined || model === undefined) {
  console.error("error: set ASSAY_CLAIM (a claim's id) and ASSAY_MODEL (the ONNX file of its program)");
  process.exitCode = 2;
} else {
  const shapeOptions = Object.entries(JSON.parse(shapes ?? "{}") as Record<string, number[]>).flatMap(
    ([name, dims]) => ["--shape", `${name}=${dims.join(",")}`],
  );
  const accountOptions = account === undefined ? [] : ["--account", account];
  await runCli(["dispute", claim, "--model", model, ...shapeOptions, ...accountOptions]);
}
