/** Numbers and times of the report. Pure. */

/** Three digits that count, without an exponent: 0.000299 %. */
export function formatPercent(value: number | null): string {
  if (value === null) return '–';
  if (value === 0) return '0 %';
  const digits = Math.min(12, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return `${Number(value.toFixed(digits)).toLocaleString('en-US', { maximumFractionDigits: 12, useGrouping: false })} %`;
}

/** `1 234 567`, with narrow spaces that do not break. */
export function formatCount(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `2026-01-05 12:00Z`. */
export function formatTime(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')}Z`;
}
