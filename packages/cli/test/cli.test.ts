import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildOnnx } from "../../program/test/onnx-builder.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const digits = fileURLToPath(new URL("../../../models/digits/digits.onnx", import.meta.url));
const secret = `0x${"5ec2e7".repeat(10)}0001`;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs the real command in a process of its own. */
function assay(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, ASSAY_PRIVATE_KEY: undefined, NO_COLOR: "1" };
    execFile(process.execPath, [main, ...args], { env, cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}

describe("help", () => {
  const commands = [
    ["chain"],
    ["deploy"],
    ["model", "compile"],
    ["model", "check"],
    ["model", "calibrate"],
    ["model", "publish"],
    ["model", "verify"],
    ["executor", "start"],
    ["challenger", "start"],
    ["infer"],
    ["claim", "show"],
    ["dispute"],
    ["settle"],
    ["stake", "show"],
    ["stake", "deposit"],
    ["stake", "withdraw"],
    ["payout"],
    ["status"],
    ["account", "new"],
    ["account", "import"],
  ];
  test.each(commands.map((words) => words.join(" ")))(
    "assay %s --help ends with an example",
    async (words) => {
      const { code, stdout } = await assay(...words.split(" "), "--help");
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples?:\n {2}assay /);
      expect(stdout).toContain("--json");
    },
  );
});

describe("exit codes and errors", () => {
  test("wrong usage exits with 2", async () => {
    for (const args of [
      ["nonsense"],
      ["claim", "show", "0x12"],
      ["model", "check"],
      ["deploy", "--rpc", "x"],
    ])
      expect((await assay(...args)).code, args.join(" ")).toBe(2);
  });

  test("a failure is one line and a hint on stderr, exits with 1, and stdout stays empty", async () => {
    const { code, stdout, stderr } = await assay("model", "compile", "missing.onnx");
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toBe(
      "error: cannot read missing.onnx [FILE_UNREADABLE]\nhint: give the path of an ONNX file\n",
    );
  });

  test("with --json the error is an object on stdout", async () => {
    const { code, stdout } = await assay("model", "compile", "missing.onnx", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: "FILE_UNREADABLE",
        message: "cannot read missing.onnx",
        hint: "give the path of an ONNX file",
      },
    });
  });

  test("without a chain the hint says how to start one, and a given key is not shown", async () => {
    const { code, stdout, stderr } = await assay("deploy", "--rpc", "http://127.0.0.1:9", "--key", secret);
    expect(code).toBe(1);
    expect(stderr).toContain("RPC_UNREACHABLE");
    expect(stderr).toContain("assay chain");
    expect(stdout + stderr).not.toContain(secret.slice(2));
  });
});

describe("model compile and check", () => {
  test("the shipped model: every honest element acceptable, no tampered one", async () => {
    const shape = ["--shape", "pixels=1,1,8,8"];
    const compiled = await assay("model", "compile", digits, ...shape, "--json");
    const { programRoot } = JSON.parse(compiled.stdout) as { programRoot: string };
    expect(programRoot).toMatch(/^0x[0-9a-f]{64}$/);

    const { code, stdout, stderr } = await assay(
      ...["model", "check", digits, ...shape, "--samples", "3", "--tamper", "3", "--json"],
    );
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout) as {
      ok: boolean;
      failures: unknown[];
      instructions: {
        honest: { judged: number; acceptable: number };
        tampered: { judged: number; acceptable: number; unrepresentable: number };
        cost: { gas: number; calldataBytes: number };
      }[];
    };
    expect(report.failures).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.instructions.length).toBeGreaterThan(3);
    for (const { honest, tampered, cost } of report.instructions) {
      expect(honest).toEqual({ judged: 3, acceptable: 3 });
      expect(tampered.judged + tampered.unrepresentable).toBe(6);
      expect(tampered.acceptable).toBe(0);
      expect(cost.gas).toBeGreaterThan(21_000);
      expect(cost.gas).toBeLessThan(2 ** 24);
      expect(cost.calldataBytes).toBeGreaterThan(500);
    }
  }, 600_000);

  test("several shapes of one model are as many programs", async () => {
    const path = join(folder, "rows.onnx");
    const nodes = [
      ["MatMul", ["x", "w"], ["a"]],
      ["Add", ["a", "r"], ["y"]],
    ] as const;
    const inputs = { x: ["n", 3], r: ["n", 2] };
    await writeFile(path, buildOnnx({ inputs, constants: { w: { dims: [3, 2] } }, nodes, outputs: ["y"] }));
    const given = ["--shape", "x=2,3", "--shape", "r=2,2", "--shape", "x=4,3", "--shape", "r=1,2"];
    const compiled = await assay("model", "compile", path, ...given, "--out", "family", "--json");
    expect(compiled.code, compiled.stderr).toBe(0);
    const { programs } = JSON.parse(compiled.stdout) as {
      programs: { programRoot: string; inputs: { name: string; dims: number[] }[] }[];
    };
    expect(programs.map((program) => program.inputs.map(({ dims }) => dims))).toEqual([
      [
        [2, 3],
        [2, 2],
      ],
      [
        [4, 3],
        [1, 2],
      ],
    ]);
    for (const { programRoot } of programs) {
      const artifact = join(folder, "family", programRoot, "canonical.onnx");
      const again = await assay("model", "compile", artifact, "--json");
      expect((JSON.parse(again.stdout) as { programRoot: string }).programRoot).toBe(programRoot);
    }
    const uneven = await assay("model", "compile", path, ...given, "--shape", "x=5,3");
    expect(uneven.code).toBe(1);
    expect(uneven.stderr).toContain("SHAPES_UNEVEN");
  });

  test("--pin makes an input part of the program", async () => {
    const path = join(folder, "pinned.onnx");
    const nodes = [["Mul", ["x", "gain"], ["y"]]] as const;
    await writeFile(path, buildOnnx({ inputs: { x: [2, 3], gain: [3] }, nodes, outputs: ["y"] }));
    const compiled = async (...pin: string[]) => {
      const { code, stdout, stderr } = await assay("model", "compile", path, ...pin, "--json");
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout) as { programRoot: string; inputs: { name: string }[] };
    };
    const [one, other] = [await compiled("--pin", "gain=1,2,3"), await compiled("--pin", "gain=1,2,4")];
    expect(one.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(one.programRoot).not.toBe(other.programRoot);
    const { code, stderr } = await assay("model", "compile", path, "--pin", "gain=1,2");
    expect(code).toBe(1);
    expect(stderr).toContain("INPUT_SHAPE");
  });

  test("an unsupported model: the complete list of nodes, exit code 1", async () => {
    const path = join(folder, "unsupported.onnx");
    await writeFile(
      path,
      buildOnnx({
        inputs: { x: [2, 3] },
        nodes: [
          ["RandomNormalLike", ["x"], ["y"]],
          ["RandomUniformLike", ["x"], ["z"]],
        ],
        outputs: ["y", "z"],
      }),
    );
    const { code, stdout } = await assay("model", "check", path, "--json");
    expect(code).toBe(1);
    const { ok, unsupported } = JSON.parse(stdout) as { ok: boolean; unsupported: { operator: string }[] };
    expect(ok).toBe(false);
    expect(unsupported.map(({ operator }) => operator).sort()).toEqual([
      "RandomNormalLike",
      "RandomUniformLike",
    ]);
  });
});
