/** Small deterministic generator (mulberry32): the same seed checks the same elements. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` different integers below `total` (all of them when there are not more), the first and last among them. */
export function sample(total: number, count: number, next: () => number): number[] {
  if (total <= count) return Array.from({ length: total }, (_, i) => i);
  const chosen = new Set(count >= 2 ? [0, total - 1] : []);
  while (chosen.size < count) chosen.add(Math.floor(next() * total));
  return [...chosen].sort((a, b) => a - b);
}
