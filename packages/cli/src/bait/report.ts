import type { BaitEstimate } from "@assay/protocol";

/** A layer's estimate for people. */
export function estimateLines(estimate: BaitEstimate): string[] {
  const { caught, missed, voided, unlaid, open, hidden, share, interval, shareIfHiddenMissed } = estimate;
  const percent = (value: number) => `${(100 * value).toFixed(0)} %`;
  const others = [
    [voided, "only imprecise"],
    [unlaid, "never laid"],
    [open, "open"],
    [hidden, "hidden"],
  ] as const;
  const rest = others.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
  return [
    `baits: ${estimate.committed} committed, ${caught} caught, ${missed} missed${rest.map((each) => `, ${each}`).join("")}`,
    share === undefined
      ? "caught of wrong claims: nothing is known yet"
      : `caught of wrong claims: ${percent(share)} (95 %: ${interval.map(percent).join(" to ")})`,
    ...(hidden > 0 && shareIfHiddenMissed !== undefined
      ? [`if all that is hidden was missed: ${percent(shareIfHiddenMissed)}`]
      : []),
  ];
}
