import type { Draft, Source } from "./draft.ts";
import {
  pieces,
  type Placement,
  placementInOrder,
  refine,
  resolveAtom,
  rowMajorPlacement,
} from "./refine.ts";
import type { View } from "./view.ts";

/** What layouts are chosen for: the instructions, and graph outputs that must stay readable as views. */
export interface LayoutProblem {
  readonly sources: readonly Source[];
  readonly drafts: readonly Draft[];
  readonly outputs: readonly View<Source>[];
}

interface Proposal {
  readonly placement: Placement;
  readonly reduction: number;
}

/** The layout in which this operand reads its reduction from one run: reduced factors last, the rest as they are. */
function propose(draft: Draft, operand: number): Placement | undefined {
  const { view, reduced } = draft.operands[operand]!;
  if (!reduced || draft.reduction.length === 0) return undefined;
  const refinement = refine(draft, undefined, ({ length }) => rowMajorPlacement(length));
  if ("obstacle" in refinement) return undefined;
  const found = pieces(draft.operands[operand]!, refinement.operands[operand]!, refinement);
  if (!found) return undefined;
  const isReduced = (piece: (typeof found)[number]) =>
    piece.sub !== undefined && draft.reduction.includes(piece.sub.axis);
  const ordered = [...found.filter((p) => !isReduced(p)), ...found.filter(isReduced)];
  const inCOrder = ordered.every((piece, i) => i === 0 || piece.stride < ordered[i - 1]!.stride);
  return inCOrder ? rowMajorPlacement(view.source.length) : placementInOrder(ordered);
}

/**
 * Chooses the commitment layout of every input and instruction output: that of the consumer with the longest
 * reduction, as long as everything else that touches the value can still be said as an access map. A proof then reads
 * few long runs of chunks rather than many single elements.
 */
export function chooseLayouts({ sources, drafts, outputs }: LayoutProblem): Map<Source, Placement> {
  const chosen = new Map<Source, Placement>();
  const placementOf = (source: Source) => chosen.get(source) ?? rowMajorPlacement(source.length);

  const readers = new Map<Source, Set<Draft>>();
  const producers = new Map<Draft, Source>();
  const proposals = new Map<Source, Proposal[]>();
  for (const source of sources) if (source.draft) producers.set(source.draft, source);
  for (const draft of drafts)
    for (const [i, { view }] of draft.operands.entries()) {
      const { source } = view;
      if (source.kind === "constant") continue;
      readers.set(source, (readers.get(source) ?? new Set()).add(draft));
      const placement = propose(draft, i);
      if (!placement) continue;
      const reduction = draft.reduction.reduce((product, { size }) => product * size, 1);
      proposals.set(source, [...(proposals.get(source) ?? []), { placement, reduction }]);
    }

  const fits = (source: Source) => {
    const touched = [...(readers.get(source) ?? []), ...(source.draft ? [source.draft] : [])];
    return (
      touched.every(
        (draft) => !("obstacle" in refine(draft, placementOf(producers.get(draft)!), placementOf)),
      ) &&
      outputs.every(
        (view) =>
          view.source !== source || view.axes.flat().every((atom) => resolveAtom(atom, placementOf(source))),
      )
    );
  };
  for (const source of sources)
    for (const { placement } of (proposals.get(source) ?? []).toSorted((a, b) => b.reduction - a.reduction)) {
      chosen.set(source, placement);
      if (fits(source)) break;
      chosen.delete(source);
    }
  return chosen;
}
