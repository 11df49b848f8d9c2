import { type CompiledModel, compileModel } from "@assay/execution";
import { encodeInstruction, PROGRAM_HEADER_ABI } from "@assay/program";
import {
  type AssayClient,
  type Deployment,
  getHistory,
  getVersion,
  publishedProgram,
  type PublishedProgram,
} from "@assay/protocol";
import { fetchBytes } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { decodeAbiParameters, type Hash, type Hex, sha256, toHex } from "viem";
import type { LoadedModel } from "./compiled-model.ts";
import { readModelFile } from "./model-sources.ts";

const MAX_ARTIFACT_BYTES = 2 ** 31;

export interface VerifyOptions {
  client: AssayClient;
  deployment: Deployment;
  /** The model of which it must be a version, with the artifact that this file has. */
  model?: Hash | undefined;
  /** The program that it must be. */
  program?: Hash | undefined;
  /** Path or address of the published artifact; default: what the version's URI names. */
  artifact?: string | undefined;
}

/** What was compared with the chain and found the same. */
export interface Verified {
  programRoot: Hash;
  /** Whether the published artifact was had, has the registered hash and compiles to the program as well. */
  artifactChecked: boolean;
}

/**
 * Compares a compiled model with what is published: the header's bytes, the registered artifact hash and, where it can be
 * had, the artifact itself, which is compiled again. Throws `ROOT_DIFFERS`, `HASH_DIFFERS` or `ARTIFACT_DIFFERS`, which
 * say what differs, and `UnknownProgram`.
 */
export async function verifyModel(own: LoadedModel, options: VerifyOptions): Promise<Verified> {
  const { client, deployment, model: modelId } = options;
  const published = await publishedFor(own, options);
  const { programRoot } = published;
  const version = modelId && (await getVersion(client, { deployment, modelId, programRoot }));
  const artifact = await fetchArtifact(options, programRoot);
  const compiled = artifact && (await compileArtifact(artifact, programRoot, version?.artifactHash));
  if (own.programRoot !== programRoot) {
    const parts = [...headerDifferences(published.header, toHex(own.header))];
    if (compiled) parts.push(...programDifferences(compiled, own));
    throw new AssayError(
      "ROOT_DIFFERS",
      `the file compiles to ${own.programRoot}, not to ${programRoot}; what differs: ${parts.join("; ")}`,
      { hint: "same file, same --shape and --pin, same Assay version?" },
    );
  }
  if (version && version.artifactHash !== own.artifactHash)
    throw new AssayError(
      "HASH_DIFFERS",
      `the model's owner registered the artifact ${version.artifactHash}, this file has ${own.artifactHash}`,
      { hint: "the program is the same; the file is another one that compiles to it" },
    );
  return { programRoot, artifactChecked: artifact !== undefined };
}

/** The published program to compare with: the one asked for, the file's own, or the model's version of its shapes. */
async function publishedFor(own: LoadedModel, options: VerifyOptions): Promise<PublishedProgram> {
  const { client, deployment } = options;
  if (options.program !== undefined) return publishedProgram(client, deployment, options.program);
  const roots = (await versionsOf(options)).map(({ args }) => args.programRoot);
  if (!roots.includes(own.programRoot))
    for (const root of roots.toReversed()) {
      const version = await publishedProgram(client, deployment, root);
      const shapes = ({ inputs }: Pick<PublishedProgram, "inputs">) =>
        inputs.map(({ name, dims }) => `${name}=${dims.join()}`).join(" ");
      if (shapes(version) === shapes(own.program)) return version;
    }
  return publishedProgram(client, deployment, own.programRoot);
}

/** What the model's owner registered, in order. */
async function versionsOf({ client, deployment, model }: VerifyOptions) {
  if (model === undefined) return [];
  return getHistory(client, { deployment, id: model, eventNames: ["VersionAdded"] });
}

/** The artifact's bytes, where it is said where they are; a version's URI may be anything, and only http is fetched. */
async function fetchArtifact(options: VerifyOptions, programRoot: Hash): Promise<Uint8Array | undefined> {
  let place = options.artifact;
  if (place === undefined)
    for (const { args } of await versionsOf(options))
      if (args.programRoot === programRoot) place = /^https?:/.test(args.uri) ? args.uri : undefined;
  if (place === undefined) return undefined;
  return /^https?:/.test(place)
    ? fetchBytes(place, { limit: MAX_ARTIFACT_BYTES, timeout: 600_000 })
    : readModelFile(place);
}

async function compileArtifact(
  artifact: Uint8Array,
  programRoot: Hash,
  registered: Hash | undefined,
): Promise<CompiledModel> {
  const hash = sha256(artifact);
  if (registered !== undefined && hash !== registered)
    throw new AssayError(
      "ARTIFACT_DIFFERS",
      `the published artifact has the hash ${hash}, not ${registered}, which is registered`,
      { hint: "whoever serves it has changed it; what the chain says still holds" },
    );
  const compiled = await compileModel(artifact);
  const root = toHex(compiled.root);
  if (root !== programRoot)
    throw new AssayError(
      "ARTIFACT_DIFFERS",
      `the published artifact compiles to ${root}, not to the program ${programRoot}`,
      { hint: "an artifact that is not the program's, or another Assay version" },
    );
  return compiled;
}

/** Parts of a program header that are not the same in two, by name. */
export function headerDifferences(published: Hex, own: Hex): string[] {
  const decoded = (header: Hex): Record<string, unknown> =>
    decodeAbiParameters([PROGRAM_HEADER_ABI], header)[0];
  const [a, b] = [decoded(published), decoded(own)];
  const show = (value: unknown) =>
    JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? Number(part) : part));
  return Object.keys(a).flatMap((name) => {
    const [there, here] = [show(a[name]), show(b[name])];
    if (there === here) return [];
    return [there.length + here.length < 200 ? `${name} is ${here}, published ${there}` : name];
  });
}

/** The first instruction and the constants that are not the same in two programs. */
export function programDifferences(published: CompiledModel, own: CompiledModel): string[] {
  const [there, here] = [published.program, own.program];
  const first = there.instructions.findIndex((instruction, i) => {
    const other = here.instructions[i];
    return !other || Buffer.compare(encodeInstruction(instruction), encodeInstruction(other)) !== 0;
  });
  const constants = there.constants.flatMap(({ name }, i) =>
    Buffer.compare(published.constants.trees[i]!.root, own.constants.trees[i]?.root ?? new Uint8Array()) === 0
      ? []
      : [`"${name}"`],
  );
  return [
    ...(first < 0 ? [] : [`first of all instruction ${first} (${there.nodes[first]?.join(" ")})`]),
    ...(constants.length === 0 ? [] : [`the constants ${constants.join(", ")}`]),
  ];
}
