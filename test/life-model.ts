/**
 * A claim's life as docs/architecture.md tells it, written down a second time without looking at the contracts: what
 * may be done when, and who gets what. test/life.test.ts compares it with them.
 */
export type Actor = "executor" | "ann" | "bob";
export type Verdict = "fraudulent" | "imprecise" | "acceptable";

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
}

export type Move =
  | { readonly kind: "challenge"; readonly by: Actor }
  | { readonly kind: "reveal"; readonly by: Actor }
  | { readonly kind: "prove"; readonly by: Actor; readonly verdict: Verdict }
  | { readonly kind: "settleUnrevealed" }
  | { readonly kind: "settleImprecise" }
  | { readonly kind: "finalise" }
  | { readonly kind: "reclaim"; readonly by: Actor }
  | { readonly kind: "wait"; readonly until: number };

export interface Life {
  readonly now: number;
  readonly challengeEnd: number;
  readonly revealEnd: number | undefined;
  readonly proofEnd: number | undefined;
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
  return {
    now,
    challengeEnd,
    revealEnd: undefined,
    proofEnd: eager ? Math.max(challengeEnd, now + terms.proofWindow) : undefined,
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
export function phaseOf({ now, challengeEnd, revealEnd, proofEnd, imprecise, end }: Life): string {
  if (end !== undefined) return end;
  if (proofEnd !== undefined) {
    if (now < proofEnd) return "Provable";
    return imprecise === undefined ? "Finalisable" : "Voidable";
  }
  if (revealEnd !== undefined) return now < revealEnd ? "AwaitingReveal" : "Unrevealed";
  return now < challengeEnd ? "Open" : "Finalisable";
}

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
    case "reveal":
      if (phase !== "AwaitingReveal" || move.by !== "executor") return undefined;
      return { ...life, proofEnd: Math.max(life.challengeEnd, life.now + terms.proofWindow) };
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
  }
}

/** Every move that could be tried; to each deadline there is the second before it, the deadline and the second after. */
export function moves({ now, challengeEnd, revealEnd, proofEnd }: Life): Move[] {
  const times = [challengeEnd, revealEnd, proofEnd]
    .filter((time) => time !== undefined)
    .flatMap((time) => [time - 1, time, time + 1])
    .filter((time) => time > now);
  return [
    ...(["executor", "ann", "bob"] as const).map((by) => ({ kind: "challenge", by }) as const),
    ...(["executor", "ann"] as const).map((by) => ({ kind: "reveal", by }) as const),
    ...(["executor", "ann"] as const).flatMap((by) =>
      (["fraudulent", "imprecise", "acceptable"] as const).map(
        (verdict) => ({ kind: "prove", by, verdict }) as const,
      ),
    ),
    { kind: "settleUnrevealed" },
    { kind: "settleImprecise" },
    { kind: "finalise" },
    ...(["executor", "ann"] as const).map((by) => ({ kind: "reclaim", by }) as const),
    ...[...new Set(times)].sort((a, b) => a - b).map((until) => ({ kind: "wait", until }) as const),
  ];
}
