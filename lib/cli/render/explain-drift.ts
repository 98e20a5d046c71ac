/** The history of one row, as lines: a table of it would not fit into 80 columns. */
import type { DriftExplainPayload } from '../../application/operate/explain-drift.ts';
import type { DriftSighting } from '../../contracts/documents.ts';
import type { TracedRowState, TraceStep } from '../../contracts/trace.ts';
import type { Paint } from '../terminal.ts';
import { facts, indent, section, stack, time, wrap } from './layout.ts';

export function renderDriftExplain(payload: DriftExplainPayload, paint: Paint): string {
  const { table, rowKey, difference, state, meaning, likely, tenant, steps, now, verdict, differs, gaps } = payload;
  const kind = difference === null ? 'no difference on record' : `${difference.kind}, ${state}`;
  return stack(
    `${paint.bold(table)} ${rowKey}: ${paint.yellow(kind)}`,
    wrap(verdict)
      .split('\n')
      .map(differs ? paint.red : paint.green)
      .join('\n'),
    facts(paint, [
      ['columns', difference === null ? null : difference.columns.join(', ') || null],
      ['tenant', tenant === null ? (difference?.tenant ?? null) : describeTenant(tenant)],
      ['found', difference === null ? null : time(difference.foundAt)],
      ['over', difference?.repairedAt === undefined ? null : `${time(difference.repairedAt)}, ${state}`],
    ]),
    section(paint, 'what it means', meaning === null ? '' : wrap(meaning)),
    section(paint, 'likely from', differs && likely !== null ? wrap(likely) : ''),
    section(paint, 'cycles that saw it differ', (difference?.seen ?? []).map(sightingLine).join('\n')),
    section(paint, 'what happened', steps.map(stepLine).join('\n')),
    section(paint, 'the row now', now.map(rowLine).join('\n')),
    section(paint, 'not known', gaps.map((gap) => wrap(`- ${gap}`)).join('\n')),
  );
}

function describeTenant({ tenant, stage, on, copied, generation }: NonNullable<DriftExplainPayload['tenant']>): string {
  return `${tenant}, ${stage}, ${on ? 'on' : 'off'}, ${copied ? 'copied' : 'not copied'}, generation ${generation}`;
}

function sightingLine({ cycle, kind, columns }: DriftSighting): string {
  return `${time(cycle)}  ${kind}${columns.length === 0 ? '' : `: ${columns.join(', ')}`}`;
}

function stepLine({ at, store, what, seq, correlationId, detail }: TraceStep): string {
  const when = at === null ? '-'.padEnd(24) : `${at.slice(0, 23).replace('T', ' ')}Z`;
  const ids = [seq === null ? null : `#${seq}`, correlationId === null ? null : `correlation id ${correlationId}`];
  const named = ids.filter((id) => id !== null).join(', ');
  const words = [named, detail].filter((text) => text !== '').map((text) => indent(indent(wrap(text, 72))));
  return [`${when}  ${store} ${what}`, ...words].join('\n');
}

function rowLine({ direction, version, deleted, digests, same, columns, repair }: TracedRowState): string {
  const verdict = same === null ? 'not compared' : same ? 'the same' : 'different';
  return [
    `${direction}: version in force ${version ?? 'none'}${deleted ? ' (tombstone)' : ''}`,
    `    legacy ${digests.legacy ?? 'not read'}, target ${digests.target ?? 'not read'}: ${verdict}`,
    ...(columns === undefined || columns.length === 0 ? [] : [`    columns that differ: ${columns.join(', ')}`]),
    ...(repair === null ? [] : [`    repair ${repair}`]),
  ].join('\n');
}
