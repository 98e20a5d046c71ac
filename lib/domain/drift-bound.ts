/** Drift with its confidence: how many rows of a rate may still hide behind what was seen (design §4; prior art (c) 3). */

const ONE_SIDED_95 = 0.05;
/** Standard normal deviate of 95 %, one-sided. */
const Z_95 = 1.6449;
/** Above it the normal approximation is as good as the sum, and cheaper. */
const EXACT_UP_TO = 500;

/** Something of nothing is all of it: rows that nobody counted must not make drift vanish. */
export function percentOf(part: number, whole: number): number {
  if (whole > 0) return (100 * part) / whole;
  return part > 0 ? 100 : 0;
}

/**
 * 95 % upper bound in percent on the share of differing rows when `found` of `rows` differ: Clopper and Pearson, one-sided, which
 * is about 3/n for none of n; 100 when nothing was compared. Rows of a full pass are all of them, not a sample: then it bounds
 * what comes next.
 */
export function upperBoundPercent(found: number, rows: number): number {
  if (rows <= 0 || found >= rows) return 100;
  return Math.min(100, 100 * (found > EXACT_UP_TO ? wilsonUpper(found, rows) : binomialUpper(found, rows)));
}

/** Largest share under which seeing no more than `found` of `rows` has a chance of 5 %. */
function binomialUpper(found: number, rows: number): number {
  if (found === 0) return -Math.expm1(Math.log(ONE_SIDED_95) / rows);
  let low = found / rows;
  let high = Math.min(1, (found + 10 + 5 * Math.sqrt(found + 1)) / rows);
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (atMost(found, rows, middle) > ONE_SIDED_95) low = middle;
    else high = middle;
  }
  return high;
}

/** Chance of seeing at most `found` of `rows` when each differs with that chance. In logarithms: the first terms underflow. */
function atMost(found: number, rows: number, share: number): number {
  if (share >= 1) return 0;
  const logOdds = Math.log(share) - Math.log1p(-share);
  let logTerm = rows * Math.log1p(-share);
  let sum = Math.exp(logTerm);
  for (let k = 1; k <= found; k++) {
    logTerm += Math.log((rows - k + 1) / k) + logOdds;
    sum += Math.exp(logTerm);
  }
  return sum;
}

/** One row more than was found, so that it stays above the exact bound. */
function wilsonUpper(found: number, rows: number): number {
  const share = Math.min(1, (found + 1) / rows);
  const z2 = Z_95 * Z_95;
  const centre = share + z2 / (2 * rows);
  const spread = Z_95 * Math.sqrt((share * (1 - share) + z2 / (4 * rows)) / rows);
  return (centre + spread) / (1 + z2 / rows);
}
