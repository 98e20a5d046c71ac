/**
 * Nothing is set aside: parked or dead-lettered. While a phase goes forward an event that a person has explained does not count
 * (guide phase 2); behind a fence every one does, because whatever is not delivered there is lost (protocol §9.2).
 */
import { type Direction, sourceOf } from '../../domain/direction.ts';
import { type GateDecision, judgeGate } from '../../domain/gate.ts';
import type { SetAsideRow } from '../../sql/relay/set-aside.ts';
import { unexplainedOf } from '../../sql/tenants/delivery-of.ts';
import type { Deps } from '../deps.ts';
import { listExplained } from '../operate/explain-parked.ts';

const MOST_NAMED = 20;

export async function setAsideGate(
  deps: Deps,
  gate: string,
  direction: Direction,
  /** Null: everybody's, explained or not. */
  tenants: readonly string[] | null,
): Promise<GateDecision> {
  const explained = tenants === null ? [] : await listExplained(deps.documents, direction);
  const rows = await deps.databases
    .open(sourceOf(direction), 'relay')
    .query<SetAsideRow & { readonly total: number }>(unexplainedOf(tenants, explained, MOST_NAMED));
  const now = deps.clock.now();
  return judgeGate(
    {
      gate,
      value: rows[0]?.total ?? 0,
      threshold: 0,
      comparison: 'equals',
      unit: 'events',
      source: `crossfade.outbox, ${direction}`,
      measuredAt: now,
      details: [
        ...rows.map(
          (row) => `${row.state} ${row.table_name} ${row.row_key} of ${row.tenant} (seq ${row.seq}): ${row.reason}`,
        ),
        ...(tenants === null
          ? ['run: npx crossfade redrive']
          : [
              'run: npx crossfade redrive, or, where an event is to stay: npx crossfade parked explain <seq> --reason <why>',
            ]),
      ],
    },
    now,
  );
}
