/** A largest value, the argument (float32 bits) where it was seen, and the result there. */
export interface Worst {
  value: number;
  x: number;
  y?: number;
}

/** What a sweep has found so far. */
export interface Findings {
  checked: number;
  /** Largest error, less 2^-125, in units of 2^-23·|f|, where |f| >= 2^-126 and the model resolves it. */
  relative: Worst;
  /** Largest error beyond the ulps of the profile, in units of 2^-23·c (0: the ulps alone cover it). */
  units: Worst;
  /** Largest share of the published band. */
  share: Worst;
  /** Judged by the kernel itself: borderline overflows, and what may use more than SUSPICIOUS of its band. */
  judged: number;
  /** Of those, refused. Anything but 0 means that the profile is too narrow. */
  refused: number;
  examples: string[];
}

const nothing = (): Worst => ({ value: 0, x: 0 });
export const noFindings = (): Findings => ({
  checked: 0,
  relative: nothing(),
  units: nothing(),
  share: nothing(),
  judged: 0,
  refused: 0,
  examples: [],
});
