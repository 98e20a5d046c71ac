import type {
  BackfillControlPayload,
  BackfillStatusPayload,
  CopiedTable,
  LimitInForce,
} from '../../application/operate/backfill.ts';
import type { Paint } from '../terminal.ts';
import { facts, section, stack, table, time, who } from './layout.ts';

/** Failed rows that are drawn; all that are kept are in --json. */
const MOST_FAILED = 20;

export function renderBackfillStatus(payload: BackfillStatusPayload, paint: Paint): string {
  const { state, run, now, holdsBack, opensAt, ends, tables, rows, total, estimated } = payload;
  const failed = tables.flatMap((each) =>
    each.failed.map(({ rowKey, reason }) => `- ${each.table} ${rowKey}: ${reason}`),
  );
  const failures = tables.reduce((sum, each) => sum + each.failures, 0);
  return stack(
    facts(paint, [
      ['copy', run === null ? state : `${state}, run ${run}`],
      ['rows', `${rows} of ${total === null ? 'a number that is not known' : `${estimated ? 'about ' : ''}${total}`}`],
      [
        'rate now',
        now === null ? null : `${now.rowsPerSecond} rows a second, ${now.batchesPerSecond} batches a second`,
      ],
      ['statement', now?.statementMs == null ? null : `${now.statementMs} ms`],
      ['limit', limitText(payload.limit)],
      ['held back', holdsBack === null ? 'by nothing but its limit' : paint.yellow(holderText(holdsBack))],
      ['window opens', opensAt === null ? null : time(opensAt)],
      ['ends', ends === null ? null : `between ${time(ends.from)} and ${time(ends.to)}`],
    ]),
    tables.length === 0
      ? ''
      : section(
          paint,
          'tables',
          table(paint, ['table', 'phase', 'rows', 'of', 'not written', 'removed', 'failed'], tables.map(rowOf)),
        ),
    section(
      paint,
      `${failures} rows could not be written`,
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
      ['limit', limitText(limit)],
      ['', changed ? 'takes hold within seconds of the next batch' : 'unchanged'],
    ]),
    notes.join('\n'),
  );
}

/** The unit is said wherever the numbers are: the guide's rate_limit_qps 50 has none (prior art 43). */
function limitText({ batchesPerSecond, batchRows, rowsPerSecond, from, tuned, factor }: LimitInForce): string {
  const source = tuned === null ? `from the ${from}` : `tuned by ${who(tuned.by)}: ${tuned.why}`;
  const share = factor === 1 ? '' : `, of which the target leaves ${factor * 100} %`;
  return `${batchesPerSecond} batches a second × ${batchRows} rows = at most ${rowsPerSecond} rows a second (${source})${share}`;
}

function holderText({ why, since }: { readonly why: string; readonly since: string | null }): string {
  return since === null || why.includes(since) ? why : `${why}, since ${time(since)}`;
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
