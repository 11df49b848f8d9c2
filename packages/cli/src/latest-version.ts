import { type AssayClient, type Deployment, getHistory, publishedProgram } from "@assay/protocol";
import type { InputShapes } from "@assay/program";
import { AssayError } from "@assay/tensor";
import { describeShapes } from "./shape-family.ts";
import type { Hash } from "viem";

/** The newest version of a model, of those that take inputs of the given shapes. */
export async function latestVersion(
  client: AssayClient,
  deployment: Deployment,
  modelId: Hash,
  shapes: InputShapes = {},
): Promise<Hash> {
  const added = await getHistory(client, { deployment, id: modelId, eventNames: ["VersionAdded"] });
  const versions = added.map(({ args }) => args.programRoot);
  if (versions.length === 0)
    throw new AssayError("UnknownVersion", `model ${modelId} has no version`, {
      hint: "publish it with `assay model publish`, or check the id",
    });
  const served: string[] = [];
  for (const root of versions.toReversed()) {
    if (Object.keys(shapes).length === 0) return root;
    const { inputs } = await publishedProgram(client, deployment, root);
    const own = Object.fromEntries(inputs.map(({ name, dims }) => [name, dims]));
    if (Object.entries(shapes).every(([name, dims]) => own[name]?.join() === dims.join())) return root;
    served.push(describeShapes(own));
  }
  throw new AssayError("UnknownVersion", `no version of model ${modelId} takes ${describeShapes(shapes)}`, {
    hint: `it takes ${served.join("; ")}`,
  });
}
