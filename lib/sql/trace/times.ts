/** A time as ISO text with microseconds: steps of one transaction are closer than milliseconds, and text sorts. */
export function isoTime(expression: string): string {
  return `to_char(${expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
