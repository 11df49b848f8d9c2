/** Line charts as SVG: as much as docs/incentives.md needs. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  readonly logY?: boolean;
  readonly yMin?: number;
  readonly yMax?: number;
}

const [WIDTH, HEIGHT] = [720, 400];
const MARGIN = { left: 64, right: 16, top: 36, bottom: 48 };
/** Okabe and Ito's palette, which colour-blind readers can tell apart. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

function escape(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** Round steps that give five or so ticks. */
function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough)!;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}

function label(value: number): string {
  return String(Number(value.toPrecision(4)));
}

export function renderChart(chart: Chart): string {
  const all = chart.series.flatMap(({ points }) => points);
  const finite = all.filter(([, y]) => Number.isFinite(y) && (!chart.logY || y > 0));
  const xs = all.map(([x]) => x);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const scale = (y: number) => (chart.logY ? Math.log10(y) : y);
  const y0 = scale(chart.yMin ?? Math.min(...finite.map(([, y]) => y)));
  const y1 = scale(chart.yMax ?? Math.max(...finite.map(([, y]) => y)));
  const innerWidth = WIDTH - MARGIN.left - MARGIN.right;
  const innerHeight = HEIGHT - MARGIN.top - MARGIN.bottom;
  const px = (x: number) => MARGIN.left + ((x - x0) / (x1 - x0)) * innerWidth;
  const py = (y: number) => {
    const at = chart.logY && y <= 0 ? y0 : scale(y);
    return MARGIN.top + (1 - (Math.min(Math.max(at, y0), y1) - y0) / (y1 - y0)) * innerHeight;
  };
  const yTicks = chart.logY
    ? Array.from({ length: Math.floor(y1) - Math.ceil(y0) + 1 }, (_, i) => 10 ** (Math.ceil(y0) + i))
    : ticks(y0, y1);

  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${WIDTH / 2}" y="20" text-anchor="middle" font-size="14">${escape(chart.title)}</text>`,
  ];
  for (const tick of ticks(x0, x1)) {
    const x = px(tick).toFixed(1);
    parts.push(
      `<line x1="${x}" y1="${MARGIN.top}" x2="${x}" y2="${HEIGHT - MARGIN.bottom}" stroke="#eee"/>`,
      `<text x="${x}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${label(tick)}</text>`,
    );
  }
  for (const tick of yTicks) {
    const y = py(tick).toFixed(1);
    parts.push(
      `<line x1="${MARGIN.left}" y1="${y}" x2="${WIDTH - MARGIN.right}" y2="${y}" stroke="#eee"/>`,
      `<text x="${MARGIN.left - 6}" y="${Number(y) + 4}" text-anchor="end">${label(tick)}</text>`,
    );
  }
  parts.push(
    `<text x="${MARGIN.left + innerWidth / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escape(chart.x)}</text>`,
    `<text transform="translate(16 ${MARGIN.top + innerHeight / 2}) rotate(-90)" text-anchor="middle">${escape(chart.y)}</text>`,
  );
  chart.series.forEach(({ name, points, dashed }, s) => {
    const colour = COLOURS[s % COLOURS.length]!;
    const dash = dashed ? ' stroke-dasharray="6 4"' : "";
    const path = points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" ");
    const y = MARGIN.top + 14 + 16 * s;
    const x = WIDTH - MARGIN.right - 250;
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.8"${dash}/>`,
      `<line x1="${x}" y1="${y - 4}" x2="${x + 24}" y2="${y - 4}" stroke="${colour}" stroke-width="2"${dash}/>`,
      `<text x="${x + 30}" y="${y}">${escape(name)}</text>`,
    );
  });
  return `${parts.join("\n")}\n</svg>\n`;
}
