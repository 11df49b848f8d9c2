import { AssayError, DType } from "@assay/tensor";
import { lowerings } from "../lower/index.ts";
import { expansionReasons } from "../expand/expand.ts";
import { expansions } from "../expand/index.ts";
import { type OnnxNode, nodeOf, operatorName, readModel } from "../onnx/model.ts";
import { calibrated, readCalibration } from "../calibration.ts";
import { readTolerances, tolerant } from "../tolerance.ts";
import type { Port, Program } from "../types.ts";
import { Emitter } from "./emit.ts";
import { LoweringGraph, nameOf, type Shapes } from "./graph.ts";
import { chooseLayouts } from "./layouts.ts";
import { unprovable } from "../proof-cost.ts";
import { Unsupported, UnsupportedModelError, type UnsupportedReason } from "./unsupported.ts";
import { type View, viewDims } from "./view.ts";
import type { Source } from "./draft.ts";

/**
 * Compiles a canonical graph (as `@assay/execution` writes it) to a program. `shapes` holds every value's dtype and
 * dims, as a run showed them. Pure: the same bytes give the same program.
 *
 * Throws `UNSUPPORTED_MODEL` with every reason, `MALFORMED_ONNX`, `UNKNOWN_SHAPE`, `CALIBRATION_MALFORMED`,
 * `CALIBRATION_UNKNOWN`, `TOLERANCE_MALFORMED`, `TOLERANCE_UNKNOWN`.
 */
export function compile(canonical: Uint8Array, shapes: Shapes): Program {
  const model = readModel(canonical);
  for (const { name } of model.inputs)
    if (!shapes.has(name)) throw new AssayError("UNKNOWN_SHAPE", `the shape of input "${name}" is not known`);

  const graph = new LoweringGraph(model, shapes);
  const reasons: UnsupportedReason[] = [];
  const unexpanded = expansionReasons(canonical, shapes);
  for (const [i, node] of model.nodes.entries()) {
    const collect = (reason: string) => {
      reasons.push({ operator: node.operator, node: nameOf(node), reason });
      graph.assume(node.outputs);
    };
    const lower = loweringOf(node);
    if (unexpanded.has(i) || !lower) {
      collect(unexpanded.get(i) ?? unknownOperator(node));
      continue;
    }
    try {
      lower(node, graph);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      collect(error.message);
    }
  }
  if (reasons.length > 0) throw new UnsupportedModelError(reasons);

  const outputs = model.outputs.map(({ name }) => ({ name, view: outputView(graph, name) }));
  const drafts = graph.sources.flatMap(({ draft }) => draft ?? []);
  const views = outputs.map(({ view }) => view);
  const emitter = new Emitter(
    chooseLayouts({ sources: graph.sources, drafts, outputs: views }),
    graph.inputs,
  );
  for (const source of graph.sources) if (source.draft) emitter.emit(source);
  requireProvable(emitter);

  return {
    version: 1,
    accuracyProfile: 1,
    inputs: graph.inputs.map((source, index): Port => {
      const layout = emitter.sourceLayout(source);
      return { name: source.name, dtype: source.dtype, dims: [...source.dims], layout, index };
    }),
    outputs: tolerant(
      outputs.map(({ name, view }): Port => {
        const dims = viewDims(view);
        const index = emitter.instructionOf(view.source);
        return { name, dtype: view.source.dtype, dims, layout: emitter.viewLayout(view), index };
      }),
      readTolerances(model.metadata),
    ),
    instructions: calibrated(emitter, readCalibration(model.metadata)),
    trace: emitter.trace,
    constants: emitter.constants,
    nodes: emitter.nodes,
  };
}

/** What nobody could prove wrong must not be in a program. */
function requireProvable({ instructions, nodes }: Emitter): void {
  const reasons = instructions.flatMap((instruction, i): UnsupportedReason[] => {
    const reason = unprovable(instruction);
    if (reason === undefined) return [];
    const [operator = "", ...name] = nodes[i]![0]!.split(":");
    return [{ operator, node: name.join(":"), reason }];
  });
  if (reasons.length > 0) throw new UnsupportedModelError(reasons);
}

function loweringOf(node: OnnxNode) {
  return lowerings.get(operatorName(node));
}

function unknownOperator(node: OnnxNode): string {
  return `the operator ${operatorName(node)} is not supported`;
}

/** A graph's nodes, and those of the graphs in them. */
function allNodes(nodes: readonly OnnxNode[]): OnnxNode[] {
  return nodes.flatMap((node) => [
    node,
    ...allNodes(node.attributes.graphs().flatMap((graph) => graph.node.map(nodeOf))),
  ]);
}

/** What can be said against a model without running it: operators and input types outside the instruction set. */
export function staticReasons(bytes: Uint8Array): UnsupportedReason[] {
  const { inputs, nodes } = readModel(bytes);
  return [
    ...inputs
      .filter(({ dtype }) => !Object.values<number>(DType).includes(dtype))
      .map(({ name, dtype }) => ({
        operator: "Input",
        node: name,
        reason: `its data type is number ${dtype}, which is not supported`,
      })),
    ...allNodes(nodes)
      .filter((node) => !loweringOf(node) && !expansions.has(operatorName(node)))
      .map((node) => ({ operator: node.operator, node: nameOf(node), reason: unknownOperator(node) })),
  ];
}

function outputView(graph: LoweringGraph, name: string): View<Source> {
  if (!graph.isKnown(name))
    throw new AssayError("MALFORMED_ONNX", `the model's output "${name}" is computed by none of its nodes`);
  try {
    return graph.outputView(name);
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    throw new UnsupportedModelError([{ operator: "Output", node: name, reason: error.message }]);
  }
}
