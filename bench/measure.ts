/** What a benchmark is, and the arithmetic they share. */

export interface Measured {
  /** Label and value as they are printed, in order; units stand in the label. */
  figures: Record<string, number | string>;
  /** What the goal is about, where it is a ratio of two things measured side by side. */
  ratio?: number;
  goalMet: boolean;
}

export interface Bench {
  name: string;
  /** One sentence: what is measured against what. */
  text: string;
  goal: string;
  run(): Promise<Measured>;
}

/** How long a load runs before anything is counted, so that every round counts the same steady state. */
export const warmUpMs = 400;

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value that this share of all values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

/**
 * Measures two rates in turns, who is first changing every round, so that whatever else the machine does meanwhile
 * falls on both. Returns the median rates and the median of the ratios of each round.
 */
export async function alternate(
  rounds: number,
  one: () => Promise<number>,
  other: () => Promise<number>,
): Promise<{ one: number; other: number; ratio: number; ratios: number[] }> {
  const ones: number[] = [];
  const others: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const turns: [number[], () => Promise<number>][] = [
      [ones, one],
      [others, other],
    ];
    if (round % 2 === 1) turns.reverse();
    for (const [kept, measure] of turns) kept.push(await measure());
  }
  const ratios = ones.map((rate, round) => rate / others[round]!);
  return { one: median(ones), other: median(others), ratio: median(ratios), ratios };
}

/** Two decimals are as much as a shared machine can say. */
export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
