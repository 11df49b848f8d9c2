import fc from "fast-check";
import { elementCount } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import {
  broadcastView,
  identityView,
  reshapeView,
  sliceView,
  transposeView,
  type View,
  viewDims,
} from "../src/compile/view.ts";

/** C-order indices into the source that a view reads, by its definition. */
function indices(view: View): number[] {
  let found = [0];
  for (const { size, stride, start, step } of view.axes.flat())
    found = found.flatMap((base) =>
      Array.from({ length: size }, (_, a) => base + stride * (stride === 0 ? 0 : start + step * a)),
    );
  return found;
}

const count = (dims: readonly number[]) => elementCount(dims);

describe("views", () => {
  it("reshape keeps the order of elements wherever it succeeds", () => {
    const dims = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 });
    const reshapes = fc.tuple(dims, fc.infiniteStream(fc.nat(100)));
    fc.assert(
      fc.property(reshapes, ([from, random]) => {
        const view = identityView("x", from);
        const to: number[] = [];
        // Cut the element count into factors at random.
        for (let rest = count(from); rest > 1;) {
          const divisors = Array.from({ length: rest }, (_, i) => i + 1).filter(
            (d) => d > 1 && rest % d === 0,
          );
          const divisor = divisors[random.next().value % divisors.length]!;
          to.push(divisor);
          rest /= divisor;
        }
        const reshaped = reshapeView(view, to);
        expect(reshaped && viewDims(reshaped)).toEqual(to);
        expect(indices(reshaped!)).toEqual(indices(view));
      }),
    );
  });

  it("transpose, then reshape: right, or refused", () => {
    const view = transposeView(identityView("x", [4, 6]), [1, 0]);
    expect(indices(view).slice(0, 5)).toEqual([0, 6, 12, 18, 1]);
    const halves = reshapeView(view, [3, 8])!;
    expect(indices(halves)).toEqual(indices(view));
    expect(reshapeView(view, [8, 3])).toBeUndefined();
  });

  it("slices with steps in both directions, also of slices", () => {
    const view = identityView("x", [3, 10]);
    const forward = sliceView(view, 1, 1, 2, 4)!;
    expect(indices(forward).slice(0, 4)).toEqual([1, 3, 5, 7]);
    const back = sliceView(forward, 1, 3, -1, 3)!;
    expect(indices(back).slice(0, 3)).toEqual([7, 5, 3]);
    expect(indices(sliceView(back, 0, 2, 1, 1)!)).toEqual([27, 25, 23]);
  });

  it("reshapes a slice of one coordinate without losing its place", () => {
    const row = sliceView(identityView("x", [3, 4]), 0, 2, 1, 1)!;
    expect(indices(reshapeView(row, [2, 2])!)).toEqual([8, 9, 10, 11]);
  });

  it("broadcasts", () => {
    const view = broadcastView(identityView("x", [2, 1]), [3, 2, 2]);
    expect(viewDims(view)).toEqual([3, 2, 2]);
    expect(indices(view)).toEqual([0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
  });
});
