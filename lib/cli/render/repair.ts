import {
  describeDecisions,
  type RepairPayload,
  type RepairsPayload,
  type RepairView,
} from '../../application/operate/repairs.ts';
import type { PlannedRow } from '../../contracts/repair.ts';
import { counted } from '../../domain/counted.ts';
import type { Paint } from '../terminal.ts';
import { facts, section, stack, table, time, who, wrap } from './layout.ts';

export function renderRepairs({ repairs }: RepairsPayload, paint: Paint): string {
  if (repairs.length === 0) return 'no repair is planned';
  const lines = repairs.map((repair) => [
    repair.id,
    repair.state,
    `${repair.rows}`,
    Object.keys(repair.tables).join(', '),
    time(repair.madeAt),
    who(repair.madeBy),
  ]);
  return table(paint, ['repair', 'state', 'rows', 'tables', 'made', 'by'], lines);
}

export function renderRepair({ repair, planned, more }: RepairPayload, paint: Paint): string {
  const tables = Object.entries(repair.tables).map(([name, counts]) => [
    name,
    `${counts.insert}`,
    `${counts.update}`,
    `${counts.delete}`,
  ]);
  const tenants = Object.entries(repair.tenants).map(([tenant, rows]) => `${tenant} ${rows}`);
  return stack(
    facts(paint, [
      ['repair', repair.id],
      ['state', repair.state],
      ['made', `${time(repair.madeAt)} by ${who(repair.madeBy)}`],
      ['of', repair.cycle === null ? 'every open difference' : `cycle ${repair.cycle}`],
      ['writes', repair.direction === 'forward' ? 'target, from legacy' : 'legacy, from the target'],
      ['rows', `${repair.rows}, the cap is ${repair.cap}${repair.rows > repair.cap ? ': a person decides' : ''}`],
      ['tenants', tenants.length === 0 ? null : tenants.join(', ')],
      ['left out', describeLeftOut(repair)],
      ['hash', repair.hash.slice(0, 12)],
      ['approved', repair.approval === undefined ? null : `${time(repair.approval.at)} by ${who(repair.approval.by)}`],
      ['result', describeOutcomes(repair)],
      [
        'undone',
        repair.undone === undefined
          ? null
          : `${counted(repair.undone.rows, 'row')}, ${repair.undone.left} left, by ${who(repair.undone.by)}: ${repair.undone.why}`,
      ],
    ]),
    tables.length === 0 ? '' : table(paint, ['table', 'insert', 'update', 'delete'], tables),
    repair.decisions.length === 0
      ? ''
      : section(paint, 'Who wins', table(paint, ['column', 'winner', 'rows', 'why'], describeDecisions(repair))),
    planned.length === 0
      ? ''
      : section(
          paint,
          'Rows, with digests of what they held → will hold',
          table(paint, ['row', 'tenant', 'action', 'digests'], planned.map(describeRow)),
        ),
    more === 0 ? '' : `${counted(more, 'more row')}; show more with --limit`,
    (repair.reasons ?? []).length === 0
      ? ''
      : section(paint, 'Left', (repair.reasons ?? []).map((reason) => wrap(`- ${reason}`)).join('\n')),
  );
}

const SHORT = 8;

function describeRow({ table: name, rowKey, tenant, action, columns }: PlannedRow): readonly string[] {
  const changes = columns
    .filter(({ before, after }) => before !== null || after !== null)
    .map(({ column, before, after }) => `${column} ${shorten(before)}→${shorten(after)}`);
  return [`${name} ${rowKey}`, tenant ?? '', action, changes.join(', ')];
}

function shorten(digest: string | null): string {
  return digest === null ? '-' : digest.slice(0, SHORT);
}

function describeLeftOut({ leftOut }: RepairView): string | null {
  const parts = [
    [leftOut.converged, 'equal by now'],
    [leftOut['in-flight'], 'in flight'],
    [leftOut['not-compared'], 'not compared'],
    [leftOut.beyond, 'for the next plan'],
  ] as const;
  const said = parts.filter(([rows]) => rows > 0).map(([rows, why]) => `${rows} ${why}`);
  return said.length === 0 ? null : said.join(', ');
}

function describeOutcomes({ outcomes }: RepairView): string | null {
  if (outcomes === undefined) return null;
  return Object.entries(outcomes)
    .filter(([, rows]) => rows > 0)
    .map(([outcome, rows]) => `${rows} ${outcome}`)
    .join(', ');
}
