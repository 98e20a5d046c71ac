/** Guide phase 3: "alert on drift > 0.01 % for 5 consecutive reconciliation cycles". */
export function firesDriftAlert(
  newestFirst: readonly { readonly driftPercent: number; readonly failed: boolean }[],
  rule: { readonly driftPercent: number; readonly cycles: number },
): boolean {
  // A failed cycle measured nothing: it neither counts nor calms.
  const measured = newestFirst.filter((cycle) => !cycle.failed).slice(0, rule.cycles);
  return measured.length === rule.cycles && measured.every((cycle) => cycle.driftPercent > rule.driftPercent);
}
