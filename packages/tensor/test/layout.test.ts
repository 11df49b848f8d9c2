import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DType,
  dtypeSize,
  elementCount,
  fromStored,
  type Layout,
  storedDims,
  storedIndices,
  tensor,
  toStored,
} from "@assay/tensor";

/** The definition, one element at a time. */
function storedByDefinition(data: Uint8Array, size: number, { factors, order }: Layout): Uint8Array {
  const dims = order.map((factor) => factors[factor]!);
  const out: number[] = [];
  for (let stored = 0; stored < elementCount(dims); stored++) {
    const coordinate = new Array<number>(factors.length);
    let rest = stored;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      coordinate[order[axis]!] = rest % dims[axis]!;
      rest = Math.floor(rest / dims[axis]!);
    }
    const logical = factors.reduce((index, factor, axis) => index * factor + coordinate[axis]!, 0);
    out.push(...data.subarray(logical * size, (logical + 1) * size));
  }
  return Uint8Array.from(out);
}

const layouts = fc
  .array(fc.integer({ min: 1, max: 5 }), { maxLength: 5 })
  .chain((factors) =>
    fc
      .shuffledSubarray([...factors.keys()], { minLength: factors.length })
      .map((order): Layout => ({ factors, order })),
  );

describe("layout", () => {
  it("stores elements by the definition, and back", () => {
    fc.assert(
      fc.property(layouts, fc.constantFrom(...Object.values(DType)), fc.nat(3), (layout, dtype, offset) => {
        const size = dtypeSize(dtype);
        const length = elementCount(layout.factors) * size;
        const data = Uint8Array.from({ length: length + offset }, (_, i) => (i * 151 + 7) % 256).subarray(
          offset,
        );
        const stored = toStored(tensor(dtype, layout.factors, data), layout);
        expect(stored).toEqual(storedByDefinition(data, size, layout));
        expect(fromStored(stored, dtype, layout.factors, layout).data).toEqual(data);
      }),
    );
  });

  it("says where elements are stored", () => {
    fc.assert(
      fc.property(layouts, (layout) => {
        const count = elementCount(layout.factors);
        const numbers = Uint32Array.from({ length: count }, (_, i) => i);
        const bytes = toStored(tensor(DType.uint32, layout.factors, new Uint8Array(numbers.buffer)), layout);
        const stored = [...new Uint32Array(bytes.slice().buffer)];
        for (const [index, element] of stored.entries())
          expect([...storedIndices(layout, [element])]).toEqual([index]);
        const some = stored.flatMap((element, index) => (index % 3 === 0 ? [element] : []));
        expect([...storedIndices(layout, some)]).toEqual(some.map((_, i) => 3 * i));
      }),
    );
  });

  it("moves planes larger than a tile", () => {
    for (const dims of [
      [3, 17, 35],
      [2, 16, 33],
      [1, 40, 1, 50],
    ]) {
      const layout: Layout = { factors: dims, order: [0, ...dims.keys()].slice(1).reverse() };
      const data = new Uint8Array(Uint16Array.from({ length: elementCount(dims) }, (_, i) => i).buffer);
      const stored = toStored(tensor(DType.uint16, dims, data), layout);
      expect(stored).toEqual(storedByDefinition(data, 2, layout));
      const room = new Uint8Array(data.length);
      expect(fromStored(stored, DType.uint16, dims, layout, room).data).toBe(room);
      expect(room).toEqual(data);
    }
  });

  it("keeps the bits of signalling NaNs", () => {
    const bits = new Uint32Array([0x7f800001, 0xff812345, 0x80000000, 1, 0x7fc00000, 0xffc00001]);
    const layout: Layout = { factors: [2, 3], order: [1, 0] };
    const stored = toStored(tensor(DType.float32, [2, 3], new Uint8Array(bits.buffer)), layout);
    expect([...new Uint32Array(stored.buffer)]).toEqual([
      bits[0],
      bits[3],
      bits[1],
      bits[4],
      bits[2],
      bits[5],
    ]);
    expect(storedDims(layout)).toEqual([3, 2]);
  });

  it("does not copy what is stored in C order already", () => {
    const data = new Uint8Array(24);
    expect(toStored(tensor(DType.float32, [1, 2, 3], data), { factors: [1, 2, 3], order: [1, 0, 2] })).toBe(
      data,
    );
  });
});
