/**
 * `node scripts/mutation.ts`: changes the protocol's contracts in one place at a time, and runs the Solidity tests on each
 * change. One that no test notices survives: a test is missing, or the change means nothing (docs/security.md lists them).
 * The tests deploy artifacts (test/solidity/protocol/Deploy.sol), so only the changed contract is compiled again.
 */
import { existsSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { run } from "./process.ts";

const HELP = `usage: node scripts/mutation.ts [--file <name>]... [--sample <n>] [--seed <n>] [--shard <i/n>] [--state <file>] [--list]

  --file <name>   contracts whose path has this in it (default: all of contracts/protocol that tests deploy)
  --sample <n>    so many of the changes, drawn by the seed (default: all; each takes about half a minute)
  --seed <n>      default 1
  --shard <i/n>   every n-th of them, beginning with number i: each shard in a working tree of its own
  --state <file>  where results are kept, to go on from (default .mutation.jsonl)
  --list          print the changes and stop
  --help          this text

Needs a build (\`pnpm build\`). It changes artifacts/ while it runs and puts them back.`;

const root = new URL("..", import.meta.url).pathname;
/** What tests deploy from artifacts; other contracts are parts of these. */
const TARGETS = [
  "StakeManager",
  "ModelRegistry",
  "InferenceMarket",
  "BatchMarket",
  "Referee",
  "ReceiptFaults",
  "BaitRegistry",
];

interface Node {
  nodeType: string;
  src: string;
  [key: string]: unknown;
}
interface Input {
  language: string;
  sources: Record<string, { content: string }>;
  settings: Record<string, unknown>;
}
interface Output {
  errors?: { severity: string; formattedMessage: string }[];
  sources: Record<string, { ast: Node; id: number }>;
  contracts: Record<string, Record<string, { evm: { bytecode: { object: string } } }>>;
}
interface Artifact {
  bytecode: string;
  buildInfoId: string;
}
interface Mutant {
  source: string;
  line: number;
  start: number;
  end: number;
  from: string;
  to: string;
}
type Verdict = "killed" | "survived" | "does not compile";

const solc = createRequire(import.meta.url)("solc") as { compile(input: string): string };
const compile = (input: Input, outputSelection: object): Output => {
  const settings = { ...input.settings, outputSelection };
  return JSON.parse(solc.compile(JSON.stringify({ ...input, settings }))) as Output;
};

const sourceOf = (target: string) => `contracts/protocol/${target}.sol`;
const artifactPath = (target: string) =>
  join(root, `artifacts/contracts/protocol/${target}.sol/${target}.json`);
const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));

/** For each operator, what it is changed to. */
const OPERATORS: Record<string, string> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "==": "!=",
  "!=": "==",
  "&&": "||",
  "||": "&&",
  "+": "-",
  "-": "+",
  "*": "+",
  "/": "*",
  "%": "*",
  "<<": ">>",
  ">>": "<<",
  "&": "|",
  "|": "&",
};

/** Offsets are in bytes. */
function range(node: Node): [number, number] {
  const [start, length] = node.src.split(":").map(Number) as [number, number];
  return [start, start + length];
}

function mutantsOf(source: string, content: string, ast: Node): Mutant[] {
  const bytes = Buffer.from(content);
  const mutants: Mutant[] = [];
  const add = (start: number, end: number, to: string) => {
    const line = bytes.subarray(0, start).toString().split("\n").length;
    mutants.push({ source, line, start, end, from: bytes.subarray(start, end).toString(), to });
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== "object" || value === null) return;
    const node = value as Node;
    if (node.nodeType === "BinaryOperation") {
      const [, left] = range(node.leftExpression as Node);
      const [right] = range(node.rightExpression as Node);
      const between = bytes.subarray(left, right).toString();
      const operator = node.operator as string;
      const to = OPERATORS[operator];
      const at = between.indexOf(operator);
      if (to !== undefined && at >= 0) add(left + at, left + at + operator.length, to);
    } else if (node.nodeType === "IfStatement") {
      const [start, end] = range(node.condition as Node);
      add(start, end, "false");
    } else if (node.nodeType === "UnaryOperation" && node.operator === "!") {
      const [start] = range(node);
      add(start, start + 1, "");
    } else if (node.nodeType === "ExpressionStatement") {
      const [start, end] = range(node);
      // A statement without effect: there is no empty one.
      add(start, end, "0");
    } else if (node.nodeType === "ModifierInvocation" && node.kind === "modifierInvocation") {
      const [start, end] = range(node);
      add(start, end, "");
    }
    for (const [key, part] of Object.entries(node)) if (key !== "typeDescriptions") visit(part);
  };
  visit(ast);
  return mutants;
}

/** The next number below `below`, of a generator that a seed starts. */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

const { values } = parseArgs({
  options: {
    file: { type: "string", multiple: true, default: [] },
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    shard: { type: "string", default: "0/1" },
    state: { type: "string", default: ".mutation.jsonl" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit();
}
if (!existsSync(artifactPath("Referee"))) {
  console.error("there are no artifacts: run `pnpm build` first");
  process.exit(1);
}

const originals = new Map<string, { text: string; artifact: Artifact; input: Input }>();
const files = new Map<string, Mutant[]>();
/** Targets that a source is part of. */
const targetsOf = new Map<string, string[]>();
for (const target of TARGETS) {
  const text = await readFile(artifactPath(target), "utf8");
  const artifact = JSON.parse(text) as Artifact;
  const info = (await readJson(join(root, `artifacts/build-info/${artifact.buildInfoId}.json`))) as {
    input: Input;
  };
  const { language, sources, settings } = info.input;
  const own = `project/${sourceOf(target)}`;
  // Only what the contract is made of: a build compiles many at once.
  const { sources: parsed } = compile(
    { language, sources, settings },
    { [own]: { "": ["ast"] }, "*": { "": ["ast"] } },
  );
  const closure = new Set<string>();
  const follow = (source: string): void => {
    if (closure.has(source)) return;
    closure.add(source);
    for (const node of parsed[source]!.ast.nodes as Node[])
      if (node.nodeType === "ImportDirective") follow(node.absolutePath as string);
  };
  follow(own);
  const needed = Object.fromEntries([...closure].map((source) => [source, sources[source]!]));
  originals.set(target, { text, artifact, input: { language, sources: needed, settings } });
  for (const source of closure) {
    if (!source.startsWith("project/contracts/protocol/")) continue;
    targetsOf.set(source, [...(targetsOf.get(source) ?? []), target]);
    if (!files.has(source))
      files.set(source, mutantsOf(source, sources[source]!.content, parsed[source]!.ast));
  }
}

let chosen = [...files.values()].flat();
if (values.file.length > 0)
  chosen = chosen.filter(({ source }) => values.file.some((name) => source.includes(name)));
if (values.sample !== undefined) {
  const next = random(Number(values.seed));
  const pool = [...chosen];
  chosen = Array.from({ length: Math.min(Number(values.sample), pool.length) }, () =>
    pool.splice(next(pool.length), 1),
  ).flat();
}
const [shard, shards] = values.shard.split("/").map(Number) as [number, number];
chosen = chosen.filter((_, i) => i % shards === shard);
const describe = ({ source, line, from, to }: Mutant) =>
  `${source.replace("project/", "")}:${line}  ${from.replaceAll(/\s+/g, " ").slice(0, 70)}  ->  ${to || "(nothing)"}`;
if (values.list) {
  for (const mutant of chosen) console.log(describe(mutant));
  console.log(`${chosen.length} changes`);
  process.exit();
}

/** Seconds after which tests that go on and on have noticed a change; known once they have run without one. */
let limit = 3600;

/** Runs Solidity tests (all of them, or those in `files`) on the artifacts. */
async function passes(files: string[] = []): Promise<boolean> {
  const tests = ["test", "solidity", "--no-compile", "--test-profile", "quick", ...files];
  return (await run("hardhat", tests, { limit })).code === 0;
}

/** Compiles the targets that the change is in, and has the tests run on them. */
async function judge(mutant: Mutant): Promise<Verdict> {
  for (const target of targetsOf.get(mutant.source)!) {
    const { artifact, input } = originals.get(target)!;
    const bytes = Buffer.from(input.sources[mutant.source]!.content);
    const content = Buffer.concat([
      bytes.subarray(0, mutant.start),
      Buffer.from(mutant.to),
      bytes.subarray(mutant.end),
    ]).toString();
    const own = `project/${sourceOf(target)}`;
    const output = compile(
      { ...input, sources: { ...input.sources, [mutant.source]: { content } } },
      { [own]: { [target]: ["evm.bytecode.object"] } },
    );
    if (output.errors?.some(({ severity }) => severity === "error")) return "does not compile";
    const bytecode = `0x${output.contracts[own]![target]!.evm.bytecode.object}`;
    await writeFile(artifactPath(target), JSON.stringify({ ...artifact, bytecode }));
  }
  // Most changes fall to the tests of their own contract, in a quarter of the time of all.
  const own = [mutant.source.replace("project/", ""), ...targetsOf.get(mutant.source)!.map(sourceOf)]
    .map((source) => source.replace(".sol", ".t.sol"))
    .filter((file) => existsSync(join(root, file)));
  if (own.length > 0 && !(await passes([...new Set(own)]))) return "killed";
  return (await passes()) ? "survived" : "killed";
}

const restore = async () => {
  for (const [target, { text }] of originals) await writeFile(artifactPath(target), text);
};
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => void restore().then(() => process.exit(1)));

const lines = existsSync(values.state) ? (await readFile(values.state, "utf8")).trim().split("\n") : [];
const known = new Map(
  lines.filter(Boolean).map((line) => {
    const { change, verdict } = JSON.parse(line) as { change: string; verdict: Verdict };
    return [change, verdict];
  }),
);
const began = performance.now();
if (!(await passes())) {
  console.error("the tests fail without any change: see `hardhat test solidity --no-compile`");
  process.exit(1);
}
limit = 10 + (5 * (performance.now() - began)) / 1000;
const counts: Record<Verdict, number> = { killed: 0, survived: 0, "does not compile": 0 };
try {
  for (const [i, mutant] of chosen.entries()) {
    const change = describe(mutant);
    let verdict = known.get(change);
    if (verdict === undefined) {
      verdict = await judge(mutant);
      await restore();
      await appendFile(values.state, `${JSON.stringify({ change, verdict })}\n`);
    }
    counts[verdict]++;
    console.log(`${i + 1}/${chosen.length}  ${verdict}  ${change}`);
  }
} finally {
  await restore();
}
console.log(
  `${counts.killed} killed, ${counts.survived} survived, ${counts["does not compile"]} do not compile`,
);
