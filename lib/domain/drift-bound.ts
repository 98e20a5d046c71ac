/** Drift with its confidence: how many rows of a rate may still hide behind what was seen (design §4; prior art (c) 3). */

const ONE_SIDED_95 = 0.05;
/** Standard normal deviate of 95 %, one-sided. */
const Z_95 = 1.6449;
/** Above it the square root is as good as the sum, and cheaper. */
const EXACT_UP_TO = 500;

export function percentOf(part: number, whole: number): number {
  return whole === 0 ? 0 : (100 * part) / whole;
}

/**
 * 95 % upper bound in percent on the share of differing rows when `found` of `rows` differ: about 3/n for none of n, 100 when
 * nothing was compared. Rows of a full pass are all of them, not a sample: then it bounds what comes next.
 */
export function upperBoundPercent(found: number, rows: number): number {
  if (rows === 0) return 100;
  return Math.min(100, percentOf(poissonUpper(found), rows));
}

/** Largest mean under which seeing no more than `found` has a chance of 5 %. */
function poissonUpper(found: number): number {
  if (found > EXACT_UP_TO) return found + Z_95 * Math.sqrt(found) + 2;
  let low = found;
  let high = found + 10 + 5 * Math.sqrt(found + 1);
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (atMost(found, middle) > ONE_SIDED_95) low = middle;
    else high = middle;
  }
  return high;
}

/** Chance of seeing at most `found` events of a Poisson process of that mean. */
function atMost(found: number, mean: number): number {
  let logTerm = -mean;
  let sum = Math.exp(logTerm);
  for (let k = 1; k <= found; k++) {
    logTerm += Math.log(mean) - Math.log(k);
    sum += Math.exp(logTerm);
  }
  return sum;
}
