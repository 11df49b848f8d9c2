import {
  ElementwiseOp,
  Family,
  IndexedOp,
  IntegerOp,
  NormalizationOp,
  OrderingOp,
  ReductionOp,
  scalarFunctions,
} from "@assay/numerics";
import type { Instruction } from "@assay/program";
import { dtypeName, elementCount } from "@assay/tensor";

/** The largest used fraction of a band, as the kernel says, and where. */
export interface Largest {
  value: number;
  at: string;
}

/** What was found of one operation and class of reduction lengths. */
export interface Row {
  family: string;
  op: string;
  /** Points of the reduction box, as a class. */
  terms: string;
  /** Honest elements found acceptable or not. */
  elements: number;
  /** Of those, the ones that are the same bits, of the same operands, in both backends: checked once, counted twice. */
  shared: number;
  /** Of those checked, by the exact kernel; the float64 screen cleared the others. */
  exact: number;
  /** Not checked (and not among `elements`): the budget of their instruction was used up. */
  skipped: number;
  provable: Largest;
  integrity: Largest;
  outsideProvable: number;
  outsideIntegrity: number;
}

export interface Tally {
  rows: Record<string, Row>;
  /** By model: elements and runs (one input on one backend). */
  models: Record<string, { elements: number; runs: number }>;
  /** By backend. */
  backends: Record<string, number>;
  /** Elements outside a band. */
  cases: string[];
  /** Elements where the screen and the kernel do not agree on the used fraction. */
  disagreements: string[];
  /** Models or backends that could not be run. */
  notes: string[];
}

export const noTally = (): Tally => ({
  rows: {},
  models: {},
  backends: {},
  cases: [],
  disagreements: [],
  notes: [],
});

const MOST_CASES = 200;
const nameIn = (ops: Record<string, number>, op: number): string =>
  Object.entries(ops).find(([, number]) => number === op)?.[0] ?? String(op);

function opName({ family, op }: Instruction): string {
  switch (family) {
    case Family.Contraction:
      return `${(op & 1) === 0 ? "sum" : "dot"}${(op & 2) === 0 ? "" : " + bias"}`;
    case Family.Elementwise:
      return nameIn(ElementwiseOp, op);
    case Family.Reduction:
      return nameIn(ReductionOp, op);
    case Family.Normalization:
      return nameIn(NormalizationOp, op);
    case Family.Movement:
      return op === 0 ? "Copy" : "Copy by index";
    case Family.Indexed:
      return nameIn(IndexedOp, op);
    case Family.Ordering:
      return nameIn(OrderingOp, op);
    case Family.Quantised:
      return ["Quantize", "Dequantize", "Requantise", "Sum"][op] ?? "Dot";
    case Family.Scalar:
      return Object.entries(scalarFunctions).find(([, fn]) => fn.op === op)?.[0] ?? String(op);
    case Family.Integer:
      return nameIn(IntegerOp, op);
  }
}

function termsClass(count: number): string {
  if (count === 1) return "1";
  const most = [8, 64, 256, 1024].find((limit) => count <= limit);
  return most === undefined ? "> 1024" : `≤ ${most}`;
}

/** The row that an instruction's elements are counted in. */
export function rowOf(tally: Tally, instruction: Instruction): Row {
  const family = Object.keys(Family)[instruction.family]!;
  const op = `${opName(instruction)} ${dtypeName(instruction.dtype)}`;
  const terms = termsClass(elementCount(instruction.reduction));
  const none = { value: 0, at: "" };
  return (tally.rows[`${instruction.family} ${op} ${terms}`] ??= {
    family,
    op,
    terms,
    elements: 0,
    shared: 0,
    exact: 0,
    skipped: 0,
    provable: { ...none },
    integrity: { ...none },
    outsideProvable: 0,
    outsideIntegrity: 0,
  });
}

export function note(list: string[], text: string): void {
  if (list.length < MOST_CASES && !list.includes(text)) list.push(text);
}

const larger = (a: Largest, b: Largest): Largest => (b.value > a.value ? b : a);

function addRow(a: Row, b: Row): void {
  for (const key of [
    "elements",
    "shared",
    "exact",
    "skipped",
    "outsideProvable",
    "outsideIntegrity",
  ] as const)
    a[key] += b[key];
  a.provable = larger(a.provable, b.provable);
  a.integrity = larger(a.integrity, b.integrity);
}

/** Everything of several studies together. */
export function merged(tallies: readonly Tally[]): Tally {
  const all = noTally();
  for (const tally of tallies) {
    for (const [key, row] of Object.entries(tally.rows))
      if (all.rows[key]) addRow(all.rows[key], row);
      else all.rows[key] = structuredClone(row);
    for (const [name, { elements, runs }] of Object.entries(tally.models)) {
      const model = (all.models[name] ??= { elements: 0, runs: 0 });
      model.elements += elements;
      model.runs += runs;
    }
    for (const [name, count] of Object.entries(tally.backends))
      all.backends[name] = (all.backends[name] ?? 0) + count;
    for (const list of ["cases", "disagreements", "notes"] as const)
      for (const text of tally[list]) note(all[list], text);
  }
  return all;
}

export const elementsOf = ({ rows }: Tally): number =>
  Object.values(rows).reduce((sum, { elements }) => sum + elements, 0);

/** One row for each family, in its order. */
export function byFamily({ rows }: Tally): Row[] {
  const families = new Map<string, Row>();
  for (const row of Object.values(rows)) {
    const family = families.get(row.family);
    if (family) addRow(family, row);
    else families.set(row.family, { ...structuredClone(row), op: "all", terms: "" });
  }
  return Object.keys(Family).flatMap((name) => families.get(name) ?? []);
}

const fraction = ({ value }: Largest): string => (value === 0 ? "0" : value.toPrecision(3));

/** A Markdown table. */
export function tableOf(rows: readonly Row[]): string[] {
  const header = [
    "family",
    "operation",
    "K",
    "elements",
    "same",
    "exact",
    "provable",
    "integrity",
    "outside",
  ];
  const cells = rows.map((row) => [
    row.family,
    row.op,
    row.terms,
    row.elements.toLocaleString("en"),
    row.shared.toLocaleString("en"),
    row.exact.toLocaleString("en"),
    fraction(row.provable),
    fraction(row.integrity),
    `${row.outsideProvable} / ${row.outsideIntegrity}`,
  ]);
  return [header, header.map(() => "---"), ...cells].map((line) => `| ${line.join(" | ")} |`);
}
