import { readFile } from "node:fs/promises";
import { SAMPLES } from "./cast.ts";

/** A handwritten digit of the held-back part of the data set. */
export interface Digit {
  label: number;
  /** 0..16, in row order. */
  pixels: number[];
}

export async function readDigits(): Promise<Digit[]> {
  const value = JSON.parse(await readFile(SAMPLES, "utf8")) as Digit[] | { samples: Digit[] };
  return Array.isArray(value) ? value : value.samples;
}

/** Digits side by side, two characters a pixel. */
export function draw(digits: readonly Digit[], captions: readonly string[]): string[] {
  const shades = [" ", "░", "▒", "▓", "█"];
  const rows = Array.from({ length: 8 }, (_, y) =>
    digits
      .map(({ pixels }) =>
        pixels
          .slice(8 * y, 8 * y + 8)
          .map((value) => shades[Math.ceil(value / 4)]!.repeat(2))
          .join(""),
      )
      .join("   "),
  );
  return [...rows, captions.map((caption) => caption.padEnd(16)).join("   ")];
}
