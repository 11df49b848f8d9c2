/** One way to do the same work; the first arm of a comparison is what the others are compared with. */
export interface Arm {
  readonly name: string;
  /** How many inferences one run makes; times are of one. Default 1. */
  readonly inferences?: number;
  run(): Promise<unknown>;
}

export interface ArmResult {
  readonly name: string;
  /** Median time of one inference. */
  readonly milliseconds: number;
  /** Median over rounds of this arm's time divided by the first arm's time in the same round. */
  readonly ratio: number;
  /** Middle half of those ratios. */
  readonly ratioQuartiles: readonly [number, number];
}

/** The `q`-quantile of unsorted numbers, interpolated. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const above = Math.ceil(position);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}

/**
 * Runs all arms once per round, in an order that rotates, so that what drifts (clock speed, other load) hits all of
 * them alike; ratios are taken within a round before their median is.
 */
export async function interleave(
  arms: readonly Arm[],
  options: { rounds: number; warmup: number },
): Promise<ArmResult[]> {
  const times: number[][] = arms.map(() => []);
  for (let round = -options.warmup; round < options.rounds; round++)
    for (let turn = 0; turn < arms.length; turn++) {
      const index = (round + options.warmup + turn) % arms.length;
      const started = performance.now();
      const { inferences = 1 } = arms[index]!;
      await arms[index]!.run();
      if (round >= 0) times[index]!.push((performance.now() - started) / inferences);
    }
  return arms.map(({ name }, index) => {
    const ratios = times[index]!.map((time, round) => time / times[0]![round]!);
    return {
      name,
      milliseconds: quantile(times[index]!, 0.5),
      ratio: quantile(ratios, 0.5),
      ratioQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    };
  });
}
