/**
 * A claim's life as docs/architecture.md tells it, written down a second time without looking at the contracts: what
 * may be done when, and who gets what. test/life.test.ts compares it with them.
 */
export type Actor = "executor" | "ann" | "bob";
export type Verdict = "fraudulent" | "imprecise" | "acceptable";
/** What may be demanded here: of either there is one node. */
export type Page = "trace" | "input";

export interface Terms {
  readonly collateral: bigint;
  readonly bond: bigint;
  readonly bounty: bigint;
  readonly compensation: bigint;
  readonly voidCostCap: bigint;
  readonly challengeWindow: number;
  readonly revealWindow: number;
  readonly proofWindow: number;
  readonly fee: bigint;
  readonly dataPrice: bigint;
  readonly answerWindow: number;
  readonly demandInterval: number;
}

export type Move =
  | { readonly kind: "challenge"; readonly by: Actor }
  | { readonly kind: "reveal"; readonly by: Actor }
  | { readonly kind: "prove"; readonly by: Actor; readonly verdict: Verdict }
  | { readonly kind: "settleUnrevealed" }
  | { readonly kind: "settleImprecise" }
  | { readonly kind: "finalise" }
  | { readonly kind: "reclaim"; readonly by: Actor }
  | { readonly kind: "demand"; readonly page: Page; readonly by: Actor }
  | { readonly kind: "answer"; readonly page: Page; readonly by: Actor }
  | { readonly kind: "settleWithheld"; readonly page: Page }
  | { readonly kind: "reclaimDemand"; readonly page: Page }
  | { readonly kind: "wait"; readonly until: number };

export interface Demand {
  readonly by: Actor;
  readonly answerBy: number;
  readonly reward: bigint;
  readonly burned: bigint;
  readonly open: boolean;
}

export interface Life {
  readonly now: number;
  readonly challengeEnd: number;
  readonly revealEnd: number | undefined;
  readonly proofEnd: number | undefined;
  /** Until when data may be demanded before the challenge and when the trace is known: the ends before they were put off. */
  readonly demandEnd: { readonly open: number; readonly provable: number | undefined };
  readonly demands: Readonly<Record<Page, Demand | undefined>>;
  /** Until when the executor has answers to write, at one per demandInterval. */
  readonly busyUntil: number;
  readonly challengers: readonly Actor[]; // first first
  readonly bonded: readonly Actor[];
  readonly imprecise: Actor | undefined;
  readonly end: "Finalised" | "Voided" | "Slashed" | undefined;
  readonly locked: bigint;
  readonly escrow: bigint;
  readonly payouts: Readonly<Record<Actor | "requester" | "burned", bigint>>;
}

export function born(terms: Terms, now: number, eager: boolean): Life {
  const challengeEnd = now + terms.challengeWindow;
  const proofEnd = eager ? Math.max(challengeEnd, now + terms.proofWindow) : undefined;
  return {
    now,
    challengeEnd,
    revealEnd: undefined,
    proofEnd,
    demandEnd: { open: challengeEnd, provable: proofEnd },
    demands: { trace: undefined, input: undefined },
    busyUntil: 0,
    challengers: [],
    bonded: [],
    imprecise: undefined,
    end: undefined,
    locked: terms.collateral,
    escrow: terms.fee,
    payouts: { executor: 0n, ann: 0n, bob: 0n, requester: 0n, burned: 0n },
  };
}

/** The name of the phase that the contracts must be in. */
export function phaseOf(life: Life): string {
  const { now, challengeEnd, revealEnd, proofEnd, imprecise, end } = life;
  const owing = openDemands(life).length !== 0;
  if (end !== undefined) return end;
  if (proofEnd !== undefined) {
    if (now < proofEnd) return "Provable";
    if (owing) return "Withheld";
    return imprecise === undefined ? "Finalisable" : "Voidable";
  }
  if (revealEnd !== undefined) return now < revealEnd ? "AwaitingReveal" : "Unrevealed";
  if (now < challengeEnd) return "Open";
  return owing ? "Withheld" : "Finalisable";
}

const openDemands = ({ demands: { trace, input } }: Life) =>
  [trace, input].filter((one) => one !== undefined).filter(({ open }) => open);

/** What demanders have at stake. */
export const demanded = (life: Life) =>
  openDemands(life).reduce((sum, { reward, burned }) => sum + reward + burned, 0n);

/** A demand at `life.now`, or why there can be none: not in this phase, or no longer. */
function demand(life: Life, { page, by }: { page: Page; by: Actor }, terms: Terms): Life | undefined {
  const { now, busyUntil, demandEnd } = life;
  const phase = phaseOf(life);
  const until = { Open: demandEnd.open, AwaitingReveal: life.revealEnd, Provable: demandEnd.provable }[phase];
  if (until === undefined || now >= until || (page === "trace" && phase !== "Provable")) return undefined;
  if (life.demands[page] !== undefined) return undefined;
  const doublings = Math.floor((Math.max(0, busyUntil - now) * 64) / terms.answerWindow);
  const reward = terms.dataPrice * 257n;
  const one = {
    by,
    answerBy: now + terms.answerWindow,
    reward,
    burned: (reward / 4n) << BigInt(doublings),
    open: true,
  };
  const asked = {
    ...life,
    demands: { ...life.demands, [page]: one },
    busyUntil: Math.max(busyUntil, now) + terms.demandInterval,
  };
  // The first one in each phase makes room for the last answer and what may follow from it.
  if (phase === "Open") return { ...asked, challengeEnd: demandEnd.open + 2 * terms.answerWindow };
  if (phase === "Provable")
    return { ...asked, proofEnd: demandEnd.provable! + terms.answerWindow + terms.proofWindow };
  return asked;
}

const closed = (life: Life, page: Page): Life => ({
  ...life,
  demands: { ...life.demands, [page]: { ...life.demands[page]!, open: false } },
});

type Payouts = Life["payouts"];

function paid(payouts: Payouts, gains: Partial<Record<keyof Payouts, bigint>>): Payouts {
  const next = { ...payouts };
  for (const [who, amount] of Object.entries(gains) as [keyof Payouts, bigint][]) next[who] += amount;
  return next;
}

function slashed(life: Life, terms: Terms, beneficiary: Actor): Life {
  // One after the other, since the beneficiary may be the requester's enemy or friend, or the executor itself.
  const burned = terms.collateral - terms.bounty - terms.compensation;
  let payouts = paid(life.payouts, { [beneficiary]: terms.bounty });
  payouts = paid(payouts, { requester: terms.compensation + life.escrow, burned });
  return { ...life, end: "Slashed", locked: 0n, escrow: 0n, payouts };
}

/** The life after a move; undefined when the contracts must refuse it. */
export function after(life: Life, move: Move, terms: Terms): Life | undefined {
  const phase = phaseOf(life);
  switch (move.kind) {
    case "wait":
      return { ...life, now: move.until };
    case "challenge": {
      const alive = phase === "Open" || phase === "AwaitingReveal" || phase === "Provable";
      if (!alive || life.now >= life.challengeEnd || life.bonded.includes(move.by)) return undefined;
      return {
        ...life,
        challengers: [...life.challengers, move.by],
        bonded: [...life.bonded, move.by],
        revealEnd: phase === "Open" ? life.now + terms.revealWindow : life.revealEnd,
      };
    }
    case "reveal": {
      if (phase !== "AwaitingReveal" || move.by !== "executor") return undefined;
      const proofEnd = Math.max(life.challengeEnd, life.now + terms.proofWindow);
      return { ...life, proofEnd, demandEnd: { ...life.demandEnd, provable: proofEnd } };
    }
    case "prove": {
      // Committed now, proven a second later: the claim must be provable at both times.
      const later = { ...life, now: life.now + 1 };
      if (phase !== "Provable" || phaseOf(later) !== "Provable" || move.verdict === "acceptable")
        return undefined;
      if (move.verdict === "fraudulent") return slashed(later, terms, move.by);
      return life.imprecise === undefined ? { ...later, imprecise: move.by } : undefined;
    }
    case "settleUnrevealed":
      return phase === "Unrevealed" ? slashed(life, terms, life.challengers[0]!) : undefined;
    case "settleImprecise": {
      if (phase !== "Voidable") return undefined;
      const cost = terms.fee / 2n < terms.voidCostCap ? terms.fee / 2n : terms.voidCostCap;
      let payouts = paid(life.payouts, { [life.imprecise!]: cost });
      payouts = paid(payouts, { requester: life.escrow - cost });
      return { ...life, end: "Voided", locked: 0n, escrow: 0n, payouts };
    }
    case "finalise": {
      if (phase !== "Finalisable") return undefined;
      const bonds = BigInt(life.bonded.length) * terms.bond;
      const payouts = paid(life.payouts, { executor: life.escrow + bonds });
      return { ...life, end: "Finalised", locked: 0n, escrow: 0n, bonded: [], payouts };
    }
    case "reclaim":
      if ((phase !== "Slashed" && phase !== "Voided") || !life.bonded.includes(move.by)) return undefined;
      return {
        ...life,
        bonded: life.bonded.filter((one) => one !== move.by),
        payouts: paid(life.payouts, { [move.by]: terms.bond }),
      };
    case "demand":
      return demand(life, move, terms);
    case "answer": {
      const asked = life.demands[move.page];
      if (asked?.open !== true || life.end !== undefined || life.now >= asked.answerBy) return undefined;
      let payouts = paid(life.payouts, { [move.by]: asked.reward });
      payouts = paid(payouts, { burned: asked.burned });
      return { ...closed(life, move.page), payouts };
    }
    case "settleWithheld": {
      const asked = life.demands[move.page];
      if (asked?.open !== true || life.end !== undefined || life.now < asked.answerBy) return undefined;
      const lost = slashed(closed(life, move.page), terms, asked.by);
      return { ...lost, payouts: paid(lost.payouts, { [asked.by]: asked.reward + asked.burned }) };
    }
    case "reclaimDemand": {
      const asked = life.demands[move.page];
      if (asked?.open !== true || life.end !== "Slashed") return undefined;
      const payouts = paid(life.payouts, { [asked.by]: asked.reward + asked.burned });
      return { ...closed(life, move.page), payouts };
    }
  }
}

/** Every move that could be tried; to each deadline there is the second before it, the deadline and the second after. */
export function moves(life: Life, cast: Cast, last: Move["kind"] | undefined): Move[] {
  const { now, challengeEnd, revealEnd, proofEnd, demandEnd } = life;
  const deadlines = [challengeEnd, revealEnd, proofEnd, demandEnd.open, demandEnd.provable];
  const times = [...deadlines, ...openDemands(life).map(({ answerBy }) => answerBy)]
    .filter((time) => time !== undefined)
    .flatMap((time) => [time - 1, time, time + 1])
    .filter((time) => time > now);
  // Two waits are one.
  if (last === "wait") return MOVES[cast];
  return [
    ...MOVES[cast],
    ...[...new Set(times)].sort((a, b) => a - b).map((until) => ({ kind: "wait", until }) as const),
  ];
}

/** Who plays: people against each other, or one challenger that demands data. All of them at once take too long. */
export type Cast = "people" | "demands";

const ends = [
  { kind: "settleUnrevealed" },
  { kind: "settleImprecise" },
  { kind: "finalise" },
] as const satisfies Move[];

const MOVES: Record<Cast, Move[]> = {
  people: [
    ...(["executor", "ann", "bob"] as const).map((by) => ({ kind: "challenge", by }) as const),
    ...(["executor", "ann"] as const).map((by) => ({ kind: "reveal", by }) as const),
    ...(["executor", "ann"] as const).flatMap((by) =>
      (["fraudulent", "imprecise", "acceptable"] as const).map(
        (verdict) => ({ kind: "prove", by, verdict }) as const,
      ),
    ),
    ...ends,
    ...(["executor", "ann"] as const).map((by) => ({ kind: "reclaim", by }) as const),
  ],
  demands: [
    { kind: "challenge", by: "ann" },
    { kind: "reveal", by: "executor" },
    { kind: "prove", by: "ann", verdict: "fraudulent" },
    { kind: "prove", by: "ann", verdict: "imprecise" },
    ...ends,
    { kind: "reclaim", by: "ann" },
    // The executor may demand from itself, and anybody may answer.
    { kind: "demand", page: "trace", by: "ann" },
    { kind: "demand", page: "input", by: "executor" },
    { kind: "answer", page: "trace", by: "executor" },
    { kind: "answer", page: "input", by: "bob" },
    ...(["trace", "input"] as const).flatMap((page) => [
      { kind: "settleWithheld", page } as const,
      { kind: "reclaimDemand", page } as const,
    ]),
  ],
};
