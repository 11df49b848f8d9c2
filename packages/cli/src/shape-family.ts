import type { InputShapes } from "@assay/program";
import { AssayError } from "@assay/tensor";

/** What `--shape` collects: for each input, the shapes it was given in order. */
export type ShapeOptions = Readonly<Record<string, readonly (readonly number[])[]>>;

/**
 * The shapes that a model is to serve, one program each. The first `--shape` of every input is the first of them, the
 * second the second; an input given once has that shape in all. Throws `SHAPES_UNEVEN`.
 */
export function shapeFamily(options: ShapeOptions = {}): InputShapes[] {
  const counts = new Map(Object.entries(options).map(([name, dims]) => [name, dims.length]));
  const count = Math.max(1, ...counts.values());
  for (const [name, given] of counts)
    if (given !== 1 && given !== count)
      throw new AssayError(
        "SHAPES_UNEVEN",
        `--shape gives input "${name}" ${given} shapes, another one ${count}`,
        {
          hint: "give an input one shape for all programs, or one for each",
        },
      );
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(Object.entries(options).map(([name, dims]) => [name, dims[i] ?? dims[0]!])),
  );
}

/** `x=1,8 mask=1,8`, as `--shape` takes them. */
export function describeShapes(shapes: InputShapes): string {
  return Object.entries(shapes)
    .map(([name, dims]) => `${name}=${dims.join(",")}`)
    .join(" ");
}
