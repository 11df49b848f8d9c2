import { unsupported } from "../compile/unsupported.ts";
import { range } from "./arguments.ts";

/** What a Resize node says of all its axes. */
export interface ResizeMode {
  kind: "nearest" | "linear" | "cubic";
  coordinates: string;
  nearest: string;
  /** `cubic_coeff_a` */
  cubic: number;
  excludeOutside: boolean;
  antialias: boolean;
}

/** One axis: `from` elements become `to`; `start` and `end` are the region's, as fractions. */
export interface AxisResize {
  axis: number;
  from: number;
  to: number;
  scale: number;
  start: number;
  end: number;
}

const f32 = Math.fround;

/** Where in the input an output coordinate lies, in float32 as onnxruntime computes it. */
function original(
  { from, to, scale, start, end }: AxisResize,
  { coordinates }: ResizeMode,
  x: number,
): number {
  switch (coordinates) {
    case "asymmetric":
      return f32(x / scale);
    case "half_pixel":
      return f32(f32((x + 0.5) / scale) - 0.5);
    case "half_pixel_symmetric": {
      // The output's centre is the input's, whatever the true length `scale · from` is rounded to.
      const adjustment = f32(to / f32(scale * from));
      const offset = f32((from / 2) * (1 - adjustment));
      return f32(offset + f32(f32((x + 0.5) / scale) - 0.5));
    }
    case "pytorch_half_pixel":
      return to > 1 ? f32(f32((x + 0.5) / scale) - 0.5) : 0;
    case "tf_half_pixel_for_nn":
      return f32((x + 0.5) / scale);
    case "align_corners":
      return to === 1 ? 0 : f32(f32(x * (from - 1)) / (to - 1));
    case "tf_crop_and_resize": {
      const [first, last] = [f32(start), f32(end)];
      if (to === 1) return f32(0.5 * f32(first + last) * (from - 1));
      return f32(f32(first * (from - 1)) + f32(f32(x * f32(last - first) * (from - 1)) / (to - 1)));
    }
    default:
      return unsupported(`the coordinates ${coordinates}`);
  }
}

/** Whether an output coordinate lies beyond the input. */
export function isOutside(each: AxisResize, mode: ResizeMode, x: number): boolean {
  const at = original(each, mode, x);
  return at < 0 || at > each.from - 1;
}

/** The input coordinate that each output coordinate copies. */
export function nearestIndices(each: AxisResize, mode: ResizeMode): number[] {
  return range(each.to).map((x) => {
    const at = original(each, mode, x);
    const rounded = {
      floor: Math.floor(at),
      ceil: Math.ceil(at),
      round_prefer_floor: Math.ceil(at - 0.5),
      round_prefer_ceil: Math.floor(at + 0.5),
    }[mode.nearest];
    if (rounded === undefined) return unsupported(`the nearest mode ${mode.nearest}`);
    return clamp(rounded, each.from);
  });
}

function clamp(index: number, size: number): number {
  return Math.min(Math.max(index, 0), size - 1);
}

/** Keys' cubic kernel. */
function cubic(distance: number, a: number): number {
  const t = Math.abs(distance);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

function triangle(distance: number): number {
  return Math.max(0, 1 - Math.abs(distance));
}

/** Weights [to, from]: each output coordinate's share of each input coordinate. */
export function weightMatrix(each: AxisResize, mode: ResizeMode): Float32Array {
  const { from, to, scale } = each;
  const kernel = mode.kind === "linear" ? triangle : (t: number) => cubic(t, mode.cubic);
  const support = mode.kind === "linear" ? 1 : 2;
  // Shrinking with antialias stretches the kernel over all the elements that fall into one.
  const stretch = mode.antialias && scale < 1 ? 1 / scale : 1;
  const matrix = new Float32Array(to * from);
  for (let x = 0; x < to; x++) {
    const at = original(each, mode, x);
    const shares = new Map<number, number>();
    let total = 0;
    const reach = support * stretch;
    for (let i = Math.ceil(at - reach); i <= Math.floor(at + reach); i++) {
      const outside = i < 0 || i >= from;
      if (outside && mode.excludeOutside) continue;
      const weight = kernel((i - at) / stretch);
      const index = clamp(i, from);
      shares.set(index, (shares.get(index) ?? 0) + weight);
      total += weight;
    }
    const divisor = mode.excludeOutside || mode.antialias ? total : 1;
    for (const [index, weight] of shares) matrix[x * from + index] = weight / divisor;
  }
  return matrix;
}
