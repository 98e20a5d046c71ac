import type {
  BackfillControlPayload,
  BackfillStatusPayload,
  CopiedTable,
  LimitInForce,
} from '../../application/operate/backfill.ts';
import { counted } from '../../domain/counted.ts';
import type { Paint } from '../terminal.ts';
import { facts, section, shortArns, stack, table, time, who, wrap } from './layout.ts';

/** Failed rows that are drawn; all that are kept are in --json. */
const MOST_FAILED = 20;

export function renderBackfillStatus(payload: BackfillStatusPayload, paint: Paint): string {
  const { state, run, now, holdsBack, opensAt, ends, tables, rows, total, estimated } = payload;
  const failed = tables.flatMap((each) =>
    each.failed.map(({ rowKey, reason }) => wrap(`- ${each.table} ${rowKey}: ${reason}`)),
  );
  const failures = tables.reduce((sum, each) => sum + each.failures, 0);
  // The last run found every tenant copied.
  const isIdle = state === 'done' && rows === 0;
  return stack(
    facts(paint, [
      ['copy', run === null ? state : `${state}, run ${run}`],
      ['rows', tables.length === 0 ? null : isIdle ? 'none were left to copy' : rowsText(rows, total, estimated)],
      [
        'rate now',
        now === null ? null : `${now.rowsPerSecond} rows a second, ${now.batchesPerSecond} batches a second`,
      ],
      ['statement', now?.statementMs == null ? null : `${now.statementMs} ms`],
      ...limitFacts(payload.limit),
      [
        'held back',
        holdsBack === null ? (now === null ? null : 'by nothing but its limit') : paint.yellow(holderText(holdsBack)),
      ],
      ['window opens', opensAt === null ? null : time(opensAt)],
      ['ends', ends === null ? null : `between ${time(ends.from)} and ${time(ends.to)}`],
    ]),
    tables.length === 0 || isIdle
      ? ''
      : section(
          paint,
          'tables',
          table(paint, ['table', 'phase', 'rows', 'of', 'not written', 'removed', 'failed'], tables.map(rowOf)),
        ),
    section(
      paint,
      `${counted(failures, 'row')} could not be written`,
      [...failed.slice(0, MOST_FAILED), ...(failures > MOST_FAILED ? [`and ${failures - MOST_FAILED} more`] : [])].join(
        '\n',
      ),
    ),
  );
}

export function renderBackfillControl(payload: BackfillControlPayload, paint: Paint): string {
  const { paused, limit, changed, notes } = payload;
  return stack(
    facts(paint, [
      [
        'copy',
        paused === null
          ? 'may go on'
          : paint.yellow(`paused by ${who(paused.by)} at ${time(paused.at)}: ${paused.why}`),
      ],
      ...limitFacts(limit),
      ['changed', changed ? whenText(paused) : 'nothing: it was so already'],
    ]),
    notes.map((note) => wrap(note)).join('\n'),
  );
}

/** A copy that is at work looks before each batch; one that waits looks once a minute. */
function whenText(paused: BackfillControlPayload['paused']): string {
  return paused === null
    ? 'holds from the next batch on; a copy that waits looks again within a minute'
    : 'the copy waits before its next batch, until backfill resume';
}

function rowsText(rows: number, total: number | null, estimated: boolean): string {
  if (total === null) return `${rows} of a number that is not known`;
  return `${rows} of ${estimated ? 'about ' : ''}${total}`;
}

/** The unit is said wherever the numbers are: the guide's rate_limit_qps 50 has none (prior art 43). */
function limitFacts(limit: LimitInForce): readonly (readonly [string, string | null])[] {
  const { batchesPerSecond, batchRows, rowsPerSecond, from, tuned, factor } = limit;
  return [
    ['limit', `${batchesPerSecond} batches a second × ${batchRows} rows`],
    ['', `= at most ${rowsPerSecond} rows a second${tuned === null ? `, from the ${from}` : ''}`],
    ['tuned', tuned === null ? null : `by ${who(tuned.by)}: ${tuned.why}`],
    ['throttle', factor === 1 ? null : `the target leaves ${factor * 100} % of it`],
  ];
}

function holderText({ why, since }: { readonly why: string; readonly since: string | null }): string {
  const text = shortArns(why);
  return since === null || why.includes(since) ? text : `${text}, since ${time(since)}`;
}

function rowOf(each: CopiedTable): readonly string[] {
  const total = each.total === null ? '?' : `${each.estimated ? '~' : ''}${each.total}`;
  return [
    each.table,
    each.phase,
    String(each.rows),
    total,
    String(each.unwritten),
    String(each.removed),
    String(each.failures),
  ];
}
