import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";

/** A sliding window along one spatial axis. */
export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Padding before the first element. */
  readonly pad: number;
  /** True when some window reaches outside the input. */
  readonly padded: boolean;
  /** True when the last window reaches beyond even the padding, as `ceil_mode` allows. */
  readonly overshoots: boolean;
}

/** The windows of a convolution or pool; output sizes are the traced ones. */
export function windows(
  node: OnnxNode,
  kernel: readonly number[],
  input: readonly number[],
  output: readonly number[],
): Window[] {
  const { attributes } = node;
  const rank = kernel.length;
  const ones = kernel.map(() => 1);
  const strides = attributes.ints("strides") ?? ones;
  const dilations = attributes.ints("dilations") ?? ones;
  const pads = attributes.ints("pads") ?? [...ones, ...ones].fill(0);
  const auto = attributes.string("auto_pad", "NOTSET");
  if (
    strides.length !== rank ||
    dilations.length !== rank ||
    pads.length !== 2 * rank ||
    input.length !== rank
  )
    unsupported("its window attributes do not fit its input");
  return kernel.map((size, i) => {
    const [stride, dilation] = [strides[i]!, dilations[i]!];
    const reach = (output[i]! - 1) * stride + (size - 1) * dilation + 1;
    let [before, after] = [0, 0];
    if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
      const total = Math.max(0, reach - input[i]!);
      before = auto === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2);
      after = total - before;
    } else if (auto === "NOTSET" || auto === "") [before, after] = [pads[i]!, pads[i + rank]!];
    else if (auto !== "VALID") unsupported(`auto_pad ${auto} is unknown`);
    if (before < 0 || after < 0) unsupported("negative padding is not supported");
    return {
      kernel: size,
      stride,
      dilation,
      pad: before,
      padded: before > 0 || reach - before > input[i]!,
      overshoots: reach > input[i]! + before + after,
    };
  });
}
