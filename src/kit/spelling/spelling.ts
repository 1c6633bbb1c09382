/**
 * Finds the known name someone most likely meant, for refusals that name a wrong key.
 * Owns nothing. Records nothing. Refuses nothing.
 */

const plain = (name: string) =>
  name
    .toLowerCase()
    .replace(/^gatehouse/, '')
    .replace(/[^a-z0-9]/g, '');

/** The nearest of `known` when it is near enough to be a slip of the finger, else undefined. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  const wanted = plain(typed.slice(0, 80));
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(wanted, plain(name));
    if (!best || distance < best.distance) best = { name, distance };
  }
  return best && best.distance <= Math.max(1, Math.floor(wanted.length / 4)) ? best.name : undefined;
}

/** Letters to add, drop, change or swap (optimal string alignment). */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(
        previous[column]! + 1,
        current[column - 1]! + 1,
        previous[column - 1]! + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) cost = Math.min(cost, before[column - 2]! + 1);
      current.push(cost);
    }
    before = previous;
    previous = current;
  }
  return previous[to.length]!;
}
