import { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { integerTable, range, required, requireFloat32 } from "./arguments.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";
import { labelled, regressed, requireOutputs, transformed } from "./scores.ts";
import {
  type Branch,
  type Ensemble,
  isLeaf,
  type Leaf,
  leavesOf,
  type Mode,
  readEnsemble,
  readOldEnsemble,
  type TreeNode,
} from "./tree-ensemble.ts";

/*
 * A forest is four instructions: every node's comparison at once, then, for each leaf, whether all comparisons above
 * it went its way, then the weights of the leaves that are reached. The second is a product with a constant matrix of
 * 1 (above, holding), -1 (above, not holding) and 0: the sum is the number of holding comparisons that the leaf needs
 * where it is reached, and at least one less elsewhere, so that relu(sum - needed + 1) is 1 or 0. That is continuous
 * in the sum: an error within the sum's band stays one within the leaf's.
 */

/** Elements of the matrices; a larger forest is walked level by level. */
const MAX_PATHS = 2 ** 20;
/** Leaves that one instruction sums. */
const MAX_SUM = 8192;

/** The comparison to make, and whether it holds when the node does not: NaN takes the right side so. */
function comparison({
  mode,
  missing,
}: Pick<Branch, "mode" | "missing">): [operator: string, negated: boolean] {
  if (mode === "EQ" && missing) return unsupported("a branch for what is equal or missing");
  const plain: Record<Mode, [string, boolean]> = {
    LEQ: missing ? ["Greater", true] : ["LessOrEqual", false],
    LT: missing ? ["GreaterOrEqual", true] : ["Less", false],
    GTE: missing ? ["Less", true] : ["GreaterOrEqual", false],
    GT: missing ? ["LessOrEqual", true] : ["Greater", false],
    EQ: ["Equal", false],
    NEQ: ["Equal", true],
  };
  return plain[mode];
}

interface Condition {
  feature: number;
  value: number;
  operator: string;
}

interface Path {
  leaf: Leaf;
  /** By condition of the tree: 1 where it must hold, -1 where it must not. */
  signs: Map<number, number>;
}

/** A tree's comparisons, each once, and the ways to its leaves. */
function pathsOf(root: TreeNode): { conditions: Condition[]; paths: Path[] } {
  const conditions: Condition[] = [];
  const numbers = new Map<string, number>();
  const paths: Path[] = [];
  const walk = (node: TreeNode, signs: Map<number, number>) => {
    if (isLeaf(node)) {
      paths.push({ leaf: node, signs });
      return;
    }
    const [operator, negated] = comparison(node);
    const key = `${node.feature} ${node.value} ${operator}`;
    const number = numbers.get(key) ?? conditions.length;
    if (number === conditions.length) conditions.push({ feature: node.feature, value: node.value, operator });
    numbers.set(key, number);
    for (const [side, holds] of [
      [node.yes, !negated],
      [node.no, negated],
    ] as const) {
      const sign = holds ? 1 : -1;
      // A comparison made again on the way can only go as before.
      if ((signs.get(number) ?? sign) === sign) walk(side, new Map(signs).set(number, sign));
    }
  };
  walk(root, new Map());
  return { conditions, paths };
}

/** 1 where a comparison holds and 0 elsewhere, [rows, conditions]. */
function compareAll(graph: ExpansionGraph, x: string, conditions: readonly Condition[]): string {
  const operators = [...new Set(conditions.map(({ operator }) => operator))];
  const groups = operators.map((operator) => conditions.filter((each) => each.operator === operator));
  const results = groups.map((group, i) => {
    const features = graph.int64(group.map(({ feature }) => feature));
    const thresholds = graph.float32(
      [group.length],
      group.map(({ value }) => value),
    );
    const read = graph.op("Gather", [x, features], { axis: 1 });
    return graph.cast(graph.op(operators[i]!, [read, thresholds]), DType.float32);
  });
  if (results.length === 1) return results[0]!;
  const order = groups.flat();
  const places = new Map(order.map((condition, place) => [condition, place]));
  const joined = graph.concat(results, 1);
  return graph.op("Gather", [joined, graph.int64(conditions.map((each) => places.get(each)!))], { axis: 1 });
}

/** The sum, for each row and target, of the weights of the leaves reached: [rows, targets]. */
function sumOfLeaves(
  graph: ExpansionGraph,
  x: string,
  rows: number,
  { roots, targets }: Pick<Ensemble, "roots" | "targets">,
): string {
  const trees = roots.map(pathsOf);
  const width = Math.max(1, ...trees.map(({ conditions }) => conditions.length));
  const leaves = Math.max(...trees.map(({ paths }) => paths.length));
  if (trees.length * width * leaves > MAX_PATHS) return walk(graph, x, roots, targets);
  const group = Math.max(1, Math.floor(MAX_SUM / leaves));
  const sums: string[] = [];
  for (let at = 0; at < trees.length; at += group) {
    const some = trees.slice(at, at + group);
    const reached = reachedLeaves(graph, x, rows, some, width, leaves);
    const flat = graph.reshape(graph.transpose(reached, [1, 0, 2]), [rows, some.length * leaves]);
    const weights = new Float32Array(some.length * leaves * targets);
    for (const [t, { paths }] of some.entries())
      for (const [l, { leaf }] of paths.entries())
        for (const [target, weight] of leaf.weights) weights[(t * leaves + l) * targets + target]! += weight;
    sums.push(graph.op("MatMul", [flat, graph.float32([some.length * leaves, targets], weights)]));
  }
  return sums.reduce((total, each) => graph.op("Add", [total, each]));
}

/** 1 for each tree's leaf that is reached and 0 for the others, [trees, rows, leaves]. */
function reachedLeaves(
  graph: ExpansionGraph,
  x: string,
  rows: number,
  trees: readonly ReturnType<typeof pathsOf>[],
  width: number,
  leaves: number,
): string {
  const filler = trees.find(({ conditions }) => conditions.length > 0)?.conditions[0];
  const spare = filler ?? { feature: 0, value: 0, operator: "Less" };
  const padded = trees.flatMap(({ conditions }) => range(width).map((i) => conditions[i] ?? { ...spare }));
  const holds = graph.reshape(compareAll(graph, x, padded), [rows, trees.length, width]);
  const signs = new Float32Array(trees.length * width * leaves);
  // A leaf that is no leaf needs one comparison more than there are.
  const offsets = new Float32Array(trees.length * leaves);
  for (const [t, { paths }] of trees.entries())
    for (const [l, path] of paths.entries()) {
      let needed = 0;
      for (const [condition, sign] of path.signs) {
        signs[(t * width + condition) * leaves + l] = sign;
        if (sign > 0) needed++;
      }
      offsets[t * leaves + l] = 1 - needed;
    }
  const product = graph.op("MatMul", [
    graph.transpose(holds, [1, 0, 2]),
    graph.float32([trees.length, width, leaves], signs),
  ]);
  return graph.op("Relu", [graph.op("Add", [product, graph.float32([trees.length, 1, leaves], offsets)])]);
}

/** Walks all trees of a large forest at once, a level at a time, and sums the leaves' weights. */
function walk(graph: ExpansionGraph, x: string, roots: readonly TreeNode[], targets: number): string {
  const nodes: TreeNode[] = [];
  const numbers = new Map<TreeNode, number>();
  let depth = 0;
  const visit = (node: TreeNode, level: number) => {
    depth = Math.max(depth, level);
    if (!numbers.has(node)) {
      numbers.set(node, nodes.length);
      nodes.push(node);
    }
    if (!isLeaf(node)) for (const side of [node.yes, node.no]) visit(side, level + 1);
  };
  for (const root of roots) visit(root, 0);
  const branches = nodes.filter((node): node is Branch => !isLeaf(node));
  const operators = new Set(branches.map((node) => comparison(node)[0]));
  if (operators.size > 1) unsupported("a large forest with several kinds of comparison");
  const [operator] = operators;
  const numbered = (pick: (node: TreeNode, i: number) => number) => graph.int64(nodes.map(pick));
  const side = (holding: boolean) =>
    numbered((node, i) => {
      if (isLeaf(node)) return i;
      return numbers.get(holding === comparison(node)[1] ? node.no : node.yes)!;
    });
  const features = numbered((node) => (isLeaf(node) ? 0 : node.feature));
  const thresholds = graph.float32(
    [nodes.length],
    nodes.map((node) => (isLeaf(node) ? 0 : node.value)),
  );
  const [holding, failing] = [side(true), side(false)];
  const rows = graph.dims(x)[0]!;
  const first = range(rows).flatMap(() => roots.map((root) => numbers.get(root)!));
  let at = integerTable(graph, [rows, roots.length], first);
  const look = (table: string, index: string) => graph.op("Gather", [table, index], { axis: 0 });
  for (let level = 0; level < depth; level++) {
    const read = graph.op("GatherElements", [x, look(features, at)], { axis: 1 });
    const holds = graph.op(operator!, [read, look(thresholds, at)]);
    at = graph.op("Where", [holds, look(holding, at), look(failing, at)]);
  }
  const weights = new Float32Array(nodes.length * targets);
  for (const [i, node] of nodes.entries())
    if (isLeaf(node)) for (const [target, weight] of node.weights) weights[i * targets + target]! += weight;
  const found = look(graph.float32([nodes.length, targets], weights), at);
  return graph.reduce("ReduceSum", found, [1], false);
}

function lastFeature(node: TreeNode): number {
  return isLeaf(node) ? -1 : Math.max(node.feature, lastFeature(node.yes), lastFeature(node.no));
}

/** The forest's scores before they are transformed, [rows, targets]. */
function scoresOf(node: OnnxNode, graph: ExpansionGraph, ensemble: Ensemble): string {
  graph.requireOpset(13, "a forest");
  const x = required(node, 0);
  requireFloat32(graph, x);
  const dims = graph.dims(x);
  const { roots, targets, aggregate, base } = ensemble;
  const [rows, features] = (dims.length === 1 ? [1, dims[0]!] : dims) as [number, number];
  const most = Math.max(-1, ...roots.map(lastFeature));
  if (most >= features) unsupported(`its input has ${features} features, its trees ask for number ${most}`);
  const table = dims.length === 1 ? graph.reshape(x, [1, features]) : x;
  const added = (sum: string) =>
    base.length === 0 ? sum : graph.op("Add", [sum, graph.float32([base.length], base)]);
  if (aggregate === "MIN" || aggregate === "MAX") {
    if (targets !== 1) unsupported(`the ${aggregate} of several targets`);
    const each = roots.map((root) => sumOfLeaves(graph, table, rows, { roots: [root], targets }));
    return added(graph.reduce(aggregate === "MIN" ? "ReduceMin" : "ReduceMax", graph.concat(each, 1), [1]));
  }
  const sum = sumOfLeaves(graph, table, rows, ensemble);
  if (aggregate === "SUM") return added(sum);
  return added(graph.op("Div", [sum, graph.float32([], [roots.length])]));
}

const treeEnsemble: Expansion = (node, graph) => {
  const ensemble = readEnsemble(node);
  return [regressed(graph, scoresOf(node, graph, ensemble), ensemble.targets, ensemble.transform)];
};

const regressor: Expansion = (node, graph) => {
  const ensemble = readOldEnsemble(node, "target", node.attributes.int("n_targets", 1));
  return [regressed(graph, scoresOf(node, graph, ensemble), ensemble.targets, ensemble.transform)];
};

const classifier: Expansion = (node, graph) => {
  const { attributes } = node;
  requireOutputs(node, graph);
  const labels =
    attributes.ints("classlabels_int64s") ?? attributes.strings("classlabels_strings")?.map((_, i) => i);
  const count = labels?.length ?? 0;
  if (!labels || count < 2) unsupported("fewer than two classes");
  const ensemble = readOldEnsemble(node, "class", count);
  const leaves = leavesOf(ensemble.roots);
  const weights = leaves.flatMap((leaf) => leaf.weights);
  const classes = new Set(weights.map(([id]) => id));
  const positive = weights.every(([, weight]) => weight >= 0);
  const { base, transform } = ensemble;
  if (count > 2) {
    if (base.length !== 0 && base.length !== count)
      unsupported(`${base.length} base values for ${count} classes`);
    // onnxruntime passes over a class that no leaf spoke of, unless it has a base value.
    const covered = range(count).every((id) =>
      ensemble.roots.some((root) => leavesOf([root]).every((leaf) => leaf.weights.some(([c]) => c === id))),
    );
    if (!covered && !positive && base.length === 0)
      unsupported("classes that some leaves leave without a score");
    return labelled(graph, scoresOf(node, graph, ensemble), labels, transform);
  }
  // Two classes: what onnxruntime makes of them depends on which classes the leaves speak of.
  if (base.length > 1) unsupported("two base values for two classes");
  if (classes.size > 1) unsupported("two classes with weights of their own");
  const [only = 0] = classes;
  const single: Ensemble = {
    ...ensemble,
    targets: 1,
    base: only === 0 ? base : [],
    roots: ensemble.roots.map(function flat(tree): TreeNode {
      if (isLeaf(tree)) return { weights: tree.weights.map(([, weight]) => [0, weight]) };
      return { ...tree, yes: flat(tree.yes), no: flat(tree.no) };
    }),
  };
  const score = scoresOf(node, graph, single);
  const threshold = graph.float32([], [positive ? 0.5 : 0]);
  const [low, high] = labels.map((label) => graph.int64(label)) as [string, string];
  const flatScore = graph.reshape(score, [-1]);
  const label = graph.op("Where", [graph.op("Greater", [flatScore, threshold]), high, low]);
  if (only === 1) {
    const rows = graph.dims(required(node, 0)).length === 1 ? 1 : graph.dims(required(node, 0))[0]!;
    const zeros = graph.float32([rows, 1], new Float32Array(rows));
    return [label, transformed(graph, graph.concat([zeros, score], 1), transform)];
  }
  if (transform === "PROBIT") unsupported("PROBIT of two classes");
  if (transform === "LOGISTIC")
    return [label, graph.op("Sigmoid", [graph.concat([graph.op("Neg", [score]), score], 1)])];
  const other = positive ? graph.op("Sub", [graph.float32([], [1]), score]) : graph.op("Neg", [score]);
  return [label, graph.concat([other, score], 1)];
};

export const trees: Record<string, Expansion> = {
  "ai.onnx.ml.TreeEnsemble": treeEnsemble,
  "ai.onnx.ml.TreeEnsembleClassifier": classifier,
  "ai.onnx.ml.TreeEnsembleRegressor": regressor,
};
