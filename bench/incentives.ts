/**
 * `pnpm simulate [--json]`: what stakes, bounty, burn, bond and baits make pay, from the model in closed form and from
 * the agent-based simulation (bench/incentives/). Writes docs/incentives/*.svg; docs/incentives.md reads them.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  blindIncome,
  caughtLoss,
  checkingIncome,
  DEFAULT_ECONOMY as ECONOMY,
  DEFAULT_STAKES as STAKES,
  detectionNeeded,
  greatestBaitRate,
  griefing,
  leastBaitRate,
  selfChallengeLoss,
  voidSabotage,
} from "./incentives/model.ts";
import { type Chart, renderChart } from "./incentives/plot.ts";
import { BASE, type Epoch, type Mechanism, settled, simulate, worst } from "./incentives/simulation.ts";

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const SEEDS = [1, 2, 3];

interface Outcome {
  readonly wrong: number;
  readonly wrongFinal: number;
  readonly worstFinal: number;
  readonly checked: number;
  readonly spend: number;
}

/** Means over several seeds. */
function outcome(mechanism: Mechanism, requesterChecks = 0, economy = ECONOMY): Outcome {
  const runs = SEEDS.map((seed) => simulate({ ...BASE, economy, mechanism, requesterChecks, seed }));
  const mean = (of: (run: Epoch[]) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  return {
    wrong: mean((run) => settled(run, (epoch) => epoch.wrong)),
    wrongFinal: mean((run) => settled(run, (epoch) => epoch.wrongFinal)),
    worstFinal: mean((run) => worst(run, (epoch) => epoch.wrongFinal)),
    checked: mean((run) => settled(run, (epoch) => epoch.checked)),
    spend: mean((run) => settled(run, (epoch) => epoch.spend)),
  };
}

const baits = (rate: number, recognised = 0): Mechanism => ({ kind: "baits", rate, recognised });
const audits = (rate: number, auditors: number): Mechanism => ({
  kind: "audits",
  rate,
  auditors,
  pay: 0.6,
  liability: STAKES.collateral,
});

const closedForm = {
  detectionNeededPlain: detectionNeeded(STAKES, ECONOMY, "plain"),
  detectionNeededRecapturing: detectionNeeded(STAKES, ECONOMY, "recapturing"),
  caughtLossPlain: caughtLoss(STAKES, ECONOMY, "plain"),
  caughtLossRecapturing: caughtLoss(STAKES, ECONOMY, "recapturing"),
  selfChallengeLoss: selfChallengeLoss(STAKES, ECONOMY),
  grieferPays: griefing(STAKES, ECONOMY).pays,
  griefedExecutorGets: griefing(STAKES, ECONOMY).victimGets,
  checkingIncomeWithoutBaits: checkingIncome(STAKES, ECONOMY, 0),
  blindIncomeAtTwoPercent: blindIncome(STAKES, ECONOMY, 0.02),
  leastBaitRate: leastBaitRate(STAKES, ECONOMY),
  greatestBaitRate: greatestBaitRate(STAKES, ECONOMY),
  voidSaboteurAgainstHonest: voidSabotage(STAKES, ECONOMY).saboteur,
  voidSabotagedRequester: voidSabotage(STAKES, ECONOMY).requester,
};

const mechanisms: [string, Mechanism][] = [
  ["none", { kind: "none" }],
  ...[0.006, 0.01, 0.0125, 0.015, 0.02, 0.03].map(
    (rate) => [`baits ${rate * 100} %`, baits(rate)] as [string, Mechanism],
  ),
  ...[0.02, 0.03].map(
    (rate) => [`baits ${rate * 100} %, half of them recognised`, baits(rate, 0.5)] as [string, Mechanism],
  ),
  ...[0.1, 0.2, 0.4, 1].map(
    (rate) => [`audits ${rate * 100} %, one auditor`, audits(rate, 1)] as [string, Mechanism],
  ),
  ...[0.1, 0.2, 0.4, 1].map(
    (rate) => [`audits ${rate * 100} %, two auditors`, audits(rate, 2)] as [string, Mechanism],
  ),
];
const table = mechanisms.map(([name, mechanism]) => ({
  name,
  ...outcome(mechanism),
  withRequesters: outcome(mechanism, 0.25),
}));

const trace = (mechanism: Mechanism): [number, number][] =>
  simulate({ ...BASE, mechanism }).flatMap(({ wrong }, e) =>
    e % 5 === 0 ? [[e, wrong] as [number, number]] : [],
  );
const sweep = <T>(from: number, to: number, steps: number, of: (x: number) => T): [number, T][] =>
  Array.from({ length: steps + 1 }, (_, i) => from + ((to - from) * i) / steps).map((x) => [x, of(x)]);
const named = (start: string) => table.filter(({ name }) => name.startsWith(start));

const charts: Record<string, Chart> = {
  "wrong-claims": {
    title: "Wrong claims posted, requesters not checking",
    x: "epoch of 300 claims",
    y: "share of claims",
    yMin: 0,
    yMax: 1,
    series: [
      { name: "no mechanism", points: trace({ kind: "none" }) },
      { name: "40 % audited by two, liable", points: trace(audits(0.4, 2)) },
      { name: "1.5 % baits", points: trace(baits(0.015)) },
    ],
  },
  "cost-of-security": {
    title: "What is left of fraud, against what the mechanism spends",
    x: "spent per claim, in fees",
    y: "wrong claims that become final (share, log)",
    logY: true,
    yMin: 1e-4,
    yMax: 1,
    series: [
      {
        name: "baits",
        points: [0.006, 0.01, 0.0125, 0.015, 0.02, 0.025].map((rate) => {
          const { spend, wrongFinal } = outcome(baits(rate));
          return [spend, wrongFinal] as const;
        }),
      },
      {
        name: "audits, one auditor, liable",
        points: named("audits")
          .filter(({ name }) => name.endsWith("one auditor"))
          .map(({ spend, wrongFinal }) => [spend, wrongFinal] as const),
      },
      {
        name: "audits, two auditors, liable",
        points: named("audits")
          .filter(({ name }) => name.endsWith("two auditors"))
          .map(({ spend, wrongFinal }) => [spend, wrongFinal] as const),
      },
    ].map((series) => ({ ...series, points: series.points.toSorted(([a], [b]) => a - b) })),
  },
  "bait-rate": {
    title: "Wrong claims that become final, by bait rate",
    x: "baits per claim",
    y: "share of claims (log)",
    logY: true,
    yMin: 1e-4,
    yMax: 1,
    series: [0, 0.5, 0.8].map((recognised) => ({
      name: `${recognised * 100} % of baits recognised`,
      points: sweep(0, 0.04, 10, (rate) => outcome(baits(rate, recognised)).wrongFinal),
    })),
  },
  "bond-range": {
    title: "Bait rates that make checking pay and challenging unseen not",
    x: "bond, in fees",
    y: "baits per claim",
    yMin: 0,
    yMax: 0.4,
    series: [
      {
        name: "from here checking pays",
        points: sweep(0, 30, 60, (bond) => leastBaitRate({ ...STAKES, bond }, ECONOMY)),
      },
      {
        name: "from here challenging unseen pays",
        points: sweep(0, 30, 60, (bond) => greatestBaitRate({ ...STAKES, bond }, ECONOMY)),
      },
    ],
  },
  "detection-needed": {
    title: "Share of claims that must be checked, by what a lie is worth",
    x: "gain from a wrong result that becomes final, in fees",
    y: "share of claims",
    yMin: 0,
    yMax: 1,
    series: [
      ...(["plain", "recapturing"] as const).map((cheat) => ({
        name: cheat === "plain" ? "cheater" : "cheater that takes its bounty back",
        points: sweep(0, 200, 50, (gain) => detectionNeeded(STAKES, { ...ECONOMY, gain }, cheat)),
      })),
      {
        name: "checked at 1.5 % baits (simulated)",
        dashed: true,
        points: [0, 200].map((gain) => [gain, outcome(baits(0.015)).checked] as const),
      },
    ],
  },
};

const folder = join(import.meta.dirname, "../docs/incentives");
await mkdir(folder, { recursive: true });
for (const [name, chart] of Object.entries(charts))
  await writeFile(join(folder, `${name}.svg`), renderChart(chart));

if (values.json)
  console.log(JSON.stringify({ stakes: STAKES, economy: ECONOMY, closedForm, table }, null, 2));
else {
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`.padStart(9);
  for (const [name, value] of Object.entries(closedForm))
    console.log(name.padEnd(30), Number(value.toFixed(4)));
  console.log(
    `\n${"mechanism".padEnd(40)}     wrong     final  p95 final   checked  spent   final, requesters checking`,
  );
  for (const { name, wrong, wrongFinal, worstFinal, checked, spend, withRequesters } of table)
    console.log(
      name.padEnd(40),
      percent(wrong),
      percent(wrongFinal),
      percent(worstFinal),
      percent(checked),
      spend.toFixed(2).padStart(6),
      percent(withRequesters.wrongFinal),
    );
  console.log(`\nplots: ${folder}`);
}
