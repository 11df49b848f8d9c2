import { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { numbersOf, range } from "./arguments.ts";

/** Where a tree ends: weights by target or class. */
export interface Leaf {
  readonly weights: readonly (readonly [target: number, weight: number])[];
}

/** Where a tree divides: `yes` is taken when `input[feature] mode value` holds. */
export interface Branch {
  readonly mode: Mode;
  readonly feature: number;
  readonly value: number;
  /** NaN counts as holding. */
  readonly missing: boolean;
  yes: TreeNode;
  no: TreeNode;
}

export type TreeNode = Leaf | Branch;
export type Mode = "LEQ" | "LT" | "GTE" | "GT" | "EQ" | "NEQ";

/** A forest as any of ONNX's tree operators describes one. */
export interface Ensemble {
  readonly roots: readonly TreeNode[];
  readonly targets: number;
  readonly aggregate: "SUM" | "AVERAGE" | "MIN" | "MAX";
  readonly transform: string;
  readonly base: readonly number[];
}

export function isLeaf(node: TreeNode): node is Leaf {
  return "weights" in node;
}

/** Every leaf of a forest. */
export function leavesOf(roots: readonly TreeNode[]): Leaf[] {
  return roots.flatMap((node): Leaf[] => (isLeaf(node) ? [node] : leavesOf([node.yes, node.no])));
}

/** A list of floats, which may also be said as a tensor. */
function floats({ attributes }: OnnxNode, name: string): number[] | undefined {
  const table = attributes.tensor(`${name}_as_tensor`);
  if (table && table.dtype !== DType.float32) return unsupported(`${name} are not float32`);
  return table ? numbersOf(table, name) : attributes.floats(name);
}

/** Reads TreeEnsembleClassifier (`leaves` is "class") and TreeEnsembleRegressor ("target"). */
export function readOldEnsemble(node: OnnxNode, leaves: "class" | "target", targets: number): Ensemble {
  const { attributes } = node;
  const ints = (name: string) => attributes.ints(name) ?? unsupported(`${name} is missing`);
  const [trees, ids] = [ints("nodes_treeids"), ints("nodes_nodeids")];
  const [features, yes, no] = ["featureids", "truenodeids", "falsenodeids"].map((name) =>
    ints(`nodes_${name}`),
  ) as [number[], number[], number[]];
  const modes = attributes.strings("nodes_modes") ?? unsupported("nodes_modes is missing");
  const values = floats(node, "nodes_values") ?? unsupported("nodes_values is missing");
  const missing = attributes.ints("nodes_missing_value_tracks_true") ?? [];
  const key = (tree: number, id: number) => `${tree} ${id}`;
  const at = new Map(ids.map((id, i) => [key(trees[i]!, id), i]));

  const [ownerTrees, owners, targetIds] = ["treeids", "nodeids", "ids"].map((name) =>
    ints(`${leaves}_${name}`),
  ) as [number[], number[], number[]];
  const weights = floats(node, `${leaves}_weights`) ?? unsupported(`${leaves}_weights is missing`);
  const given = new Map<string, [number, number][]>();
  for (const [i, owner] of owners.entries()) {
    const place = key(ownerTrees[i]!, owner);
    given.set(place, [...(given.get(place) ?? []), [targetIds[i]!, weights[i]!]]);
  }

  const build = (tree: number, id: number, depth: number): TreeNode => {
    const i = at.get(key(tree, id)) ?? unsupported(`node ${id} of tree ${tree} is missing`);
    if (depth > MAX_DEPTH) unsupported(`a tree deeper than ${MAX_DEPTH}`);
    if (modes[i] === "LEAF") return { weights: given.get(key(tree, id)) ?? [] };
    return {
      mode: modeOf(modes[i]!.replace("BRANCH_", "")),
      feature: features[i]!,
      value: values[i]!,
      missing: missing[i] === 1,
      yes: build(tree, yes[i]!, depth + 1),
      no: build(tree, no[i]!, depth + 1),
    };
  };
  const children = new Set(
    ids.flatMap((_, i) => (modes[i] === "LEAF" ? [] : [key(trees[i]!, yes[i]!), key(trees[i]!, no[i]!)])),
  );
  const roots = ids.flatMap((id, i) => (children.has(key(trees[i]!, id)) ? [] : [build(trees[i]!, id, 0)]));
  return {
    roots,
    targets,
    aggregate: aggregateOf(attributes.string("aggregate_function", "SUM")),
    transform: attributes.string("post_transform", "NONE"),
    base: floats(node, "base_values") ?? [],
  };
}

const MAX_DEPTH = 200;
const MODES: readonly Mode[] = ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ"];
const AGGREGATES = ["AVERAGE", "SUM", "MIN", "MAX"] as const;
const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
/** The mode number of a node that asks whether its feature is in a set. */
const MEMBER = 6;

function modeOf(name: string): Mode {
  return MODES.find((mode) => mode === name) ?? unsupported(`the mode ${name}`);
}

function aggregateOf(name: string): Ensemble["aggregate"] {
  return AGGREGATES.find((each) => each === name) ?? unsupported(`the aggregate ${name}`);
}

/** Reads TreeEnsemble (ai.onnx.ml 5), whose leaves are numbered apart from its nodes. */
export function readEnsemble({ attributes }: OnnxNode): Ensemble {
  const ints = (name: string) => attributes.ints(name) ?? unsupported(`${name} is missing`);
  const table = (name: string) => {
    const value = attributes.tensor(name) ?? unsupported(`${name} is missing`);
    if (value.dtype === DType.float64) unsupported("float64 thresholds");
    return numbersOf(value, name);
  };
  const [splits, modes, weights] = ["nodes_splits", "nodes_modes", "leaf_weights"].map(table) as [
    number[],
    number[],
    number[],
  ];
  const [features, yes, yesIsLeaf, no, noIsLeaf, targetIds] = [
    "nodes_featureids",
    "nodes_truenodeids",
    "nodes_trueleafs",
    "nodes_falsenodeids",
    "nodes_falseleafs",
    "leaf_targetids",
  ].map(ints) as [number[], number[], number[], number[], number[], number[]];
  const missing = attributes.ints("nodes_missing_value_tracks_true") ?? [];
  const members = attributes.has("membership_values") ? sets(table("membership_values")) : [];
  // The sets stand in the order of the nodes that ask for one.
  const setOf = new Map<number, number[]>();
  for (const i of range(modes.length))
    if (modes[i] === MEMBER) setOf.set(i, members[setOf.size] ?? unsupported("a set of values is missing"));

  const child = (isLeaf: boolean, i: number, depth: number): TreeNode =>
    isLeaf ? { weights: [[targetIds[i]!, weights[i]!]] } : build(i, depth);
  const build = (i: number, depth: number): TreeNode => {
    if (depth > MAX_DEPTH) unsupported(`a tree deeper than ${MAX_DEPTH}`);
    const taken = child(yesIsLeaf[i] === 1, yes[i]!, depth + 1);
    const other = child(noIsLeaf[i] === 1, no[i]!, depth + 1);
    const common = { feature: features[i]!, missing: missing[i] === 1 };
    const set = setOf.get(i);
    if (!set) {
      const mode = MODES[modes[i]!] ?? unsupported(`the mode ${modes[i]}`);
      return { ...common, mode, value: splits[i]!, yes: taken, no: other };
    }
    // One after the other: equal to the first, else to the second, …
    return set.reduceRight<TreeNode>(
      (rest, value) => ({ ...common, mode: "EQ", value, yes: taken, no: rest }),
      other,
    );
  };
  return {
    // A tree of one leaf is said as a node both of whose sides are that leaf.
    roots: ints("tree_roots").map((root) => build(root, 0)),
    targets: attributes.int("n_targets", 1),
    aggregate: AGGREGATES[attributes.int("aggregate_function", 1)] ?? unsupported("its aggregate"),
    transform: TRANSFORMS[attributes.int("post_transform", 0)] ?? unsupported("its post_transform"),
    base: [],
  };
}

/** Sets of values, divided by NaN. */
function sets(values: readonly number[]): number[][] {
  const found: number[][] = [[]];
  for (const value of values)
    if (Number.isNaN(value)) found.push([]);
    else found.at(-1)!.push(value);
  return found;
}
