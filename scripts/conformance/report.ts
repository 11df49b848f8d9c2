import type { CaseResult, CaseStatus } from "./check-case.ts";

export interface Totals {
  cases: number;
  pass: number;
  unsupported: number;
  fail: number;
}

export interface Report {
  cases: CaseResult[];
  totals: Totals & {
    /** Cases whose element types are float32, int8, uint8, int32, int64 and bool only. */
    core: Totals;
    byDtype: Record<string, Totals>;
    /** What was judged, and of ONNX's expected outputs how many lie outside the band without having to be inside. */
    honest: number;
    tampered: number;
    proofs: number;
    expected: number;
    expectedOutside: number;
  };
}

function totalsOf(cases: readonly CaseResult[]): Totals {
  const count = (status: CaseStatus) => cases.filter((result) => result.status === status).length;
  return { cases: cases.length, pass: count("pass"), unsupported: count("unsupported"), fail: count("fail") };
}

export function reportOf(cases: CaseResult[]): Report {
  const dtypes = [...new Set(cases.flatMap((result) => result.dtypes))].sort();
  const sum = (key: "honest" | "tampered" | "proofs" | "expected" | "expectedOutside") =>
    cases.reduce((total, { counts }) => total + (counts?.[key] ?? 0), 0);
  return {
    cases,
    totals: {
      ...totalsOf(cases),
      core: totalsOf(cases.filter(({ core }) => core)),
      byDtype: Object.fromEntries(
        dtypes.map((dtype) => [dtype, totalsOf(cases.filter((result) => result.dtypes.includes(dtype)))]),
      ),
      honest: sum("honest"),
      tampered: sum("tampered"),
      proofs: sum("proofs"),
      expected: sum("expected"),
      expectedOutside: sum("expectedOutside"),
    },
  };
}

const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");

/** The operator that a case is about: of its operators the one its name begins with; of an expansion, its sibling's. */
export function subjectOf(result: CaseResult, all: readonly CaseResult[]): string {
  const match = ({ name, operators }: CaseResult) =>
    operators
      .filter((operator) => plain(name.replace(/^test_/, "")).startsWith(plain(operator)))
      .sort((a, b) => b.length - a.length)[0];
  const sibling = all.find(({ name }) => result.name.startsWith(`${name}_expanded`));
  const found =
    sibling && (match(sibling) ?? (sibling.operators.length === 1 ? sibling.operators[0] : undefined));
  return (
    found ?? match(result) ?? (result.operators.length === 1 ? result.operators[0] : undefined) ?? "several"
  );
}

/** Results by operator, in the order of the alphabet. */
export function byOperator(cases: readonly CaseResult[]): [string, CaseResult[]][] {
  const groups = Map.groupBy(cases, (result) => subjectOf(result, cases));
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** For people: one line for each operator, then what is unsupported and what fails. */
export function lines({ cases, totals }: Report): string[] {
  const row = (name: string, t: Totals) =>
    `${name.padEnd(28)} ${String(t.pass).padStart(5)} ${String(t.unsupported).padStart(12)} ${String(t.fail).padStart(5)}`;
  const groups = byOperator(cases);
  const head = `${"".padEnd(28)} ${"pass".padStart(5)} ${"unsupported".padStart(12)} ${"fail".padStart(5)}`;
  const unsupported = groups.flatMap(([operator, group]) => {
    const reasons = Map.groupBy(
      group.filter(({ status }) => status === "unsupported"),
      ({ reason }) => reason ?? "",
    );
    return Array.from(reasons, ([reason, list]) => {
      const names = list.map(({ name }) => name);
      const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "");
      return `${operator}: ${reason} (${names.length}: ${shown})`;
    });
  });
  const failed = cases.filter(({ status }) => status === "fail");
  return [
    head,
    ...groups.map(([operator, group]) => row(operator, totalsOf(group))),
    ...(unsupported.length > 0 ? ["", "Unsupported:", ...unsupported] : []),
    ...(failed.length > 0 ? ["", "Failed:", ...failed.map(({ name, reason }) => `${name}: ${reason}`)] : []),
    "",
    head,
    ...Object.entries(totals.byDtype).map(([dtype, t]) => row(dtype, t)),
    row("core dtypes", totals.core),
    row("all", totals),
    "",
    `judged: ${totals.honest} honest, ${totals.expected} expected by ONNX (${totals.expectedOutside} outside the band ` +
      `where they need not be inside), ${totals.tampered} tampered; ${totals.proofs} proofs through the Verifier`,
  ];
}

/** What is committed: the totals and why each operator's unsupported cases are. */
export function snapshotOf({ cases, totals }: Report): object {
  const unsupported: Record<string, Record<string, string[]>> = {};
  for (const [operator, group] of byOperator(cases))
    for (const { status, reason = "", name } of group) {
      if (status === "unsupported") ((unsupported[operator] ??= {})[reason] ??= []).push(name);
    }
  const operators = Object.fromEntries(byOperator(cases).map(([name, group]) => [name, totalsOf(group)]));
  return { totals, operators, unsupported };
}
