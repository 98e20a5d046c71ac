/** Milliseconds for people, to two units: 5400000 is `1h 30m`. Pure. The plan's own form is exact and stays with the plan. */
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

export function formatSpan(milliseconds: number): string {
  if (milliseconds <= 0) return '0s';
  if (milliseconds < 1_000) return `${Math.round(milliseconds)}ms`;
  const parts: string[] = [];
  let rest = milliseconds;
  for (const [unit, size] of UNITS) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount > 0) parts.push(`${amount}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}
